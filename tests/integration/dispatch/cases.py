"""
Every transition once: a situation, and the call that is about to be made in it.

The table serves whoever makes the call in a special way: twice, with a key of the wrong type in its way, or with
a connection that breaks under it. A call goes through the stores it is handed, so that they may be faulty ones.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from app.dispatch.attempt import Attempt
from app.dispatch.growth import Gap, GrowthLimits, check, number
from app.dispatch.intake import Idempotency, Intake
from app.dispatch.step_store import StepStore
from app.dispatch.store import TaskStore
from app.model.events import ErrorInfo, StepProgress
from app.model.task import CancelMode, Concurrency, Moment, TaskInputs

from .conftest import DIAMOND, LINE, Bench

ERROR = ErrorInfo(type="Boom", code="boom", message='it said "no"')
GROUP: dict[str, Any] = {"labels": {"team": "a"}, "concurrency": Concurrency("team", 1)}
AGENTS = ("retriever", "analyzer", "writer")
LIMITS = GrowthLimits(added_max=20, steps_max=200, payload_bytes_max=10_000)
SHA256 = "ef" * 32


@dataclass(frozen=True, slots=True)
class Call:
    """What is about to happen to a task; `act` may be called twice."""

    task_id: str
    act: Callable[[TaskStore, StepStore], Awaitable[Any]]


async def submit(bench: Bench) -> Call:
    task = bench.task(LINE, **GROUP, deadline=Moment(60_000, relative=True))
    task = task.model_copy(update={"inputs": TaskInputs(documents_sha256=SHA256)})
    intake = Intake(task, b"[]", Idempotency("aa", "bb"))
    return Call(task.task_id, lambda tasks, steps: tasks.submit(intake, bench.registry))


async def submit_later(bench: Bench) -> Call:
    intake = Intake(bench.task(LINE, **GROUP, not_before=Moment(60_000, relative=True)))
    return Call(intake.task.task_id, lambda tasks, steps: tasks.submit(intake, bench.registry))


async def fork(bench: Bench) -> Call:
    source = await bench.submit(LINE)
    await bench.finish(source, 1)
    await bench.fail(source, 2)
    intake = Intake(bench.task(LINE, parent_task_id=source), source=source, reused={1})
    return Call(intake.task.task_id, lambda tasks, steps: tasks.fork(intake, bench.registry))


async def start(bench: Bench) -> Call:
    task_id = await bench.submit(LINE, **GROUP)
    ref = await bench.ref(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.start(ref, worker="w9"))


async def start_of_a_dead_workers_step(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    ref = (await bench.start(task_id, 1)).ref
    return Call(task_id, lambda tasks, steps: steps.start(ref, worker="w9"))


async def start_of_poison(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    for _ in range(3):
        ref = (await bench.start(task_id, 1)).ref
    return Call(task_id, lambda tasks, steps: steps.start(ref, worker="w9"))


async def start_in_a_pause(bench: Bench) -> Call:
    task_id = await bench.submit(LINE, **GROUP)
    await bench.submit(LINE, **GROUP)
    await bench.tasks.pause(task_id, by="x", reason=None)
    ref = await bench.ref(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.start(ref, worker="w9"))


async def start_of_a_paused_provider(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    await bench.redis.set(f"{bench.keys.tag}:provider:retriever", 1, px=60_000)
    ref = await bench.ref(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.start(ref, worker="w9"))


async def start_above_the_limit(bench: Bench) -> Call:
    task_id = await bench.submit(LINE, **GROUP, not_before=Moment(60_000, relative=True))
    await bench.submit(LINE, **GROUP)
    await bench.move()
    ref = await bench.ref(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.start(ref, worker="w9"))


async def progress(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    events = [StepProgress(current=1, total=None, message="x")]
    return Call(task_id, lambda tasks, steps: steps.progress(attempt, 1, events))


async def memo(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.memo(attempt, "mail", b'"sent"'))


async def complete(bench: Bench) -> Call:
    """A branch opens; the next in line of the group is let in."""
    task_id = await bench.submit(DIAMOND, **GROUP)
    await bench.submit(LINE, **GROUP)
    attempt = await bench.start(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.complete(attempt, b"{}", "done"))


async def complete_the_last(bench: Bench) -> Call:
    task_id = await bench.submit(LINE[:1])
    attempt = await bench.start(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.complete(attempt, b"{}", "done"))


async def grow(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    plan = check([{"step_id": 1, "agent": "analyzer", "payload": "x"}], bench.registry, LIMITS)
    new = number(plan, Gap(1, attempt.children, 4, 3), bench.registry, LIMITS)
    return Call(task_id, lambda tasks, steps: steps.complete(attempt, b"{}", "done", new))


async def complete_and_go_on(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.complete(attempt, b"{}", "done", queues=AGENTS))


async def start_of_a_chain(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    first = await bench.start(task_id, 1)
    await bench.store.complete(first, b"{}", "done", queues=AGENTS)
    return Call(task_id, lambda tasks, steps: steps.start(first.ref, worker="w9"))


async def release_in_a_chain(bench: Bench) -> Call:
    # What an earlier one has put to the front has a better right.
    await bench.redis.delete(f"{bench.keys.tag}:q:analyzer:hi")
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    reply = await bench.store.complete(attempt, b"{}", "done", queues=AGENTS)
    following = Attempt.from_reply(task_id, reply or [])
    return Call(task_id, lambda tasks, steps: steps.release(following, "shutdown"))


def failing(*, retryable: bool, on_failure: str = "fail") -> Callable[[Bench], Awaitable[Call]]:
    async def arrange(bench: Bench) -> Call:
        task_id = await bench.submit([{**LINE[0], "on_failure": on_failure}, *LINE[1:]], **GROUP)
        await bench.submit(LINE, **GROUP)
        attempt = await bench.start(task_id, 1)
        settings = {"retryable": retryable, "delay_ms": 60_000, "max_attempts": 3}
        return Call(task_id, lambda tasks, steps: steps.fail(attempt, ERROR, **settings))

    return arrange


async def defer(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    settings: dict[str, Any] = {"delay_ms": 60_000, "provider": "retriever", "deferrals_max": 3}
    return Call(task_id, lambda tasks, steps: steps.defer(attempt, **settings))


async def release(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    return Call(task_id, lambda tasks, steps: steps.release(attempt, "shutdown"))


async def unwanted(bench: Bench) -> Attempt:
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await bench.tasks.cancel(task_id, CancelMode.GRACEFUL, by="x", reason=None)
    return attempt


async def stop(bench: Bench) -> Call:
    attempt = await unwanted(bench)
    return Call(attempt.ref.task_id, lambda tasks, steps: steps.stop(attempt))


async def release_in_a_cancellation(bench: Bench) -> Call:
    attempt = await unwanted(bench)
    return Call(attempt.ref.task_id, lambda tasks, steps: steps.release(attempt, "shutdown"))


def cancelling(mode: CancelMode) -> Callable[[Bench], Awaitable[Call]]:
    async def arrange(bench: Bench) -> Call:
        plan = [{**LINE[0], "step_id": n, "depends_on": []} for n in (1, 2)]
        task_id = await bench.submit([*plan, {**LINE[2], "depends_on": [1, 2]}])
        await bench.start(task_id, 1)
        await bench.fail(task_id, 2, again_ms=60_000)
        return Call(task_id, lambda tasks, steps: tasks.cancel(task_id, mode, by="x", reason="why"))

    return arrange


async def pause(bench: Bench) -> Call:
    task_id = await bench.submit(LINE)
    return Call(task_id, lambda tasks, steps: tasks.pause(task_id, by="x", reason=None))


async def resume(bench: Bench) -> Call:
    call = await start_in_a_pause(bench)
    await call.act(bench.tasks, bench.store)
    return Call(call.task_id, lambda tasks, steps: tasks.resume(call.task_id, by="x", reason=None))


async def retry(bench: Bench) -> Call:
    task_id = await bench.submit(LINE, **GROUP)
    await bench.finish(task_id, 1)
    await bench.fail(task_id, 2)
    return Call(task_id, lambda tasks, steps: tasks.retry(task_id, from_step=1, by="x"))


async def expire(bench: Bench) -> Call:
    task_id = await bench.submit(LINE, **GROUP, deadline=Moment(60_000, relative=True))
    await bench.start(task_id, 1)
    await bench.redis.zadd(bench.keys.deadlines, {task_id: 1})
    return Call(task_id, lambda tasks, steps: tasks.expire())


async def forget(bench: Bench) -> Call:
    task_id = await bench.submit(LINE, **GROUP)
    await bench.tasks.cancel(task_id, CancelMode.FORCE, by="x", reason=None)
    await bench.redis.zadd(bench.keys.expiry, {task_id: 1})
    return Call(task_id, lambda tasks, steps: tasks.forget_expired())


CASES: dict[str, Callable[[Bench], Awaitable[Call]]] = {
    case.__name__: case
    for case in (
        submit, submit_later, fork, start, start_of_a_dead_workers_step, start_of_poison, start_in_a_pause,
        start_of_a_paused_provider, start_above_the_limit, start_of_a_chain, progress, memo, complete,
        complete_the_last, complete_and_go_on, grow, defer, release, release_in_a_chain,
        release_in_a_cancellation, stop, pause, resume, retry, expire, forget,
    )
}  # fmt: skip
CASES |= {
    "fail_for_now": failing(retryable=True),
    "fail_for_good": failing(retryable=False),
    "fail_and_skip": failing(retryable=False, on_failure="skip"),
    "fail_and_continue": failing(retryable=False, on_failure="continue"),
    "cancel_gracefully": cancelling(CancelMode.GRACEFUL),
    "cancel_by_force": cancelling(CancelMode.FORCE),
    "cancel_to_finish": cancelling(CancelMode.FINISH),
}


async def snapshot(bench: Bench) -> dict[str, Any]:
    """All that lies in the keys of the namespace, lifetimes and the counters of what was refused apart."""
    found: dict[str, Any] = {}
    for key in [key async for key in bench.redis.scan_iter(match=f"{bench.keys.tag}:*", count=1000)]:
        kind = (await bench.redis.type(key)).decode()
        read = {
            "hash": bench.redis.hgetall, "stream": bench.redis.xrange, "set": bench.redis.smembers,
            "string": bench.redis.get,
        }  # fmt: skip
        value = await (bench.redis.zrange(key, 0, -1, withscores=True) if kind == "zset" else read[kind](key))
        found[key.decode()] = value
    for refusals in (b"fenced", b"stale"):
        found.get(bench.keys.totals, {}).pop(refusals, None)
    return found
