"""The table of tasks: each is planned as a careful reader would have drawn it."""

import re
from typing import Any

import pytest

from app.model.agents import AgentRegistry
from app.model.plan import OnFailure, Plan, Step
from app.planning.rules import RulePlanner
from app.planning.validator import PlanLimits, validate_plan

from .tasks import AS_PEOPLE_WRITE, PLAIN, TASKS, Task

#: Words of the request itself: no search is made for them.
_NOISE = (
    "please pls compare summarise summarize explain write research answer check verify fact-check true following these "
    "claims questions topics statements documents docs files overview key bullet step-by-step torn between tl;dr"
)
NOISE = frozenset(_NOISE.split())


def by_agent(plan: Plan, agent: str) -> list[Step]:
    return [step for step in plan.steps if step.agent == agent]


def payload(step: Step) -> dict[str, Any]:
    assert isinstance(step.payload, dict)
    return step.payload


def folded(texts: Any) -> list[str]:
    return [text.casefold() for text in texts]


def words(text: str) -> set[str]:
    return set(re.split(r"[\s,;:]+", text.casefold())) - {"", "a", "the", "is", "of", "in"}


@pytest.fixture(scope="session")
def draw(registry: AgentRegistry, limits: PlanLimits) -> Any:
    return lambda goal: validate_plan(RulePlanner().plan(goal), registry=registry, limits=limits, planner="rules")


def test_the_table_is_as_large_as_it_says() -> None:
    """At least sixty tasks, at least half of them as people write."""
    assert len({task.text for task in TASKS}) >= 60
    assert len(AS_PEOPLE_WRITE) >= len(PLAIN)


@pytest.mark.parametrize("task", TASKS, ids=[task.text[:48] for task in TASKS])
def test_a_task_has_the_shape_a_reader_would_have_drawn(draw: Any, task: Task) -> None:
    """Its branches, what they search for, what is set side by side, and the edges between the steps."""
    plan = draw(task.text)
    searches = [payload(step)["text"] for step in by_agent(plan, "retriever")]
    writer = payload(by_agent(plan, "writer")[-1])

    assert writer["intent"] == task.intent
    assert len(searches) == len(task.finds), searches
    for search, wanted in zip(searches, task.finds, strict=True):
        assert words(wanted) <= words(search), search
        assert wanted == "" or not words(search) & NOISE - words(wanted), search
    assert folded(writer.get("subjects", ())) == folded(task.subjects)
    assert folded(writer.get("aspects", ())) == folded(task.aspects)
    assert_edges(plan, len(task.finds))


def assert_edges(plan: Plan, branches: int) -> None:
    """Searches side by side, an analysis for each, a merge where there are several, exactly one writer at the end."""
    searches, analyses, writers = (by_agent(plan, agent) for agent in ("retriever", "analyzer", "writer"))
    merged = branches > 1
    assert (len(searches), len(analyses), len(writers)) == (branches, branches + merged, 1)
    assert all(not step.depends_on for step in searches)
    assert [step.depends_on for step in analyses[:branches]] == [(step.step_id,) for step in searches]
    if merged:
        assert analyses[-1].depends_on == tuple(step.step_id for step in analyses[:branches])
    assert writers[0].depends_on == (analyses[-1].step_id,)
    assert plan.sinks() == [writers[0].step_id]


@pytest.mark.parametrize("task", TASKS, ids=[task.text[:48] for task in TASKS])
def test_one_failing_branch_does_not_end_the_report(draw: Any, task: Task) -> None:
    """Where several branches run side by side, what one cannot find is missing in the report; alone, it fails."""
    plan = draw(task.text)
    several = len(task.finds) > 1

    for step in plan.steps:
        alone = not several or step.agent == "writer" or len(step.depends_on) > 1
        assert step.on_failure is (OnFailure.FAIL if alone else OnFailure.CONTINUE)


@pytest.mark.parametrize("task", TASKS, ids=[task.text[:48] for task in TASKS])
def test_the_plan_says_why_each_step_is_there(draw: Any, task: Task) -> None:
    """Each branch's reasons name its subject, the merge's and the writer's say what they are for."""
    plan = draw(task.text)

    assert all(step.reason and step.reason.endswith((".", "…")) for step in plan.steps)
    for place, name in enumerate(task.subjects):
        for step in (by_agent(plan, "retriever")[place], by_agent(plan, "analyzer")[place]):
            assert name.casefold() in (step.reason or "").casefold()


def test_a_statement_is_handed_on_as_a_statement(draw: Any) -> None:
    """Without the question around it: that is what is judged."""
    plan = draw("Is it true that Redis is single-threaded?")

    assert payload(by_agent(plan, "analyzer")[0])["text"] == "Redis is single-threaded"
