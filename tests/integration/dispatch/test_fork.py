"""A new task from an ended one: what is taken over, what runs, and what a fork needs of its source."""

import pytest

from app.dispatch.counters import Counters
from app.dispatch.dispatcher import Dispatcher
from app.dispatch.growth import Gap, GrowthLimits, check, number
from app.dispatch.intake import Intake
from app.dispatch.submission import Submission, SubmissionLimits
from app.errors import InvalidRequest, NotPossible, TaskNotFound
from app.model.output import OutputFormat, TaskOutput
from app.model.task import Concurrency, Document
from app.planning.planners import Planners
from app.planning.rules import RulePlanner
from app.planning.validator import PlanLimits

from .conftest import DIAMOND, LINE, Bench

GROWTH = GrowthLimits(added_max=20, steps_max=200, payload_bytes_max=10_000)
pytestmark = pytest.mark.anyio


@pytest.fixture
def dispatcher(bench: Bench) -> Dispatcher:
    plan = PlanLimits(steps_max=20, payload_bytes_max=1000)
    limits = SubmissionLimits(task_chars_max=100, documents_max=2, documents_bytes_max=50, plan=plan)
    return Dispatcher(
        planners=Planners(RulePlanner()), registry=bench.registry, store=bench.tasks, reader=bench.reader, limits=limits
    )


async def completed(bench: Bench, **fields: object) -> str:
    task_id = await bench.submit(DIAMOND, **fields)
    for step_id in (1, 2, 3, 4):
        await bench.finish(task_id, step_id, f"step {step_id}")
    return task_id


async def test_a_fork_runs_a_step_and_what_depends_on_it(bench: Bench, dispatcher: Dispatcher) -> None:
    """The other results come along, each with an event that says so, and reach the steps that need them."""
    source = await completed(bench, priority=1, labels={"team": "a"}, concurrency=Concurrency("team", 2))

    fork = (await dispatcher.fork(source, from_step=3)).task_id

    view = await bench.reader.view(fork)
    assert [str(step.status) for step in view.steps] == ["completed", "completed", "queued", "waiting"]
    assert (view.parent_task_id, view.priority, view.labels) == (source, 1, {"team": "a"})
    cached = [event for event in await bench.events(fork) if event.type == "step.completed"]
    assert [(event.step_id, event.attempt, event.data["cached"]) for event in cached] == [
        (1, None, True),
        (2, None, True),
    ]
    await bench.finish(fork, 3)
    attempt = await bench.start(fork, 4)
    assert {i: output.summary for i, output in (await bench.reader.results(fork, attempt.depends_on)).items()} == {
        2: "step 2", 3: "done",
    }  # fmt: skip
    await bench.store.complete(attempt, b"{}", "")
    assert await bench.status(fork) == "completed"
    assert await bench.status(source) == "completed"


async def test_what_a_fork_takes_over_is_counted_as_that(bench: Bench, dispatcher: Dispatcher) -> None:
    """By agent, beside their events: nothing ran, so it is no throughput of a queue."""

    async def totals() -> Counters:
        return Counters.read(await bench.redis.hgetall(bench.keys.totals))

    source = await completed(bench)
    before = await totals()

    await dispatcher.fork(source, from_step=3)

    found = await totals()
    assert (before.kept, found.kept) == ({}, {"retriever": 1, "analyzer": 1})
    assert found.events["step.completed", "analyzer"] == before.events["step.completed", "analyzer"] + 1


async def test_a_fork_keeps_the_form_of_its_source(bench: Bench, dispatcher: Dispatcher) -> None:
    """Who edits the plan of a page gets a page; what says nothing of a form is Markdown."""
    source = await bench.submit(LINE, output=TaskOutput(format=OutputFormat.HTML))
    plain = await bench.submit(LINE)
    for task_id in (source, plain):
        for step_id in (1, 2, 3):
            await bench.finish(task_id, step_id)

    fork = (await dispatcher.fork(source, from_step=3)).task_id
    plain_fork = (await dispatcher.fork(plain, from_step=3)).task_id

    assert (await bench.start(fork, 3)).output.format is OutputFormat.HTML
    assert (await bench.start(plain_fork, 3)).output.format is OutputFormat.MARKDOWN


async def test_a_fork_keeps_the_limit_of_its_source(bench: Bench, dispatcher: Dispatcher) -> None:
    """It joins the same concurrency group."""
    source = await completed(bench, labels={"team": "a"}, concurrency=Concurrency("team", 1))
    await bench.submit(LINE, labels={"team": "a"}, concurrency=Concurrency("team", 1))

    fork = (await dispatcher.fork(source, from_step=1)).task_id

    assert (await bench.statuses(fork))[0] == "limited"


async def test_an_edited_plan_reuses_what_it_does_not_change(bench: Bench, dispatcher: Dispatcher) -> None:
    """Step 3 has another payload and step 5 is new: they and the join run, the rest is taken over."""
    source = await completed(bench)
    edited = [
        *DIAMOND[:2], {**DIAMOND[2], "payload": "other"}, DIAMOND[3],
        {"step_id": 5, "agent": "writer", "payload": "e", "depends_on": [2]},
    ]  # fmt: skip

    fork = (await dispatcher.fork(source, plan=edited)).task_id

    assert await bench.statuses(fork) == ["completed", "completed", "queued", "waiting", "queued"]
    for step_id in (5, 3, 4):
        await bench.finish(fork, step_id)
    assert await bench.status(fork) == "completed"


async def test_a_fork_may_take_a_last_step_over(bench: Bench, dispatcher: Dispatcher) -> None:
    """A reused sink counts as a success of the new task."""
    source = await completed(bench)
    fork = (await dispatcher.fork(source, plan=[*DIAMOND, {**DIAMOND[3], "step_id": 5}])).task_id

    await bench.fail(fork, 5)
    assert await bench.status(fork) == "failed"
    again = (await dispatcher.fork(source, plan=[*DIAMOND, {**DIAMOND[3], "step_id": 5, "on_failure": "skip"}])).task_id
    await bench.fail(again, 5)
    ended = (await bench.events(again))[-1]
    assert (ended.type, ended.data["partial"]) == ("task.completed", True)


async def test_documents_of_the_source_are_kept_for_the_fork(bench: Bench, dispatcher: Dispatcher) -> None:
    """They last until the fork has ended; when they are gone there is no fork."""
    document = Document(name="a.md", text="Tea is hot.")
    source = (await dispatcher.submit(Submission("x", plan=LINE, documents=(document,)))).task_id
    await bench.fail(source, 1)
    key = bench.keys.documents((await bench.inputs(source)).documents_sha256 or "")
    assert await bench.redis.pttl(key) > 0

    fork = (await dispatcher.fork(source, from_step=1)).task_id

    assert await bench.redis.pttl(key) == -1
    await bench.fail(fork, 1)
    assert await bench.redis.pttl(key) > 0
    await bench.redis.delete(key)
    with pytest.raises(NotPossible):
        await dispatcher.fork(source, from_step=1)


async def grow(bench: Bench, task_id: str) -> None:
    """Step 1 completes and adds a step, under an id that is free."""
    attempt = await bench.start(task_id, 1)
    plan = check([{"step_id": 1, "agent": "analyzer", "payload": "x"}], bench.registry, GROWTH)
    gap = Gap(1, attempt.children, attempt.next_step_id, attempt.steps_total)
    await bench.store.complete(attempt, b"{}", "", number(plan, gap, bench.registry, GROWTH))


async def test_a_fork_does_not_add_again_what_it_has_taken_over(bench: Bench, dispatcher: Dispatcher) -> None:
    """A step that had grown runs with what it added; where that was edited away it grows anew."""
    source = await bench.submit(LINE)
    await grow(bench, source)
    await bench.fail(source, 4)

    same = (await dispatcher.fork(source, from_step=1)).task_id
    await grow(bench, same)
    assert await bench.statuses(same) == ["completed", "waiting", "waiting", "queued"]
    fresh = (await dispatcher.fork(source, from_step=1, plan=LINE)).task_id
    await grow(bench, fresh)
    assert await bench.statuses(fresh) == ["completed", "waiting", "waiting", "queued"]
    for task_id in (same, fresh):
        for step_id in (4, 2, 3):
            await bench.finish(task_id, step_id)
        assert await bench.status(task_id) == "completed"


async def test_a_fork_is_refused_where_it_makes_no_sense(bench: Bench, dispatcher: Dispatcher) -> None:
    """A source that runs or is unknown, a step that is not there, no change at all."""
    running, source = await bench.submit(LINE), await completed(bench)

    with pytest.raises(NotPossible, match="queued"):
        await dispatcher.fork(running, from_step=1)
    with pytest.raises(TaskNotFound):
        await dispatcher.fork("0-none", from_step=1)
    for wish in ({"from_step": 9}, {"plan": DIAMOND}, {}, {"plan": []}):
        with pytest.raises(InvalidRequest):
            await dispatcher.fork(source, **wish)


async def test_a_source_that_goes_while_it_is_forked_leaves_nothing(bench: Bench) -> None:
    """Between the look at the source and the fork it was deleted, lost a result, or ran again."""
    source, retried = await completed(bench), await bench.submit(LINE)
    task = bench.task(DIAMOND, parent_task_id=source)
    await bench.redis.hdel(bench.keys.task(source), "r:2")
    with pytest.raises(NotPossible, match="no longer kept"):
        await bench.tasks.fork(Intake(task, source=source, reused={1, 2}), bench.registry)
    await bench.tasks.delete(source)
    with pytest.raises(TaskNotFound):
        await bench.tasks.fork(Intake(task, source=source, reused={1}), bench.registry)
    with pytest.raises(NotPossible, match="queued"):
        await bench.tasks.fork(Intake(task, source=retried), bench.registry)

    assert await bench.redis.exists(bench.keys.task(task.task_id)) == 0


async def test_a_fork_that_was_accepted_is_accepted_again_without_its_source(bench: Bench) -> None:
    """The reply was lost and the source deleted meanwhile: the fork is there all the same."""
    source = await completed(bench)
    intake = Intake(bench.task(DIAMOND, parent_task_id=source), source=source, reused={1})
    await bench.tasks.fork(intake, bench.registry)
    await bench.tasks.delete(source)

    assert await bench.tasks.fork(intake, bench.registry) == intake.task.task_id
