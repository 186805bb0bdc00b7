"""Lists of tasks, their filters and pages; the plan of one; and what a client need not fetch twice."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.api.tasks import matches
from app.model.task import created_ms
from tests.integration.api.support import LINE, Api, Worker, pointers, problem_of

pytestmark = pytest.mark.anyio


async def listed(api: Api, **query: Any) -> list[str]:
    """The texts of the tasks on the first page."""
    reply = await api.http.get("/tasks", params=query)
    assert reply.status_code == 200, reply.text
    return [task["task"] for task in reply.json()["tasks"]]


async def page_by_page(api: Api, limit: int, between: Any) -> list[str]:
    """The ids of all pages; `between` runs after each of them."""
    found: list[str] = []
    query: dict[str, Any] = {"limit": limit}
    while True:
        page = (await api.http.get("/tasks", params=query)).json()
        assert len(page["tasks"]) <= limit
        found += [task["task_id"] for task in page["tasks"]]
        if page["next"] is None:
            return found
        query["cursor"] = page["next"]
        await between()


async def test_pages_of_any_size_hold_every_task_once_whatever_arrives(api: Api) -> None:
    """New tasks come between any two pages, and still each task of the start is shown exactly once, newest first."""
    known = [await api.submit() for _ in range(12)]

    async def one_more() -> None:
        known.append(await api.submit())

    for limit in [*range(1, 14), 100]:
        at_first = list(known)
        found = await page_by_page(api, limit, one_more)
        assert found == sorted(found, reverse=True)
        assert set(found) == set(at_first), limit


async def test_a_cursor_outlives_its_task(api: Api, worker: Worker) -> None:
    """The task at which a page ended may be deleted before the next page is asked for."""
    ids = [await api.submit() for _ in range(4)]
    first = (await api.http.get("/tasks", params={"limit": 2})).json()
    await worker.finish(first["next"], 1, 2, 3)
    await api.http.delete(f"/tasks/{first['next']}")

    second = (await api.http.get("/tasks", params={"limit": 2, "cursor": first["next"]})).json()

    assert {task["task_id"] for task in second["tasks"]} == set(ids) - {task["task_id"] for task in first["tasks"]}


async def test_a_task_in_a_list_is_a_summary(api: Api, worker: Worker) -> None:
    """Enough to show it in a table: words, state, priority, labels, times, progress."""
    task_id = await api.submit(labels={"team": "a"}, priority=2)
    await worker.finish(task_id, 1)

    (task,) = (await api.http.get("/tasks")).json()["tasks"]

    assert task == {
        "task_id": task_id, "task": "Do it", "status": "running", "priority": 2, "labels": {"team": "a"},
        "created_ms": (await api.view(task_id))["created_ms"], "finished_ms": None, "rested_ms": 0,
        "steps": 3, "steps_left": 2,
    }  # fmt: skip


async def test_lists_are_filtered_by_state_label_words_and_time(api: Api, worker: Worker) -> None:
    """Each filter narrows the list, and together they must all hold."""
    done = await api.submit(task="Compare Tea and coffee", labels={"team": "a", "lang": "en"})
    await worker.finish(done, 1, 2, 3)
    await worker.fail(await api.submit(task="Compare red and blue", labels={"team": "a", "k": "x:y"}), 1)
    await api.steer(await api.submit(task="Sum up", labels={"team": "b"}), "pause")
    await api.submit(task="Wait")

    assert await listed(api) == ["Wait", "Sum up", "Compare red and blue", "Compare Tea and coffee"]
    assert await listed(api, status="completed") == ["Compare Tea and coffee"]
    assert await listed(api, status="failed") == ["Compare red and blue"]
    assert await listed(api, status="paused") == ["Sum up"]
    assert await listed(api, status="queued") == ["Wait"]
    assert await listed(api, status="cancelled") == []
    assert await listed(api, label="team:a") == ["Compare red and blue", "Compare Tea and coffee"]
    assert await listed(api, label="k:x:y") == ["Compare red and blue"]
    assert await listed(api, label=["team:a", "lang:en"]) == ["Compare Tea and coffee"]
    assert await listed(api, label=["team:a", "team:b"]) == []
    assert await listed(api, q="tea COMPARE") == ["Compare Tea and coffee"]
    assert await listed(api, q="compare", status="failed", label="team:a") == ["Compare red and blue"]
    assert await listed(api, q="nothing like it") == []


async def test_a_list_may_begin_at_a_time(api: Api) -> None:
    """The time is compared with the moment in a task's id, to the millisecond, whatever its offset."""
    ids = [await api.submit(task=str(number)) for number in range(3)]
    moment = datetime.fromtimestamp(created_ms(ids[1]) / 1000, UTC)
    expected = [str(n) for n in (2, 1, 0) if created_ms(ids[n]) >= created_ms(ids[1])]
    elsewhere = moment.astimezone(datetime.fromisoformat("2026-01-01T00:00:00-03:00").tzinfo)

    assert await listed(api, created_after=moment.isoformat()) == expected
    assert await listed(api, created_after=elsewhere.isoformat()) == expected
    assert await listed(api, created_after=(moment + timedelta(hours=1)).isoformat()) == []
    assert await listed(api, created_after="0001-01-01T00:00:00Z") == ["2", "1", "0"]
    assert await listed(api, created_after="9999-12-31T23:59:59Z") == []


@pytest.mark.parametrize(
    ("query", "status", "expected"),
    [
        ("cursor=x", 400, None),
        ("cursor=", 400, None),
        ("cursor=5-1", 400, None),
        ("status=done", 422, ["status"]),
        ("label=team", 422, ["label.0"]),
        ("label=team:a&label=:a", 422, ["label.1"]),
        ("label=" + "x" * 65 + ":a", 422, ["label.0"]),
        ("&".join(["label=a:b"] * 33), 422, ["label"]),
        ("q=" + "x" * 201, 422, ["q"]),
        ("created_after=yesterday", 422, ["created_after"]),
        ("created_after=1700000000", 422, ["created_after"]),
        ("created_after=2026-05-01T12:00:00", 422, ["created_after"]),
        ("limit=0", 422, ["limit"]),
        ("limit=101", 422, ["limit"]),
        ("limit=ten", 422, ["limit"]),
    ],
)
async def test_bad_filters_are_named(api: Api, query: str, status: int, expected: list[str] | None) -> None:
    """A cursor that no list gave out is 400; a filter that means nothing is 422 with its name."""
    problem = problem_of(await api.http.get(f"/tasks?{query}"), status)

    if expected is None:
        assert problem["type"] == "urn:stepstream:problem:bad-cursor"
    else:
        assert pointers(problem) == expected


async def test_the_plan_shows_how_far_each_step_has_come(api: Api, worker: Worker) -> None:
    """The steps as they were planned, with their present states."""
    plan = [{**step, "reason": "because"} for step in LINE]
    task_id = await api.submit(plan)
    await worker.finish(task_id, 1)
    await worker.start(task_id, 2)

    body = (await api.http.get(f"/tasks/{task_id}/plan")).json()

    assert (body["task_id"], body["planner"]) == (task_id, "client")
    assert [(step["agent"], step["payload"], step["reason"], step["depends_on"]) for step in body["steps"]] == [
        ("retriever", "Find", "because", []),
        ("analyzer", "Think", "because", [1]),
        ("writer", "Write", "because", [2]),
    ]
    assert [(step["status"], step["attempts"]) for step in body["steps"]] == [
        ("completed", 1),
        ("running", 1),
        ("waiting", 0),
    ]


async def test_a_client_that_has_the_present_version_gets_no_body(api: Api, worker: Worker) -> None:
    """304 as long as nothing happens to the task; every change makes another version."""
    task_id = await api.submit()

    async def moves() -> Any:
        yield None
        yield await worker.finish(task_id, 1)
        yield await api.steer(task_id, "pause")
        yield await api.steer(task_id, "resume")
        yield await worker.fail(task_id, 2)
        yield await api.steer(task_id, "retry")

    versions: list[str] = []
    async for _ in moves():
        if versions:
            changed = await api.http.get(f"/tasks/{task_id}", headers={"if-none-match": versions[-1]})
            assert changed.status_code == 200
        full = await api.http.get(f"/tasks/{task_id}")
        same = await api.http.get(f"/tasks/{task_id}", headers={"if-none-match": f'"other", {full.headers["etag"]}'})
        assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", full.headers["etag"])
        assert matches(full.headers["etag"], f'"{full.json()["last_seq"]}-{full.json()["status"]}"')
        versions.append(full.headers["etag"])
    assert len(set(versions)) == len(versions)


async def test_a_view_tells_how_attempts_failed_and_were_put_off(api: Api, worker: Worker) -> None:
    """Errors per attempt, deferrals and the deadline are part of the task."""
    plan = [{**step, "depends_on": []} for step in LINE[:2]]
    task_id = await api.submit(plan, deadline="PT1H")
    await worker.defer(task_id, 1)
    await worker.fail(task_id, 2)

    view = await api.view(task_id)

    assert view["deadline_ms"] == view["created_ms"] + 3_600_000
    assert [(step["deferrals"], len(step["errors"])) for step in view["steps"]] == [(1, 0), (0, 1)]
    error = view["steps"][1]["errors"][0]
    assert (error["attempt"], error["worker"], error["error"]["code"]) == (1, "w1", "permanent")
