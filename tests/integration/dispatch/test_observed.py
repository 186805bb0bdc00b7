"""What an observer of a runner is told: each attempt once, with how it ended."""

import contextlib
from typing import Any

import anyio
import pytest
from redis import exceptions

from app.broker.errors import Release
from app.dispatch.attempt import Attempt, StepRef
from app.dispatch.context import StepContext
from app.dispatch.observing import AttemptOutcome
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import CHECK
from app.errors import Permanent, RateLimited, Retryable, Unavailable
from app.keys import Keys
from app.model.agents import StepOutput
from app.model.task import CancelMode

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio

ONE = [LINE[0]]


class Notes:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.running: list[str] = []
        self.outcomes: list[AttemptOutcome] = []
        self.waits_ms: list[int] = []

    def began(self, attempt: Attempt) -> None:
        self.running.append(attempt.token)
        self.waits_ms.append(attempt.waited_ms)

    def ended(self, attempt: Attempt, outcome: AttemptOutcome, seconds: float) -> None:
        self.running.remove(attempt.token)
        self.outcomes.append(outcome)
        assert seconds >= 0


async def outcomes(bench: Bench, agent: Any, plan: list[dict[str, Any]] = ONE) -> list[AttemptOutcome]:
    """How the attempts of a task ended whose first step is run by this agent."""
    notes = Notes()
    runner = bench.runner(retriever=agent)
    runner.observer = notes
    await bench.submit(plan)
    with anyio.fail_after(60):
        await bench.deliver(runner)
    assert notes.running == []
    return notes.outcomes


async def test_each_step_of_a_chain_is_told(bench: Bench) -> None:
    """Also those that a worker goes on with under the entry of the first."""

    async def quick(step: Any, ctx: StepContext) -> StepOutput:
        return StepOutput()

    notes = Notes()
    runner = bench.runner(retriever=quick)
    runner.observer, runner.queues = notes, [spec.queue for spec in runner.executor.registry]
    task_id = await bench.submit(LINE)
    await runner.run(StepRef(task_id, 1, 1))

    assert notes.outcomes == ["completed"] * 3
    assert notes.waits_ms[1:] == [0, 0]


async def test_failures_are_told_apart_from_retries(bench: Bench) -> None:
    """The last failure of a step is `failed`, one that is followed by another attempt is `retried`."""

    async def broken(step: Any, ctx: StepContext) -> StepOutput:
        raise Retryable("no") if ctx.attempt < 2 else Permanent("never")

    assert await outcomes(bench, broken) == ["retried", "failed"]


async def test_a_deferral_is_no_failure(bench: Bench) -> None:
    """The provider had no room the first time."""

    async def limited(step: Any, ctx: StepContext) -> StepOutput:
        if ctx.attempt == 1:
            raise RateLimited("later", retry_after_ms=1)
        return StepOutput()

    assert await outcomes(bench, limited) == ["deferred", "completed"]


async def test_an_attempt_that_was_overtaken_is_fenced(bench: Bench) -> None:
    """Another worker has begun the step meanwhile."""

    async def overtaken(step: Any, ctx: StepContext) -> StepOutput:
        if ctx.attempt == 1:
            await bench.start(ctx.task_id, ctx.step_id, worker="w2")
        return StepOutput()

    task_id = await bench.submit(ONE)
    notes = Notes()
    runner = bench.runner(retriever=overtaken)
    runner.observer = notes
    await runner.run(StepRef(task_id, 1, 1))

    assert notes.outcomes == ["fenced"]
    await bench.tasks.cancel(task_id, CancelMode.FORCE, by="x", reason=None)


class Endless:
    """An agent that runs until it is interrupted, and the runner that has it."""

    def __init__(self, bench: Bench) -> None:
        self.began, self.notes = anyio.Event(), Notes()

        async def retriever(step: Any, ctx: StepContext) -> StepOutput:
            self.began.set()
            await anyio.sleep_forever()
            return StepOutput()

        self.runner = bench.runner(retriever=retriever)
        self.runner.observer = self.notes

    async def run(self, task_id: str) -> None:
        with contextlib.suppress(Release):
            await self.runner.run_batch(task_id, "1:1")


async def test_an_attempt_that_was_stopped_is_cancelled(bench: Bench) -> None:
    """Its task does not want it any more."""
    endless, task_id = Endless(bench), await bench.submit(ONE)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(endless.run, task_id)
            await endless.began.wait()
            await bench.tasks.cancel(task_id, CancelMode.GRACEFUL, by="x", reason=None)
            endless.runner.stops.running[0].stop()

    assert endless.notes.outcomes == ["cancelled"]


async def test_an_attempt_that_is_handed_back_is_released(bench: Bench) -> None:
    """Its worker has no time left."""
    endless, task_id = Endless(bench), await bench.submit(ONE)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(endless.run, task_id)
            await endless.began.wait()
            await endless.runner.drain(0)
    await bench.tasks.cancel(task_id, CancelMode.FORCE, by="x", reason=None)

    assert endless.notes.outcomes == ["released"]


async def test_repeated_calls_are_told() -> None:
    """One for each further try, none for the first."""
    tried: list[None] = []
    told: list[None] = []

    class Away:
        async def execute_command(self, *words: Any) -> Any:
            tried.append(None)
            raise exceptions.ConnectionError("away")

    scripts = ScriptRunner(Away(), Keys("x"), retry_ms_max=300, on_retry=lambda: told.append(None))
    with pytest.raises(Unavailable):
        await scripts(CHECK, "0-t")

    assert len(told) == len(tried) - 1 > 0
