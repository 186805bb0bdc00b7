"""One action for all tasks that match a filter."""

from typing import Any

import httpx2
import pytest

from tests.integration.api.guarded import guarded
from tests.integration.api.support import LINE, Api, Worker, pointers, problem_of

pytestmark = pytest.mark.anyio


async def act(api: Api, action: str, **body: Any) -> dict[str, Any]:
    """The answer of one call."""
    reply = await api.http.post("/tasks/bulk", json={"action": action, **body})
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


async def statuses(api: Api, *task_ids: str) -> list[str]:
    return [(await api.view(task_id))["status"] for task_id in task_ids]


async def failed(api: Api, worker: Worker, **body: Any) -> str:
    task_id = await api.submit(**body)
    await worker.fail(task_id, 1)
    return task_id


async def test_all_that_failed_run_again_and_nothing_else(api: Api, worker: Worker) -> None:
    """By label and words; what was done no longer matches, so a second call finds nothing."""
    mine = [await failed(api, worker, task=f"Look at {n}", labels={"team": "a"}) for n in ("tea", "red TEA")]
    other = await failed(api, worker, task="Look at tea", labels={"team": "b"})
    done = await api.submit(task="Look at tea", labels={"team": "a"})
    await worker.finish(done, 1, 2, 3)

    answer = await act(api, "retry", labels={"team": "a"}, q="tea")

    assert answer == {"outcomes": [{"task_id": task_id, "refused": None} for task_id in reversed(mine)], "next": None}
    assert await statuses(api, *mine, other, done) == ["running", "running", "failed", "completed"]
    assert await act(api, "retry", labels={"team": "a"}, q="tea") == {"outcomes": [], "next": None}


async def test_open_tasks_are_cancelled_and_ended_ones_deleted(api: Api, worker: Worker) -> None:
    """A state narrows it; the log says who asked and why."""
    queued, running, paused = [await api.submit() for _ in range(3)]
    await worker.finish(running, 1)
    await api.steer(paused, "pause")

    first = await act(api, "cancel", status="paused", reason="Wrong data")
    assert [outcome["task_id"] for outcome in first["outcomes"]] == [paused]
    assert "Wrong data" in str(await api.events(paused))
    second = await act(api, "cancel")
    assert {outcome["task_id"] for outcome in second["outcomes"]} == {queued, running}
    assert await statuses(api, queued, running, paused) == ["cancelled"] * 3
    await act(api, "delete", status="failed")
    assert (await api.http.get("/tasks/counts")).json()["total"] == 3
    deleted = await act(api, "delete")

    assert {outcome["task_id"] for outcome in deleted["outcomes"]} == {queued, running, paused}
    assert (await api.http.get("/tasks/counts")).json()["total"] == 0


async def test_a_series_of_calls_reaches_what_was_there_and_ends(api: Api) -> None:
    """However small its steps are; a task that comes in between is not touched."""
    known = [await api.submit() for _ in range(7)]
    reached: list[str] = []
    cursor = None
    while True:
        answer = await act(api, "cancel", limit=2, cursor=cursor)
        assert len(answer["outcomes"]) <= 2
        reached += [outcome["task_id"] for outcome in answer["outcomes"]]
        late = await api.submit()
        cursor = answer["next"]
        if cursor is None:
            break

    assert reached == sorted(known, reverse=True)
    assert await statuses(api, late) == ["queued"]


async def test_a_task_that_does_not_allow_it_says_why_and_stops_nobody(api: Api, worker: Worker) -> None:
    """Here one that was retried too often: it stays as it is, the others run again."""
    ids = [await failed(api, worker) for _ in range(3)]
    await api.services.redis.hset(api.services.keys.task(ids[1]), "agains", 100)

    answer = await act(api, "retry")

    refused = {outcome["task_id"]: outcome["refused"] for outcome in answer["outcomes"]}
    assert [refused[ids[0]], refused[ids[2]]] == [None, None]
    assert await statuses(api, *ids) == ["running", "failed", "running"]
    assert "retried 100 times" in refused[ids[1]]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "retry", "status": "completed"}, "/status"),
        ({"action": "cancel", "status": "failed"}, "/status"),
        ({"action": "delete", "status": "open"}, "/status"),
        ({"action": "burn"}, "/action"),
        ({"status": "failed"}, "/action"),
        ({"action": "retry", "limit": 101}, "/limit"),
        ({"action": "retry", "labels": {"a:b": "c"}}, "/labels/a:b"),
        ({"action": "retry", "created_after": "yesterday"}, "/created_after"),
        ({"action": "retry", "every": True}, "/every"),
    ],
)
async def test_what_makes_no_sense_is_refused_before_anything_is_done(
    api: Api, worker: Worker, body: dict[str, Any], pointer: str
) -> None:
    """With the place of the mistake; nothing has changed."""
    task_id = await failed(api, worker)

    problem = problem_of(await api.http.post("/tasks/bulk", json=body), 422)

    assert pointers(problem) == [pointer]
    assert await statuses(api, task_id) == ["failed"]


async def test_a_cursor_that_is_none_is_refused(api: Api) -> None:
    """As by the list."""
    reply = await api.http.post("/tasks/bulk", json={"action": "retry", "cursor": "x"})
    assert problem_of(reply, 400)["type"].endswith("bad-cursor")


async def test_only_who_may_submit_acts_and_only_on_tasks_of_their_own(redis_url: str, namespace: str) -> None:
    """Another tenant's tasks match nothing; a key that may only read is refused."""
    async with guarded(redis_url, namespace) as api:
        reply = await api.http.post("/run-task", json={"task": "x", "plan": LINE}, headers=api.theirs)
        task_id = reply.json()["task_id"]

        async def cancel(headers: dict[str, str]) -> httpx2.Response:
            return await api.http.post("/tasks/bulk", json={"action": "cancel"}, headers=headers)

        problem_of(await cancel(api.headers("reader")), 403)
        assert (await cancel(api.headers("administrator"))).json()["outcomes"] == []
        assert [one["task_id"] for one in (await cancel(api.theirs)).json()["outcomes"]] == [task_id]
