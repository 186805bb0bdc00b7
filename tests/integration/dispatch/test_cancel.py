"""Ending a task early: three modes, every state a step can be in, escalation, and how the word reaches workers."""

from collections.abc import Awaitable, Callable

import pytest

from app.broker.keys import ShardKeys
from app.dispatch.attempt import Attempt, Fenced
from app.model.events import ErrorInfo
from app.model.task import CancelMode, Concurrency, Moment

from .conftest import DIAMOND, LIMITS, LINE, Bench

pytestmark = pytest.mark.anyio

ERROR = ErrorInfo(type="Boom", code="boom", message="no")
TWO_ROOTS = [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in (1, 2)]
GROUP = {"labels": {"team": "a"}, "concurrency": Concurrency("team", 1)}


async def cancel(bench: Bench, task_id: str, mode: str) -> bool:
    return await bench.tasks.cancel(task_id, CancelMode(mode), by="me", reason="enough")


async def waiting(bench: Bench) -> str:
    return await bench.submit([{**LINE[0], "agent": "analyzer"}, {**LINE[0], "step_id": 2, "depends_on": [1]}])


async def queued(bench: Bench) -> str:
    return await bench.submit(TWO_ROOTS)


async def delayed(bench: Bench) -> str:
    return await bench.submit(TWO_ROOTS, not_before=Moment(3_600_000, relative=True))


async def retrying(bench: Bench) -> str:
    task_id = await bench.submit(TWO_ROOTS)
    await bench.fail(task_id, 2, again_ms=60_000)
    return task_id


async def deferred(bench: Bench) -> str:
    task_id = await bench.submit(TWO_ROOTS)
    attempt = await bench.start(task_id, 2)
    await bench.store.defer(attempt, delay_ms=60_000, provider="other", deferrals_max=9)
    return task_id


async def held(bench: Bench) -> str:
    task_id = await bench.submit(TWO_ROOTS)
    await bench.tasks.pause(task_id, by="me", reason=None)
    assert await bench.store.start(await bench.ref(task_id, 2), worker="w1") is None
    return task_id


async def limited(bench: Bench) -> str:
    return await bench.submit(TWO_ROOTS, **GROUP)


UNSTARTED = [waiting, queued, delayed, retrying, deferred, held, limited]


@pytest.mark.parametrize("mode", ["graceful", "force", "finish"])
@pytest.mark.parametrize("arrange", UNSTARTED, ids=[f.__name__ for f in UNSTARTED])
async def test_a_step_that_does_not_run_is_left_out(
    bench: Bench, arrange: Callable[[Bench], Awaitable[str]], mode: str
) -> None:
    """Whatever a step waits for, it waits no more; its entry, if it has one, starts nothing."""
    task_id = await arrange(bench)
    ref = await bench.ref(task_id, 2)
    assert (await bench.statuses(task_id))[1] == ("queued" if arrange is delayed else arrange.__name__)

    assert await cancel(bench, task_id, mode)

    assert (await bench.statuses(task_id))[1] == "skipped"
    assert await bench.redis.zcard(ShardKeys(bench.keys.tag).queue("retriever").due) == 0
    assert await bench.redis.exists(f"{ShardKeys(bench.keys.tag).queue('retriever').due}:m") == 0
    assert await bench.store.start(ref, worker="w2") is None
    ended = {"finish": "queued"} if arrange is waiting else {}
    assert await bench.status(task_id) == ended.get(mode, "cancelled")


async def test_graceful_ends_with_the_last_running_step(bench: Bench) -> None:
    """Running attempts are waited for; the event says how long that took, from the first request on."""
    task_id = await bench.submit(DIAMOND)
    await bench.finish(task_id, 1)
    attempts = [await bench.start(task_id, 2), await bench.start(task_id, 3)]
    await cancel(bench, task_id, "graceful")
    assert await bench.status(task_id) == "cancelling"
    assert await bench.store.unwanted(attempts) == attempts

    await bench.store.stop(attempts[0])
    assert await bench.status(task_id) == "cancelling"
    await bench.store.complete(attempts[1], b"{}", "")

    assert await bench.statuses(task_id) == ["completed", "cancelled", "completed", "skipped"]
    events = await bench.events(task_id)
    asked = next(event for event in events if event.type == "task.cancel_requested")
    assert (asked.data["mode"], asked.data["by"], asked.data["reason"]) == ("graceful", "me", "enough")
    assert (events[-1].type, events[-1].data["reason"]) == ("task.cancelled", "enough")
    assert events[-1].data["stop_latency_ms"] == events[-1].ts - asked.ts


async def settle_by_failing(bench: Bench, attempt: Attempt) -> None:
    assert not await bench.store.fail(attempt, ERROR, retryable=True, delay_ms=0, max_attempts=9)


async def settle_by_deferring(bench: Bench, attempt: Attempt) -> None:
    assert not await bench.store.defer(attempt, delay_ms=9, provider="p", deferrals_max=9)
    await settle_by_failing(bench, attempt)


async def settle_by_releasing(bench: Bench, attempt: Attempt) -> None:
    await bench.store.release(attempt, "shutdown")


async def settle_by_dying(bench: Bench, attempt: Attempt) -> None:
    assert await bench.store.start(attempt.ref, worker="w2") is None


@pytest.mark.parametrize(
    ("settle", "state"),
    [
        (settle_by_failing, "failed"),
        (settle_by_deferring, "failed"),
        (settle_by_releasing, "cancelled"),
        (settle_by_dying, "cancelled"),
    ],
)
async def test_however_a_running_step_ends_its_cancelled_task_ends_with_it(
    bench: Bench, settle: Callable[[Bench, Attempt], Awaitable[None]], state: str
) -> None:
    """No retry, no deferral, no redelivery keeps a task alive that is being cancelled, and nothing is buried."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await cancel(bench, task_id, "graceful")

    await settle(bench, attempt)

    assert await bench.statuses(task_id) == [state, "skipped", "skipped"]
    assert await bench.status(task_id) == "cancelled"
    assert await bench.redis.zcard(ShardKeys(bench.keys.tag).queue("retriever").dlq) == 0


async def test_a_grace_that_is_over_ends_what_still_runs(bench: Bench) -> None:
    """A worker that does not answer holds nothing up for longer than the grace."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await cancel(bench, task_id, "graceful")
    ended, next_ms = await bench.tasks.expire()
    assert (ended, next_ms is not None and 0 < next_ms <= LIMITS.cancel_grace_ms) == (0, True)

    await bench.redis.zadd(bench.keys.deadlines, {task_id: 1})

    assert await bench.tasks.expire() == (1, None)
    assert await bench.status(task_id) == "cancelled"
    with pytest.raises(Fenced):
        await bench.store.complete(attempt, b"{}", "")


async def test_force_overtakes_graceful(bench: Bench) -> None:
    """Whoever will not wait any longer ends the task now; the latency counts from the first request."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await cancel(bench, task_id, "graceful")
    asked = (await bench.events(task_id))[-2:][0].ts
    await bench.redis.hset(bench.keys.task(task_id), "cancel_at", asked - 500)

    await cancel(bench, task_id, "finish")
    assert await bench.status(task_id) == "cancelling"
    await cancel(bench, task_id, "force")

    ended = (await bench.events(task_id))[-1]
    assert (ended.type, await bench.redis.zcard(bench.keys.deadlines)) == ("task.cancelled", 0)
    assert ended.data["stop_latency_ms"] >= 500
    with pytest.raises(Fenced):
        await bench.store.complete(attempt, b"{}", "")


async def test_finish_ends_gathering_and_lets_the_rest_run(bench: Bench) -> None:
    """The running retriever is called off, the writer works with what exists, the task completes in part."""
    plan = [
        *TWO_ROOTS,
        {"step_id": 3, "agent": "analyzer", "payload": "c", "depends_on": [1, 2]},
        {"step_id": 4, "agent": "writer", "payload": "d", "depends_on": [3]},
    ]
    task_id = await bench.submit(plan)
    await bench.finish(task_id, 1)
    gathering = await bench.start(task_id, 2)

    await cancel(bench, task_id, "finish")

    assert await bench.statuses(task_id) == ["completed", "cancelled", "queued", "waiting"]
    assert await bench.store.unwanted([gathering]) == [gathering]
    await bench.finish(task_id, 3)
    await bench.finish(task_id, 4)
    ended = (await bench.events(task_id))[-1]
    assert (ended.type, ended.data["partial"]) == ("task.completed", True)


async def test_finish_goes_on_from_a_pause(bench: Bench) -> None:
    """A paused task that shall finish is paused no more, and its log says so."""
    task_id = await bench.submit([{**LINE[0], "agent": "analyzer"}, *LINE[2:]])
    await bench.tasks.pause(task_id, by="me", reason=None)
    assert await bench.store.start(await bench.ref(task_id, 1), worker="w1") is None

    await cancel(bench, task_id, "finish")

    assert "task.resumed" in await bench.types(task_id)
    assert await bench.statuses(task_id) == ["queued", "waiting"]
    await bench.finish(task_id, 1)
    await bench.finish(task_id, 3)
    assert await bench.status(task_id) == "completed"


async def test_graceful_overtakes_finish(bench: Bench) -> None:
    """A task that finishes may still be cancelled."""
    task_id = await bench.submit(LINE)
    await bench.finish(task_id, 1)
    await cancel(bench, task_id, "finish")

    await cancel(bench, task_id, "graceful")

    assert await bench.status(task_id) == "cancelled"
    assert not await cancel(bench, task_id, "force")
