"""A pause: nothing starts, nothing loses its place, and what was held goes first."""

import pytest

from app.broker.keys import ShardKeys
from app.errors import NotPossible, TaskNotFound
from app.model.task import CancelMode, Moment

from .conftest import DIAMOND, LINE, Bench

pytestmark = pytest.mark.anyio


async def pause(bench: Bench, task_id: str) -> None:
    await bench.tasks.pause(task_id, by="me", reason="lunch")


async def resume(bench: Bench, task_id: str) -> None:
    await bench.tasks.resume(task_id, by="me", reason=None)


async def test_a_pause_leaves_entries_where_they_are(bench: Bench) -> None:
    """Whoever resumes before the turn of a step has come finds it at its old place."""
    task_id, other = await bench.submit(LINE), await bench.submit(LINE)
    await pause(bench, task_id)
    assert await bench.status(task_id) == "paused"
    await resume(bench, task_id)

    assert [ref.task_id for ref in await bench.refs("retriever")] == [task_id, other]
    assert await bench.status(task_id) == "queued"
    assert (await bench.types(task_id))[-2:] == ["task.paused", "task.resumed"]
    await bench.finish(task_id, 1)


async def test_a_step_whose_turn_comes_is_held_and_goes_first_afterwards(bench: Bench) -> None:
    """Its entry is used up; after the pause a new one lies in the queue's high stream."""
    task_id = await bench.submit(DIAMOND)
    await bench.finish(task_id, 1)
    await pause(bench, task_id)
    for step_id in (2, 3):
        assert await bench.store.start(await bench.ref(task_id, step_id), worker="w1") is None
    assert await bench.statuses(task_id) == ["completed", "held", "held", "waiting"]

    await resume(bench, task_id)

    high, *_ = ShardKeys(bench.keys.tag).queue("analyzer").streams
    assert await bench.redis.xlen(high) == 1
    assert await bench.status(task_id) == "running"
    for step_id in (2, 3, 4):
        await bench.finish(task_id, step_id)


async def test_running_steps_end_and_their_dependents_wait(bench: Bench) -> None:
    """A pause interrupts nothing: the step completes, the next one is sent and then held."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await pause(bench, task_id)

    await bench.store.complete(attempt, b"{}", "")

    assert await bench.store.start(await bench.ref(task_id, 2), worker="w1") is None
    assert await bench.statuses(task_id) == ["completed", "held", "waiting"]
    await resume(bench, task_id)
    await bench.finish(task_id, 2)


async def test_a_paused_task_can_end(bench: Bench) -> None:
    """Its last step was running when the pause came."""
    task_id = await bench.submit(LINE[:1])
    attempt = await bench.start(task_id, 1)
    await pause(bench, task_id)

    await bench.store.complete(attempt, b"{}", "")

    assert await bench.status(task_id) == "completed"


@pytest.mark.parametrize("way", ["retrying", "deferred", "delayed"])
async def test_a_step_that_falls_due_during_a_pause_is_held(bench: Bench, way: str) -> None:
    """A retry, a deferral and a delayed start wait for the resumption as well."""
    later = {"not_before": Moment(60_000, relative=True)} if way == "delayed" else {}
    task_id = await bench.submit(LINE, **later)
    if way == "retrying":
        await bench.fail(task_id, 1, again_ms=60_000)
    if way == "deferred":
        await bench.store.defer(await bench.start(task_id, 1), delay_ms=60_000, provider="p", deferrals_max=9)
    await pause(bench, task_id)
    await bench.move()

    assert await bench.store.start(await bench.ref(task_id, 1), worker="w1") is None

    assert (await bench.statuses(task_id))[0] == "held"
    await resume(bench, task_id)
    await bench.finish(task_id, 1)


async def test_a_step_redelivered_during_a_pause_is_held_and_its_crash_counts(bench: Bench) -> None:
    """Its worker died: the attempt is given up in the log, the step goes on after the pause."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await pause(bench, task_id)

    assert await bench.store.start(attempt.ref, worker="w2") is None

    step = (await bench.reader.view(task_id)).steps[0]
    assert (step.status, step.crashes) == ("held", 1)
    assert (await bench.types(task_id))[-2:] == ["step.released", "step.held"]
    await resume(bench, task_id)
    await bench.finish(task_id, 1)


async def test_what_has_ended_or_is_ending_cannot_be_paused(bench: Bench) -> None:
    """The answer names the state; an unknown task is not found."""
    ending, ended = await bench.submit(LINE), await bench.submit(LINE)
    await bench.start(ending, 1)
    await bench.tasks.cancel(ending, CancelMode.GRACEFUL, by="me", reason=None)
    await bench.tasks.cancel(ended, CancelMode.FORCE, by="me", reason=None)

    for task_id, state in ((ending, "cancelling"), (ended, "cancelled")):
        for act in (pause, resume):
            with pytest.raises(NotPossible, match=state):
                await act(bench, task_id)
    with pytest.raises(TaskNotFound):
        await pause(bench, "0-none")


async def test_a_task_expires_in_its_pause(bench: Bench) -> None:
    """A pause does not stop the clock of the deadline."""
    task_id = await bench.submit(LINE, deadline=Moment(60_000, relative=True))
    await pause(bench, task_id)
    await bench.redis.zadd(bench.keys.deadlines, {task_id: 1})

    await bench.tasks.expire()

    assert await bench.status(task_id) == "expired"
