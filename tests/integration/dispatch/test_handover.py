"""A worker that has completed a step goes on with the next one, under the entry of the first."""

from collections.abc import Collection, Sequence
from typing import Any

import anyio
import pytest

from app.broker.errors import Release
from app.dispatch import runner as module
from app.dispatch.attempt import Attempt, StepRef
from app.dispatch.context import StepContext
from app.dispatch.runner import StepRunner
from app.errors import RateLimited
from app.model.agents import StepOutput
from app.model.task import Concurrency

from .cases import AGENTS
from .checks import assert_sound
from .conftest import DIAMOND, LINE, Bench

pytestmark = pytest.mark.anyio

PLAIN: dict[str, Any] = {}


def reader_of(bench: Bench, queues: Collection[str] = AGENTS, **agents: Any) -> StepRunner:
    """A runner in a worker that reads these queues."""
    runner = bench.runner(**agents)
    runner.queues = queues
    return runner


async def entries(bench: Bench) -> list[str]:
    """The steps that the waiting entries of all queues name."""
    return [message["args"][1] for queue in AGENTS for message in await bench.messages(queue)]


async def handed_over(bench: Bench, task_id: str, number: int = 1) -> Attempt:
    """Step `number` completed by a worker with time; the attempt it goes on with."""
    attempt = await bench.start(task_id, number)
    reply = await bench.store.complete(attempt, b"{}", "", queues=AGENTS)
    assert reply is not None
    return Attempt.from_reply(task_id, reply)


async def test_a_chain_of_quick_steps_needs_one_entry(bench: Bench) -> None:
    """The log is the one of a chain that goes through the queues; each step has the results of the one before."""
    seen: list[list[int]] = []

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        seen.append(sorted(ctx.inputs))
        return StepOutput()

    task_id = await bench.submit(LINE)
    runner = reader_of(bench, retriever=agent, analyzer=agent, writer=agent)

    await runner.run_batch(task_id, "1:1")

    assert await entries(bench) == ["1:1"]
    assert seen == [[], [1], [2]]
    events = await bench.events(task_id)
    assert_sound(events)
    assert [event.type for event in events][3:] == [
        "task.started", "step.started", "step.completed", "step.queued", "step.started", "step.completed",
        "step.queued", "step.started", "step.completed", "task.completed",
    ]  # fmt: skip
    await bench.deliver(runner)


async def test_branches_go_through_the_queues_and_their_join_goes_on(bench: Bench) -> None:
    """Two steps that become ready together are one batch for whoever is free; the step behind both is one again."""
    task_id = await bench.submit(DIAMOND)
    runner = reader_of(bench)

    await runner.run_batch(task_id, "1:1")
    assert await entries(bench) == ["1:1", "2:1 3:1"]
    await runner.run_batch(task_id, "2:1 3:1")

    assert await bench.status(task_id) == "completed"
    assert await entries(bench) == ["1:1", "2:1 3:1"]
    await bench.deliver(runner)


async def test_the_entry_of_a_dead_worker_leads_to_the_step_it_was_at(bench: Bench) -> None:
    """Two steps are done, the third was under way: it begins again elsewhere, and its death is counted once."""
    task_id = await bench.submit(LINE)
    second = await handed_over(bench, task_id)
    reply = await bench.store.complete(second, b"{}", "", queues=AGENTS)
    third = Attempt.from_reply(task_id, reply or [])

    taken = await bench.store.start(StepRef(task_id, 1, 1), worker="w2")

    assert third.ref.step_id == 3
    assert taken is not None
    assert (taken.ref, taken.number) == (third.ref, 2)
    assert (await bench.types(task_id))[-2:] == ["step.started", "step.redelivered"]
    assert [step.crashes for step in (await bench.reader.view(task_id)).steps] == [0, 0, 1]
    await bench.store.complete(taken, b"{}", "")


async def test_an_entry_whose_chain_has_left_it_is_worth_nothing(bench: Bench) -> None:
    """The step it was at waits for a retry of its own: nobody runs it by the old entry as well."""
    task_id = await bench.submit(LINE)
    second = await handed_over(bench, task_id)
    error = {"retryable": True, "delay_ms": 60_000, "max_attempts": 3}
    await bench.store.fail(second, module.internal_failure(ValueError()).error, **error)  # type: ignore[arg-type]

    assert await bench.store.start(StepRef(task_id, 1, 1), worker="w2") is None
    await bench.finish(task_id, 2)
    assert await bench.store.start(StepRef(task_id, 1, 1), worker="w2") is None
    await bench.finish(task_id, 3)


async def test_a_join_belongs_to_the_entry_of_the_last_branch_only(bench: Bench) -> None:
    """The entry of the other branch, delivered once more, does not take it from its worker."""
    task_id = await bench.submit([{**step, "agent": AGENTS[n % 3]} for n, step in enumerate(DIAMOND)])
    await bench.finish(task_id, 1)
    await bench.finish(task_id, 2)
    join = await handed_over(bench, task_id, 3)

    assert await bench.store.start(StepRef(task_id, 2, 1), worker="w2") is None

    await bench.store.complete(join, b"{}", "")
    assert await bench.status(task_id) == "completed"


async def test_a_worker_that_stops_puts_its_step_to_the_front(bench: Bench) -> None:
    """It has no entry to be handed back with, so it gets one; the old one is worth nothing any more."""
    task_id = await bench.submit(LINE)
    second = await handed_over(bench, task_id)

    await bench.store.release(second, "shutdown")

    assert await bench.state(task_id, 2) | {"state": "queued", "dispatch": "2", "entry": ""} == await bench.state(
        task_id, 2
    )
    assert len(await bench.redis.xrange(f"{bench.keys.tag}:q:analyzer:hi")) == 1
    assert await bench.store.start(StepRef(task_id, 1, 1), worker="w2") is None
    await bench.deliver(bench.runner())


async def paused_queue(bench: Bench) -> None:
    await bench.redis.sadd(f"{bench.keys.tag}:paused", "analyzer")


async def paused_provider(bench: Bench) -> None:
    await bench.redis.set(f"{bench.keys.tag}:provider:analyzer", 1, px=60_000)


async def urgent_work(bench: Bench) -> None:
    await bench.submit([{**LINE[1], "step_id": 1}], priority=0)


@pytest.mark.parametrize("before", [paused_queue, paused_provider, urgent_work])
async def test_nobody_with_a_better_right_is_passed(bench: Bench, before: Any) -> None:
    """What is paused stays paused, and a chain does not keep a worker from work of higher priority."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await before(bench)

    assert await bench.store.complete(attempt, b"{}", "", queues=AGENTS) is None

    assert (await bench.state(task_id, 2))["state"] == "queued"
    await bench.redis.delete(f"{bench.keys.tag}:paused", f"{bench.keys.tag}:provider:analyzer")
    await bench.deliver(bench.runner())


@pytest.mark.parametrize(
    ("plan", "terms", "queues"),
    [
        (LINE, PLAIN, ("retriever", "writer")),
        (LINE, {"priority": 9}, AGENTS),
        (LINE, {"labels": {"team": "a"}, "concurrency": Concurrency("team", 2)}, AGENTS),
        ([LINE[0], {**LINE[1], "timeout_ms": 900_000}, LINE[2]], PLAIN, AGENTS),
    ],
    ids=["a queue of other workers", "low priority", "a group with a limit", "a longer step"],
)
async def test_such_a_step_goes_through_its_queue(
    bench: Bench, plan: Sequence[Any], terms: dict[str, Any], queues: Collection[str]
) -> None:
    """Its turn is decided where all can see it."""
    task_id = await bench.submit(list(plan), **terms)

    await reader_of(bench, queues).run_batch(task_id, "1:1")

    assert sorted(await entries(bench))[:2] == ["1:1", "2:1"]
    await bench.deliver(bench.runner())


async def test_a_slow_worker_and_one_that_stops_do_not_go_on(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Others wait in the queue; a worker that stops takes nothing new."""
    monkeypatch.setattr(StepRunner.run, "__kwdefaults__", {"go_on_s": 0.0})
    slow = await bench.submit(LINE)
    await reader_of(bench).run_batch(slow, "1:1")
    assert await bench.statuses(slow) == ["completed", "queued", "waiting"]

    monkeypatch.undo()
    stopping = await bench.submit(LINE)
    runner = reader_of(bench, retriever=lambda step, ctx: _draining(runner))
    await runner.run_batch(stopping, "1:1")
    assert await bench.statuses(stopping) == ["completed", "queued", "waiting"]
    await bench.deliver(bench.runner())


def _draining(runner: StepRunner) -> StepOutput:
    runner._draining = True
    return StepOutput()


async def test_a_step_that_nobody_can_read_is_given_up_behind_a_chain_too(bench: Bench) -> None:
    """The step before it stays completed; the entry comes again until the step is taken for poison."""
    task_id = await bench.submit(LINE)
    await bench.redis.hset(bench.keys.task(task_id), "in:2", "no JSON")
    runner = reader_of(bench)

    with pytest.raises(ValueError, match="validation error"):
        await runner.run_batch(task_id, "1:1")
    for _ in range(2):
        with pytest.raises(ValueError, match="validation error"):
            await runner.run_batch(task_id, "1:1")
    await runner.run_batch(task_id, "1:1")

    assert await bench.statuses(task_id) == ["completed", "failed", "skipped"]
    await bench.redis.hset(bench.keys.task(task_id), "in:2", '{"step_id":2,"agent":"analyzer","payload":"x"}')


async def test_what_goes_on_may_fail_wait_and_be_interrupted_like_any_other(bench: Bench) -> None:
    """A retry and a deferral go through the queues; a worker that stops in the middle loses nothing."""
    tries: list[str] = []

    async def analyzer(step: Any, ctx: StepContext) -> StepOutput:
        tries.append("analyzer")
        if len(tries) == 1:
            raise RuntimeError("the first try fails")
        if len(tries) == 2:
            raise RateLimited("later", retry_after_ms=1)
        return StepOutput()

    hung = anyio.Event()

    async def writer(step: Any, ctx: StepContext) -> StepOutput:
        if not hung.is_set():
            hung.set()
            await anyio.sleep(30)
        return StepOutput()

    task_id = await bench.submit(LINE)
    runner = reader_of(bench, analyzer=analyzer, writer=writer)
    async with anyio.create_task_group() as group:
        group.start_soon(_run_out, bench, runner)
        with anyio.fail_after(60):
            await hung.wait()
            await runner.drain(0)
    await bench.deliver(reader_of(bench, analyzer=analyzer, writer=writer))

    events = await bench.events(task_id)
    assert_sound(events)
    kinds = [event.type for event in events]
    assert {"step.retry_scheduled", "step.deferred", "step.released"} <= set(kinds)
    assert "step.redelivered" not in kinds
    assert kinds[-1] == "task.completed"


async def _run_out(bench: Bench, runner: StepRunner) -> None:
    """Delivers until the runner takes nothing more."""
    for _ in range(20):
        if runner._draining:
            return
        await bench.deliver(runner, rounds=1)


async def test_a_released_entry_is_not_settled(bench: Bench) -> None:
    """A chain that is cut short by a stop asks for its entry again."""
    hung = anyio.Event()

    async def analyzer(step: Any, ctx: StepContext) -> StepOutput:
        hung.set()
        await anyio.sleep(30)
        return StepOutput()

    task_id = await bench.submit(LINE)
    runner = reader_of(bench, analyzer=analyzer)
    outcome: list[BaseException] = []

    async def run() -> None:
        try:
            await runner.run_batch(task_id, "1:1")
        except Release as released:
            outcome.append(released)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        with anyio.fail_after(60):
            await hung.wait()
            await runner.drain(0)

    assert len(outcome) == 1
    await bench.deliver(bench.runner())
