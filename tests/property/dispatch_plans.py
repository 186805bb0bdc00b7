"""Small plans and agents for them."""

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st

from app.dispatch.attempt import Attempt
from app.dispatch.growth import Gap, GrowthLimits, NewStep, number
from app.model.agents import AgentRegistry, AgentSpec, StepOutput
from app.model.plan import OnFailure, Plan
from app.planning.validator import PlanLimits, validate_plan

GROWTH = GrowthLimits(added_max=20, steps_max=10_000, payload_bytes_max=1_000)
#: Steps an output adds, with ids and order of its own: one, two that are last, two in a row, two and a join.
GROWN: tuple[dict[int, list[int]], ...] = ({1: []}, {1: [], 2: []}, {1: [], 2: [1]}, {1: [], 2: [], 3: [1, 2]})


def make_registry() -> AgentRegistry:
    """Small batches, large ones and none; two agents share a provider; one of them gathers."""
    registry = AgentRegistry()
    for name, size, provider in (("retriever", 2, "web"), ("analyzer", 8, "web"), ("writer", 1, "writer")):
        gathers = name == "retriever"
        registry.register(
            AgentSpec(name, lambda *_: StepOutput(), batch_size_max=size, provider=provider, gathers=gathers)
        )
    return registry


REGISTRY = make_registry()


def checked(raw: list[dict[str, Any]]) -> Plan:
    limits = PlanLimits(steps_max=100, payload_bytes_max=1_000)
    return validate_plan(raw, registry=REGISTRY, limits=limits, planner="client")


def raw_plan(entries: Sequence[tuple[str, int, str]]) -> list[dict[str, Any]]:
    """A step per entry: agent, which of the steps before it waits for (bit 0: the one before), on_failure."""
    return [
        {
            "step_id": place + 1, "agent": agent, "payload": "x", "on_failure": policy,
            "depends_on": [place - bit for bit in range(place) if before >> bit & 1],
        }
        for place, (agent, before, policy) in enumerate(entries)
    ]  # fmt: skip


def grown_steps(attempt: Attempt, how: int, next_step_id: int) -> list[NewStep]:
    """What an agent adds below its step, as its worker numbers it."""
    shape = GROWN[how % len(GROWN)]
    plan = checked(
        [{"step_id": i, "agent": "analyzer", "payload": "x", "depends_on": deps} for i, deps in shape.items()]
    )
    gap = Gap(attempt.ref.step_id, attempt.children, next_step_id, attempt.steps_total)
    return number(plan, gap, REGISTRY, GROWTH)


agents = st.sampled_from(["retriever", "analyzer", "writer"])
policies = st.sampled_from([policy.value for policy in OnFailure])
#: A plan is a list of (agent, which of the steps before it waits for: bit 0 is the one before, on_failure).
entries = st.tuples(agents, st.integers(0, 7), policies)
small_plans = st.lists(entries, min_size=1, max_size=6)


def diamond(policy: str, agent: str) -> list[tuple[str, int, str]]:
    return [("retriever", 0, policy), (agent, 1, policy), (agent, 2, "fail"), ("writer", 3, "fail")]


def fan(width: int, agent: str) -> list[tuple[str, int, str]]:
    """One step, many that wait for it, one that waits for them all."""
    middle = [(agent, 1 << place, "continue") for place in range(width)]
    return [("retriever", 0, "skip"), *middle, ("writer", (1 << width) - 1, "fail")]


diamonds = st.builds(diamond, policies, agents)
fans = st.builds(fan, st.integers(4, 10), agents)
plans = small_plans | diamonds | fans
