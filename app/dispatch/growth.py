"""Steps that a step adds below itself: checked like a plan, then numbered into the task's own plan."""

from collections.abc import Sequence
from dataclasses import dataclass

from app.dispatch.record import place_line, state_line, step_json
from app.errors import InvalidRequest, Permanent
from app.model.agents import AgentRegistry
from app.model.plan import STEP_ID_MAX, Plan, Step
from app.planning.validator import PlanLimits, validate_plan


@dataclass(frozen=True, slots=True)
class NewStep:
    """A step to be added, with the fields `complete.lua` writes for it: id, place, state, content."""

    step: Step
    fields: tuple[int, str, str, str]


@dataclass(frozen=True, slots=True)
class GrowthLimits:
    """How many steps one step may add, and how many a plan may have in the end."""

    added_max: int
    steps_max: int
    payload_bytes_max: int


@dataclass(frozen=True, slots=True)
class Additions:
    """The steps an output asks for, under its own ids; `optional` ones are left out where they do not fit."""

    plan: Plan
    optional: bool = False


def check(raw: Sequence[object], registry: AgentRegistry, limits: GrowthLimits) -> Plan:
    """The steps an agent asks for, under ids of its own choice; raises `Permanent` when they are no plan."""
    bounds = PlanLimits(steps_max=limits.added_max, payload_bytes_max=limits.payload_bytes_max)
    try:
        return validate_plan(list(raw), registry=registry, limits=bounds, planner="agent", pointer="/steps")
    except InvalidRequest as error:
        raise Permanent(f"The added steps are no plan: {error}", code="bad_steps") from error


@dataclass(frozen=True, slots=True)
class Gap:
    """Where new steps go: between a step and what depends on it, under ids from `next_step_id` on."""

    parent: int
    children: Sequence[int]
    next_step_id: int
    steps_total: int


def number(plan: Plan, gap: Gap, registry: AgentRegistry, limits: GrowthLimits) -> list[NewStep]:
    """The same steps, numbered into the gap; raises `Permanent` when the plan would become too large."""
    taken = gap.next_step_id - 1
    if gap.steps_total + len(plan.steps) > limits.steps_max or taken + len(plan.steps) > STEP_ID_MAX:
        raise Permanent(
            f"With {len(plan.steps)} more steps the plan would have more than {limits.steps_max}, "
            f"or ids above {STEP_ID_MAX}.",
            code="plan_too_large",
        )
    ids = {step.step_id: gap.next_step_id + place for place, step in enumerate(plan.steps)}
    dependents = plan.dependents()
    added = []
    for step in plan.steps:
        depends_on = tuple(ids[i] for i in step.depends_on) or (gap.parent,)
        below = [ids[i] for i in dependents[step.step_id]] or list(gap.children)
        new = step.model_copy(update={"step_id": ids[step.step_id], "depends_on": depends_on})
        fields = (new.step_id, place_line(new, below, registry), state_line("waiting", len(depends_on)), step_json(new))
        added.append(NewStep(new, fields))
    return added
