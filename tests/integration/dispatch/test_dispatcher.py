"""Submissions: what is accepted, what is refused and why, and that a refusal leaves nothing behind."""

import pytest

from app.bootstrap import load_agents
from app.config import Settings
from app.dispatch.dispatcher import Dispatcher, Submission, SubmissionLimits
from app.errors import InvalidRequest, Unavailable
from app.model.task import Document, TaskStatus
from app.planning.rules import RulePlanner
from app.planning.validator import PlanLimits

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


@pytest.fixture
def dispatcher(bench: Bench) -> Dispatcher:
    return Dispatcher(
        planner=RulePlanner(),
        registry=load_agents(Settings()),
        store=bench.store,
        reader=bench.reader,
        limits=SubmissionLimits(
            task_chars_max=100,
            documents_max=2,
            documents_bytes_max=50,
            retention_s=60,
            plan=PlanLimits(steps_max=10, payload_bytes_max=1000),
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


async def test_documents_are_kept_once_for_all_tasks_that_share_them(bench: Bench, dispatcher: Dispatcher) -> None:
    """Two tasks with the same documents point to one copy, which expires."""
    documents = (Document(name="a.md", text="Tea is hot."),)

    for _ in range(2):
        await dispatcher.submit(Submission("Is tea hot?", plan=LINE, documents=documents))

    (key,) = await bench.redis.keys(f"{bench.keys.tag}:docs:*")
    assert await bench.reader.documents(key.decode().rpartition(":")[2]) == list(documents)
    assert await bench.redis.ttl(key) > 0


@pytest.mark.parametrize(
    ("submission", "pointers"),
    [
        (Submission("  "), ["/task"]),
        (Submission("x" * 101), ["/task"]),
        (Submission("x", documents=tuple(Document(name=str(n), text="") for n in range(3))), ["/inputs/documents"]),
        (Submission("x", documents=(Document(name="a", text="é" * 26),)), ["/inputs/documents"]),
        (Submission("", collection="secrets"), ["/task", "/inputs/collection"]),
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
    used = (await bench.redis.info("memory"))["used_memory"]
    await bench.redis.config_set("maxmemory", used - 1)
    try:
        with pytest.raises(Unavailable):
            await dispatcher.submit(Submission("x", plan=LINE))
        await bench.deliver(bench.runner())
    finally:
        await bench.redis.config_set("maxmemory", 0)

    assert (await bench.reader.view(task_id)).status is TaskStatus.COMPLETED
