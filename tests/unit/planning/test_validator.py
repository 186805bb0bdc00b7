"""What the validator accepts, what it reports and where it points."""

import json
from functools import reduce
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidRequest, Problem
from app.model.agents import AgentRegistry, AgentSpec, StepInput, StepOutput
from app.model.plan import Plan
from app.planning import graph
from app.planning.validator import PAYLOAD_DEPTH_MAX, PlanLimits, validate_plan

EXAMPLE = [
    {"step_id": 1, "agent": "retriever", "payload": "Research AI agents"},
    {"step_id": 2, "agent": "analyzer", "payload": "Analyze challenges"},
    {"step_id": 3, "agent": "writer", "payload": "Write summary"},
]


def step(step_id: Any = 1, agent: Any = "retriever", payload: Any = "x", **more: Any) -> dict[str, Any]:
    return {"step_id": step_id, "agent": agent, "payload": payload} | more


@pytest.fixture
def check(registry: AgentRegistry, limits: PlanLimits) -> Any:
    return lambda raw: validate_plan(raw, registry=registry, limits=limits, planner="client")


@pytest.fixture
def problems(check: Any) -> Any:
    def found(raw: object) -> list[tuple[str, str]]:
        with pytest.raises(InvalidRequest) as caught:
            check(raw)
        return [(problem.pointer, problem.detail) for problem in caught.value.problems]

    return found


def test_the_documented_example_runs_one_step_after_the_other(check: Any) -> None:
    """Three agents in a list without dependencies form a chain."""
    plan: Plan = check(EXAMPLE)

    assert [(s.step_id, s.depends_on) for s in plan.steps] == [(1, ()), (2, (1,)), (3, (2,))]
    assert plan.steps[0].payload == "Research AI agents"
    assert plan.planner == "client"


class Anything(StepInput):
    """Takes whatever JSON can hold."""

    more: Any = None


def test_a_payload_is_only_as_deep_as_every_reader_can_follow(limits: PlanLimits) -> None:
    """What a worker or a reader of the log could not parse again is refused before it is accepted."""
    agents = AgentRegistry()
    agents.register(AgentSpec("any", lambda step, ctx: StepOutput(), Anything))

    def check(levels: int) -> Plan:
        deep = reduce(lambda inner, _: [inner], range(levels - 1), 1)
        raw = [step(agent="any", payload={"text": "x", "more": deep})]
        return validate_plan(raw, registry=agents, limits=limits, planner="client")

    plan = check(PAYLOAD_DEPTH_MAX)
    assert Plan.model_validate_json(plan.model_dump_json()) == plan
    with pytest.raises(InvalidRequest) as refused:
        check(PAYLOAD_DEPTH_MAX + 1)
    assert refused.value.problems == [Problem("/plan/0/payload", "is nested more than 100 levels deep")]


def test_consecutive_steps_of_one_agent_are_siblings(check: Any) -> None:
    """Each group of one agent waits for every step of the group before it, and for nothing else."""
    plan: Plan = check([step(1), step(2), step(3, "analyzer"), step(4, "writer"), step(5)])

    assert [s.depends_on for s in plan.steps] == [(), (), (1, 2), (3,), (4,)]


def test_one_depends_on_makes_the_order_explicit(check: Any) -> None:
    """As soon as a step says what it waits for, even nothing, no order is implied."""
    assert [s.depends_on for s in check([step(1), step(2, depends_on=[1]), step(3, "writer")]).steps] == [(), (1,), ()]
    assert [s.depends_on for s in check([step(1, depends_on=[]), step(2, "writer")]).steps] == [(), ()]


@pytest.mark.parametrize(
    ("raw", "pointer", "said"),
    [
        (None, "/plan", "must be a list of steps"),
        ({"steps": []}, "/plan", "must be a list of steps"),
        ([], "/plan", "has no step"),
        ([step()] * 201, "/plan", "has 201 steps; at most 200 are allowed"),
        (["x"], "/plan/0", "must be an object"),
        ([step(color="red")], "/plan/0/color", "is not a known field"),
        ([step(**{"a/b~c": 1})], "/plan/0/a~1b~0c", "is not a known field"),
        ([{"agent": "writer", "payload": "x"}], "/plan/0/step_id", "is required"),
        ([step("1")], "/plan/0/step_id", "Input should be a valid integer"),
        ([step(True)], "/plan/0/step_id", "Input should be a valid integer"),
        ([step(0)], "/plan/0/step_id", "Input should be greater than or equal to 1"),
        ([step(1), step(1)], "/plan/1/step_id", "1 is already the id of /plan/0"),
        ([step(agent="poet")], "/plan/0/agent", "'poet'; known agents: analyzer, retriever, writer"),
        ([step(agent=7)], "/plan/0/agent", "Input should be a valid string"),
        ([step(depends_on=[2])], "/plan/0/depends_on/0", "there is no step 2"),
        ([step(depends_on=[1])], "/plan/0/depends_on/0", "a step cannot wait for itself"),
        ([step(1), step(2, depends_on=[1, 1])], "/plan/1/depends_on/1", "step 1 is named twice"),
        ([step(depends_on=None)], "/plan/0/depends_on", "Input should be a valid tuple"),
        ([step(depends_on=[[]])], "/plan/0/depends_on/0", "Input should be a valid integer"),
        ([step(payload=3)], "/plan/0/payload", "must be a string or an object"),
        ([step(payload="x" * 65_537)], "/plan/0/payload", "has 65539 bytes; at most 65536 are allowed"),
        (
            [step(payload={"text": 1 << 70})],
            "/plan/0/payload",
            "as JSON: Integer exceeds 64-bit range",
        ),
        ([step(payload="\ud800")], "/plan/0/payload", "cannot be encoded as JSON: "),
        ([step(payload="")], "/plan/0/payload", "String should have at least 1 character"),
        ([step(payload={})], "/plan/0/payload/text", "is required"),
        ([step(payload={"text": "x", "depth": 1})], "/plan/0/payload/depth", "is not a known field"),
        ([step(agent="writer", payload={"text": "x", "subjects": ["a", 2]})], "/plan/0/payload/subjects/1", "string"),
        ([step(max_attempts=0)], "/plan/0/max_attempts", "greater than or equal to 1"),
    ],
)
def test_a_problem_is_said_once_and_points_at_its_place(problems: Any, raw: object, pointer: str, said: str) -> None:
    """One mistake gives one problem, with a pointer into the body and a sentence that says what to change."""
    [(where, what)] = problems(raw)

    assert where == pointer
    assert said in what


def test_every_problem_of_a_plan_is_listed_in_step_order(problems: Any) -> None:
    """A client mends all its mistakes after one answer."""
    raw = [
        step(1, depends_on=[3]),
        step(1, "poet", {"text": "x"}),
        step(3, "writer", {"subjects": "a"}, depends_on=[1, 9]),
    ]

    assert [where for where, _ in problems(raw)] == [
        "/plan/0/depends_on",
        "/plan/1/agent",
        "/plan/1/step_id",
        "/plan/2/payload/text",
        "/plan/2/payload/subjects",
        "/plan/2/depends_on/1",
    ]


def test_a_cycle_is_named(problems: Any) -> None:
    """The steps of a cycle are listed in the order in which they wait; what stands behind it is not blamed."""
    raw = [step(5), step(1, depends_on=[3]), step(2, depends_on=[1]), step(3, depends_on=[2]), step(4, depends_on=[3])]

    assert problems(raw) == [("/plan/1/depends_on", "closes a cycle: 1 -> 3 -> 2 -> 1")]


def test_two_cycles_are_both_named(problems: Any) -> None:
    """Cycles that share no step are reported side by side."""
    raw = [step(1, depends_on=[2]), step(2, depends_on=[1]), step(3, depends_on=[4]), step(4, depends_on=[3])]

    assert [what for _, what in problems(raw)] == ["closes a cycle: 1 -> 2 -> 1", "closes a cycle: 3 -> 4 -> 3"]


def test_a_long_list_of_problems_is_cut(problems: Any) -> None:
    """However wrong a plan is, the answer stays small."""
    assert len(problems([step(1, agent="x" * 10_000, payload=3)] * 200)) == 100
    assert max(len(what) for _, what in problems([step(1, agent="x" * 10_000)])) < 200


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()) | st.sampled_from(["writer"]),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=5), inner, max_size=5),
    max_leaves=10,
)
ids = st.integers(0, 6) | st.just(1_000_001)
almost_steps = st.fixed_dictionaries(
    {"step_id": ids | json_values, "agent": st.sampled_from(["retriever", "analyzer", "writer", "poet"])},
    optional={
        "payload": st.text(max_size=5) | st.fixed_dictionaries({"text": json_values}),
        "depends_on": st.lists(ids, max_size=3) | json_values,
        "reason": json_values,
        "timeout_ms": json_values,
    },
)
good_steps = st.lists(
    st.tuples(st.integers(1, 8), st.lists(st.integers(1, 8), max_size=2)), min_size=1, max_size=8
).map(lambda rows: [step(i, depends_on=parents) for i, parents in rows])


def outcome(raw: object, registry: AgentRegistry, limits: PlanLimits) -> tuple[Plan | None, list[Problem]]:
    try:
        return validate_plan(raw, registry=registry, limits=limits, planner="client"), []
    except InvalidRequest as error:
        return None, error.problems


@given(raw=json_values | st.lists(almost_steps | json_values, max_size=6) | good_steps)
def test_any_json_gives_a_runnable_plan_or_a_list_of_problems(
    registry: AgentRegistry, limits: PlanLimits, raw: object
) -> None:
    """Nothing but `InvalidRequest` escapes, its problems can be sent, and what passes can be run to its end."""
    plan, problems = outcome(raw, registry, limits)
    if plan is None:
        assert problems
        assert all(p.pointer.startswith("/plan") and p.detail.encode() for p in problems)
        return

    edges = {s.step_id: s.depends_on for s in plan.steps}
    assert len(edges) == len(plan.steps)
    assert graph.cycles(edges) == []
    done: set[int] = set()
    while ready := [i for i, parents in edges.items() if i not in done and done.issuperset(parents)]:
        done.update(ready)
    assert done == set(edges)
    json.loads(plan.model_dump_json())
