"""Turns a task takes rarely, each found by holding the scripts to the model of `tests/property/specification`."""

import pytest

from app.dispatch.growth import Gap, GrowthLimits, number
from app.errors import NotPossible
from app.model.agents import AgentRegistry, AgentSpec, StepOutput
from app.model.task import CancelMode, TaskStatus

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio

ALONE = [{"step_id": 1, "agent": "writer", "payload": "a"}]


async def test_a_cancellation_waits_when_all_that_is_left_runs(bench: Bench) -> None:
    """A graceful cancellation with nothing to skip is taken, and ends with the running step."""
    task_id = await bench.submit(ALONE)
    attempt = await bench.start(task_id, 1)

    assert await bench.tasks.cancel(task_id, CancelMode.GRACEFUL, by="x", reason=None)
    assert (await bench.reader.view(task_id)).status is TaskStatus.CANCELLING
    await bench.store.stop(attempt)

    assert (await bench.types(task_id))[-1] == "task.cancelled"


async def test_finishing_a_task_without_gathering_changes_nothing_else(bench: Bench) -> None:
    """Told to finish, a task whose agents gather nothing simply goes on."""
    task_id = await bench.submit(LINE[1:])

    assert await bench.tasks.cancel(task_id, CancelMode.FINISH, by="x", reason=None)
    for step_id in (2, 3):
        await bench.finish(task_id, step_id)

    assert (await bench.reader.view(task_id)).status is TaskStatus.COMPLETED


async def test_a_cancelled_task_with_all_steps_completed_has_nothing_to_retry(bench: Bench) -> None:
    """The step ended in spite of the cancellation: a retry is refused, it would leave a task without an end."""
    task_id = await bench.submit(LINE[:1])
    attempt = await bench.start(task_id, 1)
    await bench.tasks.cancel(task_id, CancelMode.GRACEFUL, by="x", reason=None)
    await bench.store.complete(attempt, b"{}", "")
    assert (await bench.reader.view(task_id)).status is TaskStatus.CANCELLED

    with pytest.raises(NotPossible, match="completed"):
        await bench.tasks.retry(task_id, from_step=None, by="x")
    await bench.tasks.retry(task_id, from_step=1, by="x")
    await bench.finish(task_id, 1)

    assert (await bench.reader.view(task_id)).status is TaskStatus.COMPLETED


async def test_what_a_finish_makes_ready_shares_a_message(bench: Bench) -> None:
    """Two branches whose gathering ends by one cancellation go on in one batch, as after any transition."""
    bench.registry = AgentRegistry()
    for name in ("retriever", "analyzer"):
        bench.registry.register(AgentSpec(name=name, run=lambda *_: StepOutput(), gathers=name == "retriever"))
    task_id = await bench.submit(
        [
            {"step_id": 1, "agent": "retriever", "payload": "a", "depends_on": []},
            {"step_id": 2, "agent": "retriever", "payload": "b", "depends_on": []},
            {"step_id": 3, "agent": "analyzer", "payload": "c", "depends_on": [1]},
            {"step_id": 4, "agent": "analyzer", "payload": "d", "depends_on": [2]},
        ]
    )

    await bench.tasks.cancel(task_id, CancelMode.FINISH, by="x", reason=None)

    assert [message["args"] for message in await bench.messages("analyzer")] == [[task_id, "3:1 4:1"]]


async def test_steps_that_an_output_adds_run_before_what_waited(bench: Bench) -> None:
    """The added steps are sent at once; the dependent of the step that added them waits for their last one."""
    task_id = await bench.submit(LINE[:2])
    attempt = await bench.start(task_id, 1)
    limits = GrowthLimits(added_max=20, steps_max=200, payload_bytes_max=10_000)
    grown = bench.plan([{"step_id": n, "agent": "writer", "payload": "x"} for n in (1, 2)])
    gap = Gap(1, attempt.children, attempt.next_step_id, attempt.steps_total)

    await bench.store.complete(attempt, b"{}", "", number(grown, gap, bench.registry, limits))
    for step_id in (3, 4, 2):
        await bench.finish(task_id, step_id)

    view = await bench.reader.view(task_id)
    assert (view.status, [step.step_id for step in view.steps]) == (TaskStatus.COMPLETED, [1, 2, 3, 4])
    assert view.steps[1].depends_on == [1, 3, 4]
    assert (await bench.events(task_id))[-1].data["totals"]["steps"] == 4
