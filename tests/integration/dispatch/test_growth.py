"""Steps that add steps: where they go, what waits for them, and what limits them."""

from typing import Any

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from app.dispatch.context import StepContext
from app.dispatch.execute import ExecutorOptions
from app.dispatch.growth import Gap, GrowthLimits, NewStep, check, number
from app.dispatch.step_store import PlanHasGrown
from app.errors import Permanent
from app.model.agents import StepOutput
from app.model.plan import STEP_ID_MAX
from app.model.task import CancelMode
from app.tracing.names import ERROR_CODE
from app.tracing.otel import OtelTracer

from .conftest import DIAMOND, LINE, OPTIONS, Bench

pytestmark = pytest.mark.anyio

TWO = [
    {"step_id": 1, "agent": "analyzer", "payload": "left", "depends_on": []},
    {"step_id": 2, "agent": "analyzer", "payload": "right", "depends_on": []},
]
LIMITS = GrowthLimits(added_max=20, steps_max=200, payload_bytes_max=10_000)


async def added(
    bench: Bench, attempt: Any, raw: list[dict[str, Any]], next_step_id: int | None = None
) -> list[NewStep]:
    """The steps numbered as the runner does."""
    gap = Gap(attempt.ref.step_id, attempt.children, next_step_id or attempt.next_step_id, attempt.steps_total)
    return number(check(raw, bench.registry, LIMITS), gap, bench.registry, LIMITS)


async def grow(bench: Bench, task_id: str, step_id: int, raw: list[dict[str, Any]]) -> None:
    attempt = await bench.start(task_id, step_id)
    await bench.store.complete(attempt, b"{}", "", await added(bench, attempt, raw))


async def test_what_waits_for_a_step_waits_for_the_steps_it_adds(bench: Bench) -> None:
    """Two added steps run between the step and its dependent, which sees them as dependencies."""
    task_id = await bench.submit(LINE)
    await grow(bench, task_id, 1, TWO)

    assert await bench.statuses(task_id) == ["completed", "waiting", "waiting", "queued", "queued"]
    assert [(step.step_id, step.depends_on) for step in (await bench.reader.plan(task_id)).steps] == [
        (1, ()), (2, (1, 4, 5)), (3, (2,)), (4, (1,)), (5, (1,)),
    ]  # fmt: skip
    await bench.finish(task_id, 4)
    assert (await bench.statuses(task_id))[1] == "waiting"
    await bench.finish(task_id, 5)
    attempt = await bench.start(task_id, 2)
    assert attempt.depends_on == (1, 4, 5)
    extended = next(event for event in await bench.events(task_id) if event.type == "plan.extended")
    assert (extended.data["rev"], extended.data["parent"]) == (2, 1)
    assert [step["step_id"] for step in extended.data["steps"]] == [4, 5]


async def test_steps_added_below_a_last_step_become_the_result(bench: Bench) -> None:
    """The step is no sink any more: the task ends with what it added, and counts those steps."""
    task_id = await bench.submit(LINE[:1])
    await grow(bench, task_id, 1, [TWO[0], {**TWO[1], "agent": "writer", "depends_on": [1]}])
    assert await bench.status(task_id) == "running"
    await bench.finish(task_id, 2)
    await bench.finish(task_id, 3)

    view = await bench.reader.view(task_id)
    assert set(await bench.reader.outputs(view)) == {3}
    ended = (await bench.events(task_id))[-1]
    assert (ended.type, ended.data["totals"]["steps"]) == ("task.completed", 3)


async def test_two_steps_that_grow_at_once_are_numbered_apart(bench: Bench) -> None:
    """The second one's ids are taken: nothing is written, it numbers its steps anew and both are joined."""
    task_id = await bench.submit(DIAMOND)
    await bench.finish(task_id, 1)
    first, second = await bench.start(task_id, 2), await bench.start(task_id, 3)
    late = await added(bench, second, TWO)
    await bench.store.complete(first, b"{}", "", await added(bench, first, TWO))
    before = await bench.redis.hgetall(bench.keys.task(task_id))

    with pytest.raises(PlanHasGrown) as grown:
        await bench.store.complete(second, b"{}", "", late)

    assert await bench.redis.hgetall(bench.keys.task(task_id)) == before
    again = await added(bench, second, TWO, grown.value.next_step_id)
    await bench.store.complete(second, b"{}", "", again)
    assert [step.step_id for step in (await bench.reader.plan(task_id)).steps] == [1, 2, 3, 4, 5, 6, 7, 8]
    for step_id in (5, 6, 7, 8):
        assert (await bench.statuses(task_id))[3] == "waiting"
        await bench.finish(task_id, step_id)
    await bench.finish(task_id, 4)
    assert await bench.status(task_id) == "completed"


async def test_the_runner_grows_and_renumbers_a_plan(bench: Bench) -> None:
    """Both branches of a diamond add steps at the same time; all run, and the writer gets every output."""
    seen: list[int] = []

    async def analyzer(step: Any, ctx: StepContext) -> StepOutput:
        grows = step.text in ("b", "c")
        return StepOutput(data=step.text, steps=[dict(entry) for entry in TWO] if grows else [])

    async def writer(step: Any, ctx: StepContext) -> StepOutput:
        seen.extend(sorted(ctx.inputs))
        return StepOutput()

    task_id = await bench.submit(DIAMOND)
    await bench.deliver(bench.runner(analyzer=analyzer, writer=writer))

    assert await bench.status(task_id) == "completed"
    assert seen == [2, 3, 5, 6, 7, 8]
    assert (await bench.types(task_id)).count("plan.extended") == 2


@pytest.mark.parametrize(
    ("steps", "steps_max", "code"),
    [
        ([{"step_id": 1, "agent": "nobody", "payload": "x"}], 200, "bad_steps"),
        ([{"step_id": 1, "agent": "writer", "payload": "x", "depends_on": [7]}], 200, "bad_steps"),
        ([{**TWO[0], "step_id": n} for n in range(1, 22)], 200, "bad_steps"),
        (TWO, 4, "plan_too_large"),
    ],
)
async def test_steps_that_cannot_be_added_fail_the_step(
    bench: Bench, steps: list[dict[str, Any]], steps_max: int, code: str
) -> None:
    """No plan, too many steps at once, or too many in all: a permanent failure with its reason."""

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        return StepOutput(steps=steps)

    limits = GrowthLimits(added_max=20, steps_max=steps_max, payload_bytes_max=10_000)
    options = ExecutorOptions(OPTIONS.result_bytes_max, OPTIONS.cache_dir, {}, limits)
    runner, exported = bench.runner(options=options, retriever=agent), InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    runner.tracer = OtelTracer(provider.get_tracer("test"))
    task_id = await bench.submit(LINE)
    await bench.deliver(runner)

    view = await bench.reader.view(task_id)
    assert view.error is not None
    assert (view.error["code"], view.steps[0].attempts, len(view.steps)) == (code, 1, 3)
    # Its trace tells it as well, whether the agent was refused or the result.
    assert [(span.attributes or {}).get(ERROR_CODE) for span in exported.get_finished_spans()] == [code]


async def test_ids_run_out_before_they_become_invalid(bench: Bench) -> None:
    """A plan that uses the largest id takes no further steps: they could never be started."""
    task_id = await bench.submit([{**LINE[0], "step_id": STEP_ID_MAX}])

    with pytest.raises(Permanent) as refused:
        await added(bench, await bench.start(task_id, STEP_ID_MAX), TWO)

    assert refused.value.code == "plan_too_large"


@pytest.mark.parametrize("mode", [CancelMode.GRACEFUL, CancelMode.FINISH])
async def test_a_task_that_is_being_ended_does_not_grow(bench: Bench, mode: CancelMode) -> None:
    """The result is taken, the added steps are not."""
    task_id = await bench.submit([{**LINE[0], "agent": "analyzer"}])
    attempt = await bench.start(task_id, 1)
    steps = await added(bench, attempt, TWO)
    await bench.tasks.cancel(task_id, mode, by="x", reason=None)

    await bench.store.complete(attempt, b"{}", "", steps)

    assert await bench.statuses(task_id) == ["completed"]
    assert await bench.status(task_id) == ("cancelled" if mode is CancelMode.GRACEFUL else "completed")


async def test_a_step_that_runs_again_does_not_add_its_steps_twice(bench: Bench) -> None:
    """What it added is in the plan already and runs again with it."""
    task_id = await bench.submit(LINE)
    await grow(bench, task_id, 1, TWO)
    await bench.fail(task_id, 4)
    await bench.tasks.retry(task_id, from_step=1, by="x")

    await grow(bench, task_id, 1, TWO)

    assert await bench.statuses(task_id) == ["completed", "waiting", "waiting", "queued", "queued"]
    for step_id in (4, 5, 2, 3):
        await bench.finish(task_id, step_id)
    assert await bench.status(task_id) == "completed"
