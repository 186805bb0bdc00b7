"""Submissions: what is accepted, what is refused and why, and that a refusal leaves nothing behind."""

import pytest

from app.bootstrap.startup import load_agents
from app.broker.keys import ShardKeys
from app.config import Settings
from app.dispatch.dispatcher import Dispatcher
from app.dispatch.submission import Submission, SubmissionLimits
from app.errors import BacklogFull, InvalidRequest, Unavailable
from app.model.task import CancelMode, Document, Moment, TaskStatus
from app.planning.planners import Planners
from app.planning.rules import RulePlanner
from app.planning.validator import PlanLimits
from app.web.options import WebOptions

from .conftest import LIMITS, LINE, Bench

pytestmark = pytest.mark.anyio


@pytest.fixture
def dispatcher(bench: Bench) -> Dispatcher:
    return Dispatcher(
        planners=Planners(RulePlanner()),
        registry=load_agents(Settings()),
        store=bench.tasks,
        reader=bench.reader,
        limits=SubmissionLimits(
            task_chars_max=100,
            documents_max=2,
            documents_bytes_max=50,
            plan=PlanLimits(steps_max=10, payload_bytes_max=1000),
            web=WebOptions(urls_max=3),
        ),
        collections=frozenset({"handbook"}),
    )


async def test_a_submission_without_a_plan_is_planned(bench: Bench, dispatcher: Dispatcher) -> None:
    """The planner's steps are stored, and the roots are on their queue."""
    task = await dispatcher.submit(Submission("Compare tea and coffee"))

    view = await bench.reader.view(task.task_id)
    assert (view.status, view.planner) == (TaskStatus.QUEUED, "rules")
    assert [step.agent for step in view.steps] == [step.agent for step in task.plan.steps]
    assert view.steps[-1].agent == "writer"
    assert {ref.task_id for ref in await bench.refs("retriever")} == {task.task_id}


async def test_pages_and_the_wish_for_a_search_stay_with_the_task(bench: Bench) -> None:
    """For the retriever to find, and for whoever forks it."""
    limits = SubmissionLimits(100, 2, 50, PlanLimits(10, 1_000), WebOptions(searxng_url="http://127.0.0.1:8888"))
    dispatcher = Dispatcher(
        planners=Planners(RulePlanner()),
        registry=load_agents(Settings()),
        store=bench.tasks,
        reader=bench.reader,
        limits=limits,
    )

    task = await dispatcher.submit(Submission("x", plan=LINE, urls=("http://a.example/",), web=True))

    inputs = await bench.inputs(task.task_id)
    assert (inputs.urls, inputs.web) == (["http://a.example/"], True)


async def test_where_nothing_is_fetched_no_page_may_be_named(bench: Bench) -> None:
    """Refused with the submission, and not a failure of the task."""
    limits = SubmissionLimits(100, 2, 50, PlanLimits(10, 1_000), WebOptions(fetch=False, searxng_url="http://a/"))
    dispatcher = Dispatcher(
        planners=Planners(RulePlanner()),
        registry=load_agents(Settings()),
        store=bench.tasks,
        reader=bench.reader,
        limits=limits,
    )

    with pytest.raises(InvalidRequest) as caught:
        await dispatcher.submit(Submission("x", plan=LINE, urls=("http://a.example/",), web=True))

    assert [problem.pointer for problem in caught.value.problems] == ["/inputs/urls", "/inputs/web"]


async def test_documents_are_kept_once_and_until_the_last_task_that_needs_them(
    bench: Bench, dispatcher: Dispatcher
) -> None:
    """Two tasks with the same documents share one copy; it expires only when both have ended."""
    documents = (Document(name="a.md", text="Tea is hot."),)
    tasks = [await dispatcher.submit(Submission("Is tea hot?", plan=LINE, documents=documents)) for _ in range(2)]
    sha256 = (await bench.inputs(tasks[0].task_id)).documents_sha256
    assert sha256 is not None
    assert await bench.reader.documents(sha256) == list(documents)

    for task in tasks:
        assert await bench.redis.ttl(bench.keys.documents(sha256)) == -1
        for step_id in (1, 2, 3):
            await bench.finish(task.task_id, step_id)

    assert await bench.redis.ttl(bench.keys.documents(sha256)) > 0
    again = await dispatcher.submit(Submission("Is it still?", plan=LINE, documents=documents))
    assert (await bench.inputs(again.task_id)).documents_sha256 == sha256
    assert await bench.redis.ttl(bench.keys.documents(sha256)) == -1
    assert await bench.redis.ttl(bench.keys.documents(sha256) + ":tasks") == -1


async def test_a_refused_submission_leaves_no_documents(bench: Bench, dispatcher: Dispatcher) -> None:
    """A client that is told to come back does not fill Redis with what it brought."""
    stream = ShardKeys(bench.keys.tag).queue("retriever").stream()
    for _ in range(LIMITS.backlog_max):
        await bench.redis.xadd(stream, {"m": "x"})

    with pytest.raises(BacklogFull):
        await dispatcher.submit(Submission("x", plan=LINE, documents=(Document(name="a", text="b"),)))

    assert await bench.redis.keys(f"{bench.keys.tag}:docs:*") == []


@pytest.mark.parametrize(
    ("submission", "pointers"),
    [
        (Submission("  "), ["/task"]),
        (Submission("x" * 101), ["/task"]),
        (Submission("x", documents=tuple(Document(name=str(n), text="") for n in range(3))), ["/inputs/documents"]),
        (Submission("x", documents=(Document(name="a", text="é" * 26),)), ["/inputs/documents"]),
        (Submission("", collection="secrets"), ["/task", "/inputs/collection"]),
        (Submission("x", urls=("http://a.example/", "http://10.0.0.1/", "b")), ["/inputs/urls/1", "/inputs/urls/2"]),
        (Submission("x", urls=("http://a.example/",) * 4), ["/inputs/urls"]),
        (Submission("x", web=True), ["/inputs/web"]),
        (Submission("x", plan=[{**LINE[0], "agent": "nobody"}]), ["/plan/0/agent"]),
        (Submission("x", plan=[{**LINE[0], "depends_on": [1]}]), ["/plan/0/depends_on/0"]),
        (Submission("x", plan={"steps": []}), ["/plan"]),
    ],
)
async def test_a_bad_submission_names_every_problem_and_leaves_nothing(
    bench: Bench, dispatcher: Dispatcher, submission: Submission, pointers: list[str]
) -> None:
    """Each problem has its pointer into the request; no key of a refused task exists."""
    with pytest.raises(InvalidRequest) as refused:
        await dispatcher.submit(submission)

    assert [problem.pointer for problem in refused.value.problems] == pointers
    assert await bench.redis.keys(f"{bench.keys.tag}:*") == []


async def test_a_full_redis_refuses_new_tasks_and_finishes_old_ones(bench: Bench, dispatcher: Dispatcher) -> None:
    """At maxmemory a submission is `Unavailable`; the task accepted before runs to its end."""
    task_id = await bench.submit(LINE)
    # Less than an empty server takes: what other tests left and the server frees meanwhile makes no room.
    await bench.redis.config_set("maxmemory", 1)
    try:
        with pytest.raises(Unavailable):
            await dispatcher.submit(Submission("x", plan=LINE))
        await bench.deliver(bench.runner())
    finally:
        await bench.redis.config_set("maxmemory", 0)

    assert (await bench.reader.view(task_id)).status is TaskStatus.COMPLETED


@pytest.mark.parametrize("name", ["deadline", "not_before"])
@pytest.mark.parametrize("relative", [True, False])
async def test_a_moment_too_far_away_is_refused(dispatcher: Dispatcher, name: str, relative: bool) -> None:
    """A time in the year 9999 has more digits than the scripts can write."""
    moment = Moment(253_402_300_799_000, relative=relative)

    with pytest.raises(InvalidRequest) as caught:
        await dispatcher.submit(Submission("x", plan=LINE, **{name: moment}))  # type: ignore[arg-type]

    assert [problem.pointer for problem in caught.value.problems] == [f"/{name}"]


async def test_finishing_early_with_nothing_to_gather_is_accepted(bench: Bench, dispatcher: Dispatcher) -> None:
    """No step is left out, so the task goes on as it was."""
    task = await dispatcher.submit(Submission("x", plan=LINE))
    await bench.finish(task.task_id, 1)

    assert await dispatcher.cancel(task.task_id, CancelMode.FINISH, by="test")

    assert (await bench.reader.view(task.task_id)).status is TaskStatus.RUNNING
