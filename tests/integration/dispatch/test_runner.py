"""The step runner on a real store: what agents may do, and what happens when they do it wrong."""

import asyncio
import threading
from functools import partial, reduce
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from pydantic import ValidationError

from app.broker.errors import Release
from app.dispatch.attempt import StepRef
from app.dispatch.context import StepContext
from app.errors import Permanent, Retryable, Unavailable
from app.model.agents import StepOutput
from app.model.events import PROGRESS_TYPES, ErrorInfo
from app.model.task import TaskStatus

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


async def test_results_reach_the_steps_that_depend_on_them(bench: Bench) -> None:
    """An agent sees the outputs of its dependencies by step id, and the task's text."""
    seen: dict[str, Any] = {}

    async def retriever(step: Any, ctx: StepContext) -> StepOutput:
        return StepOutput(summary="found", data={"passages": [1, 2]})

    async def analyzer(step: Any, ctx: StepContext) -> StepOutput:
        seen.update(inputs=ctx.inputs, task=ctx.task, text=step.text)
        return StepOutput()

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=retriever, analyzer=analyzer))

    assert seen["inputs"][1].data == {"passages": [1, 2]}
    assert (seen["task"], seen["text"]) == ("Do it", "Analyze challenges")
    assert (await bench.reader.view(task_id)).status is TaskStatus.COMPLETED


async def test_a_failing_step_is_retried_until_it_succeeds(bench: Bench) -> None:
    """Two failures and a success: three attempts, one completion, the task completes."""
    attempts: list[int] = []

    async def flaky(step: Any, ctx: StepContext) -> StepOutput:
        attempts.append(ctx.attempt)
        if len(attempts) < 3:
            raise Retryable("not yet")
        return StepOutput()

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=flaky))

    types = await bench.types(task_id)
    assert attempts == [1, 2, 3]
    assert types.count("step.retry_scheduled") == 2
    assert types[-1] == "task.completed"


@pytest.mark.parametrize(
    ("raised", "code", "attempts"),
    [
        (Permanent("never", code="nope"), "nope", 1),
        (ValueError("odd"), "unexpected", 3),
        (Retryable("busy", code="busy"), "busy", 3),
    ],
)
async def test_errors_end_the_step_when_their_attempts_are_used_up(
    bench: Bench, raised: Exception, code: str, attempts: int
) -> None:
    """A permanent error fails at once, any other after the agent's attempts; the reason is kept."""

    async def broken(step: Any, ctx: StepContext) -> StepOutput:
        raise raised

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=broken))

    view = await bench.reader.view(task_id)
    assert view.status is TaskStatus.FAILED
    assert view.steps[0].attempts == attempts
    assert view.error == {"type": type(raised).__name__, "code": code, "message": str(raised)}


async def test_a_step_over_its_time_is_a_failure(bench: Bench) -> None:
    """The step's own timeout ends the attempt, which counts as failed."""

    async def slow(step: Any, ctx: StepContext) -> StepOutput:
        await anyio.sleep_forever()
        return StepOutput()

    task_id = await bench.submit([{**LINE[0], "timeout_ms": 100, "max_attempts": 1}])
    await bench.deliver(bench.runner(retriever=slow))

    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert error["code"] == "timeout"


async def test_an_interrupted_agent_cleans_up_behind_a_shield(bench: Bench) -> None:
    """What it awaits after the interruption is interrupted as well, unless it is shielded."""
    done: list[str] = []

    async def slow(step: Any, ctx: StepContext) -> StepOutput:
        try:
            await anyio.sleep_forever()
        finally:
            with anyio.CancelScope(shield=True):
                await anyio.lowlevel.checkpoint()
                done.append("shielded")
            await anyio.lowlevel.checkpoint()
            done.append("open")
        return StepOutput()

    task_id = await bench.submit([{**LINE[0], "timeout_ms": 100, "max_attempts": 1}])
    await bench.deliver(bench.runner(retriever=slow))

    assert done == ["shielded"]
    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert error["code"] == "timeout"


async def test_a_plain_function_runs_in_a_thread_and_may_report(bench: Bench) -> None:
    """An agent written as `def` does not block the loop, and has all that a coroutine has."""
    threads: list[int] = []
    sent: list[int] = []

    def blocking(step: Any, ctx: StepContext) -> StepOutput:
        threads.append(threading.get_ident())
        ctx.sync.progress(1, 2, "half")
        ctx.sync.source(pid="p1", title="T", uri="t.md", score=1.0)
        ctx.sync.delta("text")
        ctx.sync.citations(total=1, ok=1, repaired=0, dropped=0)
        kept = [ctx.sync.once("mail", lambda: sent.append(threading.get_ident()) or {"id": 7}) for _ in range(2)]
        return StepOutput(summary="ok", data={"kept": kept, "documents": len(ctx.sync.run(ctx.documents))})

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=blocking))

    assert threads != [threading.get_ident()]
    assert sent == threads
    reports = [event for event in await bench.events(task_id) if event.type in PROGRESS_TYPES]
    assert [report.type for report in reports] == [
        "step.progress", "source.found", "output.delta", "citations.verified"
    ]  # fmt: skip
    assert reports[0].data == {"current": 1, "total": 2, "message": "half"}
    (output,) = (await bench.reader.results(task_id, [1])).values()
    assert output.data == {"kept": [{"id": 7}, {"id": 7}], "documents": 0}


async def test_a_plain_function_is_interrupted_where_it_reports(bench: Bench) -> None:
    """A thread cannot be stopped; one that reports ends at its next report when its time is over."""
    ended: list[str] = []
    over = threading.Event()

    def slow(step: Any, ctx: StepContext) -> StepOutput:
        try:
            while True:
                ctx.sync.progress(0)
                over.wait(0.01)
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        finally:
            over.set()

    task_id = await bench.submit([{**LINE[0], "timeout_ms": 100, "max_attempts": 1}])
    await bench.deliver(bench.runner(retriever=slow))

    assert await anyio.to_thread.run_sync(over.wait, 30)
    assert ended == ["CancelledError"]
    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert error["code"] == "timeout"


async def test_reports_come_before_the_end_of_their_attempt(bench: Bench) -> None:
    """Whatever an agent reported is in the log before its completion; pieces of text join without a gap."""

    async def writer(step: Any, ctx: StepContext) -> StepOutput:
        for word in ("one ", "two ", "three"):
            await ctx.delta(word)
        await ctx.citations(total=1, ok=1, repaired=0, dropped=0)
        return StepOutput(text="one two three")

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(writer=writer))

    events = [event for event in await bench.events(task_id) if event.step_id == 3]
    deltas = [event.data for event in events if event.type == "output.delta"]
    assert "".join(delta["text"] for delta in deltas) == "one two three"
    assert [event.type for event in events][-3:] == ["citations.verified", "artifact.completed", "step.completed"]
    assert events[-2].data["name"] == deltas[0]["artifact"]


async def test_a_result_above_the_limit_is_an_error(bench: Bench) -> None:
    """A result that is too large fails its step with a clear reason instead of filling Redis."""

    async def huge(step: Any, ctx: StepContext) -> StepOutput:
        return StepOutput(data="x" * 20_000)

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=huge))

    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert error["code"] == "result_too_large"


class Wider(StepOutput):
    """An output with a member that nobody reads."""

    extra: int = 1


@pytest.mark.parametrize("output", [Wider(), StepOutput(data=reduce(lambda inner, _: [inner], range(250), 0))])
async def test_a_result_that_could_not_be_read_again_is_an_error(bench: Bench, output: StepOutput) -> None:
    """What can be written and not be read fails its step, instead of every reader of its task."""

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        return output

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=agent))

    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert error["code"] == "bad_output"


async def test_an_error_without_a_text_harms_neither_worker_nor_siblings(bench: Bench) -> None:
    """The attempt fails as any other does, in one delivery: no death of a worker is counted for it."""

    class Speechless(Exception):
        def __str__(self) -> str:
            raise LookupError("no text")

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        raise Speechless

    task_id = await bench.submit([{**LINE[0], "max_attempts": 1}])
    await bench.deliver(bench.runner(retriever=agent))

    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert error["code"] == "unreadable_error"


async def test_one_failing_step_does_not_repeat_its_siblings(bench: Bench) -> None:
    """In a batch of four, the one that fails twice is run three times and the others once."""
    runs: dict[int, int] = {}

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        runs[ctx.step_id] = runs.get(ctx.step_id, 0) + 1
        if ctx.step_id == 2 and runs[2] < 3:
            raise Retryable("again")
        return StepOutput()

    plan = [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in range(1, 5)]
    task_id = await bench.submit(plan)
    await bench.deliver(bench.runner(retriever=agent))

    assert runs == {1: 1, 2: 3, 3: 1, 4: 1}
    assert (await bench.types(task_id))[-1] == "task.completed"


async def test_a_superseded_attempt_stops_without_a_trace(bench: Bench) -> None:
    """When another worker has taken the step, a report ends the agent and nothing is settled."""

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        await bench.start(ctx.task_id, 1, worker="w2")
        await ctx.progress(1)
        await anyio.sleep_forever()
        return StepOutput()

    task_id = await bench.submit(LINE)
    with anyio.fail_after(60):
        await bench.runner(retriever=agent).run_batch(task_id, "1:1")

    types = await bench.types(task_id)
    assert types[-1] == "step.redelivered"
    assert "step.progress" not in types


async def test_draining_hands_running_steps_back(bench: Bench) -> None:
    """At shutdown a step that does not finish in time is released, and no new batch begins."""
    started = anyio.Event()

    async def slow(step: Any, ctx: StepContext) -> StepOutput:
        started.set()
        await anyio.sleep_forever()
        return StepOutput()

    task_id = await bench.submit(LINE)
    runner = bench.runner(retriever=slow)
    released = False

    async def run() -> None:
        nonlocal released
        try:
            await runner.run_batch(task_id, "1:1")
        except Release:
            released = True

    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(run)
            await started.wait()
            await runner.drain(0)

    assert released
    with pytest.raises(Release):
        await runner.run_batch(task_id, "1:1")
    step = (await bench.reader.view(task_id)).steps[0]
    assert (step.status, step.failures, step.attempts) == ("queued", 0, 1)
    assert (await bench.types(task_id))[-1] == "step.released"


async def test_draining_ends_with_the_last_running_step(bench: Bench) -> None:
    """A worker with little to do does not sit out its grace: draining ends when nothing runs any more."""
    started, finish = anyio.Event(), anyio.Event()

    async def waiting(step: Any, ctx: StepContext) -> StepOutput:
        started.set()
        await finish.wait()
        return StepOutput()

    task_id = await bench.submit(LINE)
    runner = bench.runner(retriever=waiting)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(runner.run_batch, task_id, "1:1")
            await started.wait()
            group.start_soon(runner.drain, 3_600_000)
            await anyio.lowlevel.checkpoint()
            finish.set()

    assert (await bench.types(task_id)).count("step.completed") == 1


async def test_an_agent_that_leaks_a_cancellation_fails_its_step(bench: Bench) -> None:
    """A stray CancelledError of the agent's own making is a failure like any other, and is retried."""

    async def careless(step: Any, ctx: StepContext) -> StepOutput:
        stray = asyncio.create_task(asyncio.sleep(10))
        stray.cancel()
        await stray
        return StepOutput()

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=careless))

    view = await bench.reader.view(task_id)
    assert view.status is TaskStatus.FAILED
    assert (view.steps[0].attempts, view.steps[0].crashes) == (3, 0)
    assert view.error is not None
    assert view.error["code"] == "agent_exited"


@pytest.mark.parametrize("raised", [SystemExit(1), KeyboardInterrupt()])
@pytest.mark.parametrize("threaded", [False, True])
async def test_an_agent_that_exits_ends_its_step_and_not_the_worker(
    bench: Bench, raised: BaseException, threaded: bool
) -> None:
    """`sys.exit` in an agent, on the loop or in a thread, is that step's failure."""

    async def exiting(step: Any, ctx: StepContext) -> StepOutput:
        raise raised

    def exiting_in_thread(step: Any, ctx: StepContext) -> StepOutput:
        raise raised

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=exiting_in_thread if threaded else exiting))

    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert (error["type"], error["code"]) == ("AgentExited", "agent_exited")


async def test_text_that_cannot_be_encoded_does_no_harm(bench: Bench) -> None:
    """Half a surrogate pair in a report or an error becomes a question mark."""

    async def odd(step: Any, ctx: StepContext) -> StepOutput:
        await ctx.progress(1, 1, "file \udcff")
        raise Permanent("no \udcff")

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=odd))

    view = await bench.reader.view(task_id)
    assert view.error == {"type": "Permanent", "code": "permanent", "message": "no ?"}
    assert "step.progress" in await bench.types(task_id)


async def test_a_silent_agent_learns_that_its_step_is_gone(bench: Bench) -> None:
    """An agent that reports nothing is stopped when its task has failed meanwhile."""
    stopped = anyio.Event()

    async def silent(step: Any, ctx: StepContext) -> StepOutput:
        try:
            await anyio.sleep_forever()
        finally:
            stopped.set()
        return StepOutput()

    plan = [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in (1, 2)]
    task_id = await bench.submit(plan)
    runner = bench.runner(retriever=silent)
    with anyio.fail_after(60):
        async with runner.stops.listening(), anyio.create_task_group() as group:
            other = await bench.start(task_id, 2)
            group.start_soon(runner.run, StepRef(task_id, 1, 1))
            while (await bench.reader.view(task_id)).steps[0].status != "running":
                await anyio.lowlevel.checkpoint()
            error = ErrorInfo(type="E", code="c", message="m")
            await bench.store.fail(other, error, retryable=False, delay_ms=0, max_attempts=1)
            await stopped.wait()

    assert (await bench.types(task_id))[-1] == "task.failed"
    assert await bench.statuses(task_id) == ["cancelled", "failed"]


HOLDERS = (1, 2)


async def test_plain_functions_wait_for_a_thread_without_using_up_their_time(bench: Bench) -> None:
    """Two functions hold both threads for longer than the two behind them may take: all complete, and know it."""
    remaining_s: dict[int, float] = {}

    def slow(step: Any, ctx: StepContext) -> StepOutput:
        remaining_s[ctx.step_id] = ctx.remaining_s
        if ctx.step_id in HOLDERS:
            threading.Event().wait(2.2)
        return StepOutput()

    plan = [
        {"step_id": n, "agent": "retriever", "payload": "x", "depends_on": [], "timeout_ms": ms, "max_attempts": 1}
        for n, ms in {**dict.fromkeys(HOLDERS, 60_000), 3: 2_000, 4: 2_000}.items()
    ]
    task_id = await bench.submit(plan)
    await bench.deliver(bench.runner(retriever=slow))

    assert (await bench.reader.view(task_id)).status is TaskStatus.COMPLETED
    assert min(remaining_s[3], remaining_s[4]) > 0


async def test_a_step_that_cannot_be_read_costs_its_siblings_nothing(bench: Bench) -> None:
    """What goes wrong in the runner for one step of a batch lets the others end; the batch is delivered again."""

    async def retriever(step: Any, ctx: StepContext) -> StepOutput:
        await anyio.sleep(0.1)
        return StepOutput()

    plan = [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in (1, 2)]
    task_id = await bench.submit(plan)
    await bench.redis.hset(bench.keys.task(task_id), "in:2", "no JSON")
    with pytest.raises(ValidationError):
        await bench.runner(retriever=retriever).run_batch(task_id, "1:1 2:1")

    assert await bench.statuses(task_id) == ["completed", "running"]


async def test_batches_that_run_alone_never_overlap(bench: Bench) -> None:
    """Steps of batches whose workers died run one after another, in one process, whatever batch they are of."""
    running, most = 0, 0

    async def retriever(step: Any, ctx: StepContext) -> StepOutput:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await anyio.lowlevel.checkpoint()
        running -= 1
        return StepOutput()

    plan = [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in (1, 2, 3)]
    task_ids = [await bench.submit(plan) for _ in range(2)]
    runner = bench.runner(retriever=retriever)
    async with anyio.create_task_group() as group:
        for task_id in task_ids:
            group.start_soon(partial(runner.run_batch, task_id, "1:1 2:1 3:1", alone=True))

    assert most == 1
    assert [await bench.statuses(task_id) for task_id in task_ids] == [["completed"] * 3] * 2


async def test_a_redis_error_of_the_agents_own_fails_its_step(bench: Bench) -> None:
    """An agent that says `Unavailable` of something of its own is tried again, and no death of a worker."""

    async def retriever(step: Any, ctx: StepContext) -> StepOutput:
        raise Unavailable("my own cache is away")

    task_id = await bench.submit(LINE)
    await bench.deliver(bench.runner(retriever=retriever))

    step = (await bench.reader.view(task_id)).steps[0]
    assert (step.status, step.failures, step.crashes) == ("failed", 3, 0)
    assert step.error is not None
    assert step.error["code"] == "unavailable"
