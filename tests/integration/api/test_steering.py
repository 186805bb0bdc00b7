"""Tasks that are cancelled, paused, run again, branched off and deleted over HTTP."""

import time
from typing import Any

import pytest

from app.metrics.task_metrics import fold
from app.model.task import new_task_id
from tests.integration.api.support import LINE, Api, Worker, pointers, problem_of, running

pytestmark = pytest.mark.anyio

UNKNOWN = new_task_id(time.time_ns() // 1_000_000, 7)
LONG_AGO = new_task_id(1_600_000_000_000, 7)
VERBS = ("cancel", "pause", "resume", "retry", "fork")
TWO_SOURCES = [
    {"step_id": 1, "agent": "retriever", "payload": "a", "depends_on": []},
    {"step_id": 2, "agent": "retriever", "payload": "b", "depends_on": []},
    {"step_id": 3, "agent": "writer", "payload": "c", "depends_on": [1, 2]},
]


async def kinds(api: Api, task_id: str) -> list[str]:
    return [event["type"] for event in await api.events(task_id)]


def states(view: dict[str, Any]) -> list[str]:
    return [step["status"] for step in view["steps"]]


async def test_a_running_step_is_stopped_by_a_graceful_cancellation(api: Api, worker: Worker) -> None:
    """202 while the worker still runs; when it has stopped the task is over, and the log tells how long that took."""
    task_id = await api.submit()
    attempt = await worker.start(task_id, 1)

    reply = await api.steer(task_id, "cancel", mode="graceful", reason="not needed")
    wanted = await worker.is_wanted(attempt)
    await worker.stop(attempt)

    assert (reply.status_code, reply.json()["status"], states(reply.json())) == (
        202,
        "cancelling",
        ["running", "skipped", "skipped"],
    )
    assert not wanted
    view = await api.view(task_id)
    assert (view["status"], states(view)) == ("cancelled", ["cancelled", "skipped", "skipped"])
    request, *_, end = [event for event in await api.events(task_id) if event["type"].startswith("task.canc")]
    assert request["data"] == {"by": "api", "mode": "graceful", "reason": "not needed"}
    assert (end["data"]["reason"], end["data"]["stop_latency_ms"] >= 0) == ("not needed", True)


async def test_a_forced_cancellation_waits_for_nobody(api: Api, worker: Worker) -> None:
    """The answer shows the task's end; what the worker still brings is refused."""
    task_id = await api.submit()
    attempt = await worker.start(task_id, 1)

    reply = await api.steer(task_id, "cancel", mode="force")

    assert (reply.status_code, reply.json()["status"]) == (202, "cancelled")
    assert not await worker.is_wanted(attempt)


async def test_gathering_is_cut_short_and_the_rest_finished(api: Api, worker: Worker) -> None:
    """With mode `finish` the open source is skipped and the report written from the other; the task is partial."""
    task_id = await api.submit(TWO_SOURCES)
    await worker.finish(task_id, 1)

    reply = await api.steer(task_id, "cancel", mode="finish")
    await worker.finish(task_id, 3)

    assert (reply.status_code, states(reply.json())) == (202, ["completed", "skipped", "queued"])
    end = (await api.events(task_id))[-1]
    assert (end["type"], end["data"]["partial"]) == ("task.completed", True)


async def test_finishing_with_nothing_left_to_gather_changes_nothing(api: Api, worker: Worker) -> None:
    """The rest runs as it would have, and nothing is missing in the result."""
    task_id = await api.submit()
    await worker.finish(task_id, 1)

    reply = await api.steer(task_id, "cancel", mode="finish")
    await worker.finish(task_id, 2, 3)

    assert (reply.status_code, reply.json()["status"]) == (202, "running")
    assert (await api.events(task_id))[-1]["data"]["partial"] is False


async def test_cancelling_twice_asks_for_more_never_for_less(api: Api, worker: Worker) -> None:
    """Force follows graceful; what has ended is answered with 200 and stays as it is."""
    task_id = await api.submit()
    await worker.start(task_id, 1)

    replies = [await api.steer(task_id, "cancel", mode=mode) for mode in ("graceful", "graceful", "force", "graceful")]

    assert [(reply.status_code, reply.json()["status"]) for reply in replies] == [
        (202, "cancelling"),
        (202, "cancelling"),
        (202, "cancelled"),
        (200, "cancelled"),
    ]
    assert (await kinds(api, task_id)).count("task.cancel_requested") == 2


async def test_a_completed_task_cannot_be_cancelled_any_more(api: Api, worker: Worker) -> None:
    """200 with the task as it ended: whoever asks is too late, not wrong."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3)

    reply = await api.steer(task_id, "cancel")

    assert (reply.status_code, reply.json()["status"]) == (200, "completed")


async def test_a_paused_task_starts_nothing_until_it_is_resumed(api: Api, worker: Worker) -> None:
    """What runs is finished, what follows is not begun; both requests may be repeated."""
    task_id = await api.submit()
    attempt = await worker.start(task_id, 1)
    paused = [await api.steer(task_id, "pause", reason="lunch") for _ in range(2)]
    still_wanted = await worker.is_wanted(attempt)
    resumed = [await api.steer(task_id, "resume") for _ in range(2)]

    assert [(reply.status_code, reply.json()["status"]) for reply in (*paused, *resumed)] == [
        (202, "paused"),
        (202, "paused"),
        (202, "running"),
        (202, "running"),
    ]
    assert still_wanted
    found = [event for event in await api.events(task_id) if event["type"] in ("task.paused", "task.resumed")]
    assert [(event["type"], event["data"]) for event in found] == [
        ("task.paused", {"by": "api", "reason": "lunch"}),
        ("task.resumed", {"by": "api", "reason": None}),
    ]


async def test_a_failed_task_is_run_again_in_place(api: Api, worker: Worker) -> None:
    """The log goes on behind the failure; what had succeeded is not run again."""
    task_id = await api.submit()
    await worker.finish(task_id, 1)
    await worker.fail(task_id, 2)

    reply = await api.http.post(f"/tasks/{task_id}/retry")
    await worker.finish(task_id, 2, 3)

    assert (reply.status_code, states(reply.json())) == (202, ["completed", "queued", "waiting"])
    found = await kinds(api, task_id)
    assert found[found.index("task.failed") + 1] == "task.retried"
    assert found[-1] == "task.completed"
    view = await api.view(task_id)
    assert [step["attempts"] for step in view["steps"]] == [1, 2, 1]
    assert [error["error"]["message"] for error in view["steps"][1]["errors"]] == ["no good"]


async def test_a_retry_may_begin_further_up(api: Api, worker: Worker) -> None:
    """The named step and all that depends on it run again, succeeded or not."""
    task_id = await api.submit()
    await worker.finish(task_id, 1)
    await worker.fail(task_id, 2)

    reply = await api.steer(task_id, "retry", from_step=1)

    assert states(reply.json()) == ["queued", "waiting", "waiting"]
    assert [event["data"]["steps"] for event in await api.events(task_id) if event["type"] == "task.retried"] == [
        [1, 2, 3]
    ]


async def test_a_fork_reuses_results(api: Api, worker: Worker) -> None:
    """Only the named step and what depends on it runs; the rest is there as results without an attempt."""
    task_id = await api.submit(labels={"team": "a"})
    await worker.finish(task_id, 1, 2, 3, text="old")

    reply = await api.steer(task_id, "fork", from_step=3)
    forked = reply.json()["task_id"]
    before = await api.view(forked)
    await worker.finish(forked, 3, text="new")

    assert reply.status_code == 202
    assert reply.headers["location"] == reply.json()["links"]["self"] == f"/tasks/{forked}"
    assert (before["parent_task_id"], before["labels"]) == (task_id, {"team": "a"})
    assert [(step["status"], step["attempts"]) for step in before["steps"]] == [
        ("completed", 0),
        ("completed", 0),
        ("queued", 0),
    ]
    events = await api.events(forked)
    cached = [event for event in events if event["type"] == "step.completed" and event["data"]["cached"]]
    assert [(event["step_id"], "attempt" in event) for event in cached] == [(1, False), (2, False)]
    results = [(await api.http.get(f"/tasks/{name}/result")).json()["outputs"][0] for name in (task_id, forked)]
    assert [result["text"] for result in results] == ["old", "new"]


async def test_a_fork_with_an_edited_plan_runs_what_was_edited(api: Api, worker: Worker) -> None:
    """Steps that are the same keep their results, the others run."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3)
    plan = [*LINE[:2], {"step_id": 3, "agent": "writer", "payload": "Write more"}]

    reply = await api.steer(task_id, "fork", plan=plan)

    assert reply.json()["plan"]["steps"][2]["payload"] == "Write more"
    assert states(await api.view(reply.json()["task_id"])) == ["completed", "completed", "queued"]


async def test_a_deleted_task_is_gone(api: Api, worker: Worker) -> None:
    """204, then 404 on all of its pages, and the lists no longer know it."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3)

    reply = await api.http.delete(f"/tasks/{task_id}")

    assert (reply.status_code, reply.content) == (204, b"")
    for path in ("", "/result", "/events", "/plan"):
        problem_of(await api.http.get(f"/tasks/{task_id}{path}"), 404)
    problem_of(await api.http.delete(f"/tasks/{task_id}"), 404)
    assert (await api.http.get("/tasks")).json() == {"tasks": [], "next": None}


async def test_a_task_that_is_open_can_be_neither_retried_nor_forked_nor_deleted(api: Api) -> None:
    """409 names the state that stands in the way."""
    task_id = await api.submit()

    for reply in (
        await api.steer(task_id, "retry"),
        await api.steer(task_id, "fork", from_step=1),
        await api.http.delete(f"/tasks/{task_id}"),
    ):
        problem = problem_of(reply, 409)
        assert problem["type"] == "urn:stepstream:problem:not-possible"
        assert "queued" in problem["detail"]


async def test_a_task_that_has_ended_can_be_neither_paused_nor_resumed(api: Api, worker: Worker) -> None:
    """409; a completed one cannot be retried either."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3)

    for verb in ("pause", "resume", "retry"):
        assert "completed" in problem_of(await api.steer(task_id, verb), 409)["detail"]


@pytest.mark.parametrize("verb", [*VERBS, "delete"])
@pytest.mark.parametrize(
    ("task_id", "status"),
    [pytest.param(UNKNOWN, 404, id="unknown"), ("nonsense", 404), ("0-" + "9" * 36, 404), (LONG_AGO, 410)],
)
async def test_what_is_not_there_cannot_be_steered(api: Api, verb: str, task_id: str, status: int) -> None:
    """A task that was never there is told from one whose time is over."""
    if verb == "delete":
        reply = await api.http.delete(f"/tasks/{task_id}")
    else:
        reply = await api.steer(task_id, verb, **({"from_step": 1} if verb == "fork" else {}))

    problem_of(reply, status)


@pytest.mark.parametrize(
    ("verb", "body", "expected"),
    [
        ("cancel", {"mode": "gently"}, ["/mode"]),
        ("cancel", {"mode": None}, ["/mode"]),
        ("cancel", {"reason": "x" * 301}, ["/reason"]),
        ("cancel", {"reason": "a\u0007"}, ["/reason"]),
        ("cancel", [], [""]),
        ("pause", {"reason": 7}, ["/reason"]),
        ("resume", {"mode": "force"}, ["/mode"]),
        ("retry", {"from_step": "2"}, ["/from_step"]),
        ("retry", {"from_step": 0}, ["/from_step"]),
        ("retry", {"from_step": 9}, ["/from_step"]),
        ("fork", {}, [""]),
        ("fork", {"from_step": 9}, ["/from_step"]),
        ("fork", {"plan": []}, ["/plan"]),
        ("fork", {"plan": [{"step_id": 1, "agent": "nobody", "payload": "x"}]}, ["/plan/0/agent"]),
        ("fork", {"plan": [{"step_id": 1, "agent": "writer", "payload": "a\u0000"}]}, ["/plan"]),
        ("fork", {"task": "x"}, ["/task"]),
    ],
)
async def test_every_bad_request_has_a_pointer(
    api: Api, worker: Worker, verb: str, body: Any, expected: list[str]
) -> None:
    """422 says what is wrong and where, and the task is as it was."""
    task_id = await api.submit()
    await worker.fail(task_id, 1)
    before = await api.view(task_id)

    reply = await api.http.post(f"/tasks/{task_id}/{verb}", json=body)

    assert pointers(problem_of(reply, 422)) == expected
    assert await api.view(task_id) == before


async def test_a_fork_that_changes_nothing_is_refused(api: Api, worker: Worker) -> None:
    """Every result would be taken over, so nothing would run."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3)

    reply = await api.steer(task_id, "fork", plan=LINE)

    assert pointers(problem_of(reply, 422)) == ["/plan"]


@pytest.mark.parametrize("verb", ["cancel", "pause", "resume"])
@pytest.mark.parametrize("headers", [{}, {"content-type": "application/json"}])
async def test_a_body_may_be_left_out(api: Api, verb: str, headers: dict[str, str]) -> None:
    """Without members there is nothing to declare."""
    task_id = await api.submit()

    reply = await api.http.post(f"/tasks/{task_id}/{verb}", headers=headers)

    assert reply.status_code == 202, reply.text


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize(
    ("content", "content_type", "status"),
    [
        (b"{", "application/json", 400),
        (b'{"reason": NaN}', "application/json", 400),
        (b"{}", "text/plain", 415),
        (b"{}", "", 415),
        (b"", "application/x-www-form-urlencoded", 415),
        (b" " * 100_001, "application/json", 413),
    ],
)
async def test_a_body_that_is_there_is_json(
    api: Api, verb: str, content: bytes, content_type: str, status: int
) -> None:
    """The same rules as for submissions, a form of another site included."""
    task_id = await api.submit()

    reply = await api.http.post(f"/tasks/{task_id}/{verb}", content=content, headers={"content-type": content_type})

    problem_of(reply, status)
    assert (await api.view(task_id))["status"] == "queued"


async def test_without_redis_nothing_is_steered(monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with a time to come back, on every route."""
    monkeypatch.setattr("app.bootstrap.api.API_RETRY_MS_MAX", 50)
    async with running(redis_url="unix:///nonexistent/redis.sock", namespace="x") as api:
        replies = [await api.steer(UNKNOWN, verb, **({"from_step": 1} if verb == "fork" else {})) for verb in VERBS]
        replies += [
            await api.http.delete(f"/tasks/{UNKNOWN}"),
            await api.http.get("/tasks"),
            await api.http.get(f"/tasks/{UNKNOWN}/plan"),
        ]

    for reply in replies:
        problem_of(reply, 503)
        assert int(reply.headers["retry-after"]) >= 1


async def test_metrics_and_view_agree_whatever_is_done_to_a_task(api: Api, worker: Worker) -> None:
    """After each move the states folded from the log are those of the task itself."""
    terms = {"labels": {"team": "a"}, "concurrency": {"key": "team", "limit": 1}}
    task_id = await api.submit(TWO_SOURCES, **terms)

    async def steer(verb: str, **body: Any) -> None:
        assert (await api.steer(task_id, verb, **body)).status_code == 202

    moves = [
        steer("pause"), steer("resume"), worker.defer(task_id, 1), steer("pause"), steer("cancel", mode="finish"),
        steer("cancel", mode="force"), steer("retry"), worker.finish(task_id, 1), worker.fail(task_id, 2),
        steer("retry", from_step=1), worker.finish(task_id, 1, 2), steer("pause"), steer("cancel", mode="graceful"),
        steer("retry"), worker.finish(task_id, 3),
    ]  # fmt: skip
    seen = []
    for move in moves:
        await move
        view = await api.view(task_id)
        figures = (await api.http.get(f"/metrics/{task_id}")).json()
        seen.append(view["status"])
        assert figures["status"] == view["status"], seen
        assert [step["status"] for step in figures["per_step"]] == states(view), seen
        assert figures["timing"]["finished"] == view["finished_ms"], seen
        assert figures["timing"]["started"] == view["started_ms"], seen
        assert figures["timing"]["rested_ms"] == view["rested_ms"], seen
    assert seen == [
        "paused", "queued", "running", "paused", "running", "cancelled", "running", "running", "failed", "running",
        "running", "paused", "cancelled", "running", "completed",
    ]  # fmt: skip
    stored = [event async for page in api.services.log.pages(task_id) for event in page]
    assert figures == fold(stored).model_dump(mode="json")
