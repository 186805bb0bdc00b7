"""
The n-th Redis command of every transition fails, before or after taking effect, for every n.

Goal: a transition whose command or reply is lost has happened once, or has not happened and says so. Method: the
situations of `cases.py`, each call made through stores whose client breaks its n-th command; n runs from 1 until
a call meets no fault any more. Races between two transitions are driven to both outcomes by their order.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import anyio
import pytest

from app import redis_async
from app.dispatch.attempt import Fenced
from app.dispatch.growth import Gap, check, number
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepStore
from app.dispatch.store import TaskStore
from app.errors import NotPossible, TaskNotFound, Unavailable
from app.model.task import CancelMode, Moment
from tests.integration.dispatch.cases import CASES, ERROR, LIMITS, snapshot
from tests.integration.dispatch.conftest import LIMITS as TASK_LIMITS
from tests.integration.dispatch.conftest import LINE, STEP_LIMITS, Bench, bench

from .test_dispatch_commands import BreakingRedis

__all__ = ["bench"]

pytestmark = pytest.mark.anyio


@pytest.fixture
async def breaking(redis_url: str) -> AsyncIterator[BreakingRedis]:
    client = BreakingRedis(connection_pool=redis_async.connect(redis_url).connection_pool)
    yield client
    await client.aclose()
    await client.connection_pool.aclose()


def stores(client: BreakingRedis, bench: Bench, retry_ms_max: int = 60_000) -> tuple[TaskStore, StepStore]:
    scripts = ScriptRunner(client, bench.keys, retry_ms_max)
    return TaskStore(scripts, TASK_LIMITS), StepStore(scripts, STEP_LIMITS)


#: The way to a library that the server does not know is the same for all of them.
UNKNOWN = [
    pytest.param(case, False, id=f"{case}-unknown", marks=() if case == "complete" else pytest.mark.full)
    for case in CASES
]


@pytest.mark.parametrize(("case", "known"), [*[pytest.param(case, True, id=case) for case in CASES], *UNKNOWN])
async def test_whichever_command_fails_a_transition_happens_once(
    bench: Bench, breaking: BreakingRedis, case: str, known: bool
) -> None:
    """
    The log afterwards is the one of an undisturbed call, whether the server knows the script or not.

    The undisturbed call comes first, on a task of its own; each faulty one has its own task as well.
    """
    call = await CASES[case](bench)
    await call.act(bench.tasks, bench.store)
    expected = await _log(bench, call.task_id)
    hits = 0
    for nth in range(1, 9):
        for after in (False, True):
            await _clear(bench)
            call = await CASES[case](bench)
            if not known:
                await bench.redis.execute_command("FUNCTION", "FLUSH")
            breaking.after, breaking.count, breaking.nth = after, 0, nth
            with anyio.fail_after(120):
                await call.act(*stores(breaking, bench))
            hits += breaking.count >= nth
            assert await _log(bench, call.task_id) == expected, (nth, after)
        if breaking.count < nth:
            break
    assert hits == 2 if known else hits > 3


@pytest.mark.parametrize("case", CASES)
async def test_a_transition_that_never_reaches_redis_has_not_happened(
    bench: Bench, breaking: BreakingRedis, case: str
) -> None:
    """Without time to try again it is `Unavailable`, and no key has changed."""
    call = await CASES[case](bench)
    before = await snapshot(bench)
    breaking.nth = 1

    with pytest.raises(Unavailable):
        await call.act(*stores(breaking, bench, retry_ms_max=0))

    assert breaking.count == 1
    assert await snapshot(bench) == before


async def _log(bench: Bench, task_id: str) -> list[str]:
    return [event.type for event in await bench.events(task_id)]


async def _clear(bench: Bench) -> None:
    """Nothing of an earlier round is in the way of the next one."""
    for task_id in [key.decode().rpartition(":")[2] for key in await bench.redis.keys(f"{bench.keys.tag}:t:*")]:
        await bench.tasks.cancel(task_id, CancelMode.FORCE, by="x", reason=None)
        await bench.tasks.delete(task_id)
    for name in ("provider:retriever", "idem:default:aa", "docs:*"):
        for key in await bench.redis.keys(f"{bench.keys.tag}:{name}"):
            await bench.redis.delete(key)


Act = Callable[[Bench, Any], Awaitable[Any]]


async def cancel(bench: Bench, attempt: Any) -> None:
    await bench.tasks.cancel(attempt.ref.task_id, CancelMode.FORCE, by="x", reason=None)


async def cancel_gracefully(bench: Bench, attempt: Any) -> None:
    await bench.tasks.cancel(attempt.ref.task_id, CancelMode.GRACEFUL, by="x", reason=None)


async def complete(bench: Bench, attempt: Any) -> None:
    await bench.store.complete(attempt, b"{}", "")


async def grow(bench: Bench, attempt: Any) -> None:
    plan = check([{"step_id": 1, "agent": "writer", "payload": "x"}], bench.registry, LIMITS)
    new = number(plan, Gap(1, attempt.children, 2, 1), bench.registry, LIMITS)
    await bench.store.complete(attempt, b"{}", "", new)


async def fail(bench: Bench, attempt: Any) -> None:
    await bench.store.fail(attempt, ERROR, retryable=True, delay_ms=60_000, max_attempts=3)


async def redeliver(bench: Bench, attempt: Any) -> None:
    await bench.store.start(attempt.ref, worker="w2")


async def pause(bench: Bench, attempt: Any) -> None:
    await bench.tasks.pause(attempt.ref.task_id, by="x", reason=None)


async def expire(bench: Bench, attempt: Any) -> None:
    await bench.redis.zadd(bench.keys.deadlines, {attempt.ref.task_id: 1})
    await bench.tasks.expire()


RACES: list[tuple[Act, Act, tuple[str, str], tuple[str, str]]] = [
    (cancel, complete, ("cancelled", "cancelled"), ("completed", "completed")),
    (cancel_gracefully, complete, ("cancelled", "completed"), ("completed", "completed")),
    (cancel_gracefully, fail, ("cancelled", "failed"), ("cancelled", "skipped")),
    (cancel, fail, ("cancelled", "cancelled"), ("cancelled", "skipped")),
    (complete, redeliver, ("completed", "completed"), ("running", "running")),
    (fail, redeliver, ("running", "retrying"), ("running", "running")),
    (cancel_gracefully, grow, ("cancelled", "completed"), ("cancelled", "completed")),
    (cancel, grow, ("cancelled", "cancelled"), ("cancelled", "completed")),
    (expire, complete, ("expired", "cancelled"), ("completed", "completed")),
    (expire, fail, ("expired", "cancelled"), ("expired", "skipped")),
    (pause, complete, ("completed", "completed"), ("completed", "completed")),
    (pause, redeliver, ("paused", "held"), ("paused", "running")),
]


@pytest.mark.parametrize(("one", "other", "in_order", "reversed_"), RACES, ids=lambda x: getattr(x, "__name__", None))
async def test_two_transitions_at_once_have_one_of_two_outcomes(
    bench: Bench, one: Act, other: Act, in_order: tuple[str, str], reversed_: tuple[str, str]
) -> None:
    """Whichever is first decides; the other is refused or finds nothing to do, and the log is sound."""
    for acts, outcome in (((one, other), in_order), ((other, one), reversed_)):
        task_id = await bench.submit(LINE[:1], deadline=Moment(3_600_000, relative=True))
        attempt = await bench.start(task_id, 1)
        for act in acts:
            try:
                await act(bench, attempt)
            except (Fenced, NotPossible):
                assert act is acts[1]
        assert (await bench.status(task_id), (await bench.statuses(task_id))[0]) == outcome, acts


async def test_pause_and_start_have_two_outcomes(bench: Bench) -> None:
    """Paused first the step is held, started first it runs on."""
    for paused_first, state in ((True, "held"), (False, "running")):
        task_id = await bench.submit(LINE[:1])
        ref = await bench.ref(task_id, 1)
        if not paused_first:
            await bench.store.start(ref, worker="w1")
        await bench.tasks.pause(task_id, by="x", reason=None)
        if paused_first:
            assert await bench.store.start(ref, worker="w1") is None
        assert await bench.statuses(task_id) == [state]


async def test_retry_and_expire_have_two_outcomes(bench: Bench) -> None:
    """A failed task has no deadline any more; one that expired first is retried like any other."""
    for expired_first in (True, False):
        task_id = await bench.submit(LINE[:1], deadline=Moment(3_600_000, relative=True))
        if expired_first:
            await bench.redis.zadd(bench.keys.deadlines, {task_id: 1})
            assert (await bench.tasks.expire())[0] == 1
            await bench.tasks.retry(task_id, from_step=None, by="x")
        else:
            await bench.fail(task_id, 1)
            await bench.tasks.retry(task_id, from_step=None, by="x")
        assert (await bench.tasks.expire())[0] == 0
        assert await bench.status(task_id) in ("queued", "running")
        await bench.finish(task_id, 1)


async def test_retry_and_forget_have_two_outcomes(bench: Bench) -> None:
    """Forgotten first there is nothing to retry; retried first it is not forgotten, however due it was."""
    for forgotten_first in (True, False):
        task_id = await bench.submit(LINE[:1])
        await bench.fail(task_id, 1)
        await bench.redis.zadd(bench.keys.expiry, {task_id: 1})
        if forgotten_first:
            assert await bench.tasks.forget_expired() == 1
            with pytest.raises(TaskNotFound):
                await bench.tasks.retry(task_id, from_step=None, by="x")
        else:
            await bench.tasks.retry(task_id, from_step=None, by="x")
            assert await bench.tasks.forget_expired() == 0
            await bench.finish(task_id, 1)
