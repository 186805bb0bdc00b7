"""The analyzer's further searches on a real store: the plan grows once, within its bounds, and the writer gets them."""

from dataclasses import replace
from pathlib import Path

import pytest

import actors.analyzer
import actors.retriever
import actors.writer  # noqa: F401  # importing registers the agents
from app.dispatch.execute import Executor
from app.dispatch.growth import GrowthLimits
from app.dispatch.invoke import Invoker
from app.dispatch.runner import StepRunner
from app.dispatch.stops import Stops
from app.model.agents import registry
from app.model.task import TaskInputs

from .conftest import OPTIONS, Bench

QUESTION = "What is the latency of a failed message?"
pytestmark = pytest.mark.anyio

PLAN = [
    {"step_id": 1, "agent": "retriever", "payload": QUESTION},
    {"step_id": 2, "agent": "analyzer", "payload": QUESTION},
    {"step_id": 3, "agent": "writer", "payload": QUESTION},
]
ANSWER = "Every letter that could not be handed over waits for five minutes."


def _documents(folder: Path) -> Path:
    folder.mkdir()
    for number in range(12):
        text = f"A failed message of office {number} is a failed message. The failed message number {number} is told.\n"
        (folder / f"note{number}.md").write_text(text)
    (folder / "rules.md").write_text(f"{ANSWER}\n")
    return folder


def _runner(bench: Bench, folder: Path, steps_max: int = 200) -> StepRunner:
    growth = GrowthLimits(added_max=20, steps_max=steps_max, payload_bytes_max=10_000)
    cache = folder.parent / "cache"
    options = replace(
        OPTIONS, collections={"notes": folder}, cache_dir=cache, growth=growth, result_bytes_max=1_000_000
    )
    executor = Executor(bench.store, bench.reader, registry, options, Invoker(threads_max=2))
    return StepRunner(bench.store, executor, Stops(bench.redis, bench.keys.stops("w1"), bench.store.unwanted), "w1")


async def test_a_plan_grows_by_what_was_not_found_and_the_report_has_it(bench: Bench, tmp_path: Path) -> None:
    """One search between the analyzer and the writer; the answer has another word for what was asked."""
    task_id = await bench.submit(PLAN, inputs=TaskInputs(collection="notes"))
    await bench.deliver(_runner(bench, _documents(tmp_path / "notes")))

    steps = (await bench.reader.plan(task_id)).steps
    assert [(step.agent, step.depends_on) for step in steps] == [
        ("retriever", ()), ("analyzer", (1,)), ("writer", (2, 4)), ("retriever", (2,)),
    ]  # fmt: skip
    assert (await bench.types(task_id)).count("plan.extended") == 1
    outputs = await bench.reader.outputs(await bench.reader.view(task_id))
    assert "waits for five minutes" in str(outputs[3].text)


@pytest.mark.parametrize(("steps", "steps_max"), [(3, 3), (2, 200)])
async def test_a_plan_without_room_or_reader_is_finished_as_it_is(
    bench: Bench, tmp_path: Path, steps: int, steps_max: int
) -> None:
    """What would only be nice to have fails no task, and takes no analysis' place as the task's result."""
    task_id = await bench.submit(PLAN[:steps], inputs=TaskInputs(collection="notes"))
    await bench.deliver(_runner(bench, _documents(tmp_path / "notes"), steps_max=steps_max))

    view = await bench.reader.view(task_id)
    assert view.status == "completed"
    assert len(view.steps) == steps
    assert set(await bench.reader.outputs(view)) == {steps}
