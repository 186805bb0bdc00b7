"""Who plans a task: the rules, or a language model with the rules behind it."""

import time
from collections.abc import Callable
from dataclasses import dataclass

from app.errors import InvalidRequest, Problem
from app.model.events import EventData, LlmUsage, PlanFallback
from app.model.plan import Plan, PlannerName
from app.planning.llm_planner import LlmPlanner, PlanningFailed
from app.planning.planner import Planner, RawStep

REASON_CHARS_MAX = 300

#: Makes a plan of raw steps; raises `InvalidRequest`.
Check = Callable[[object, PlannerName], Plan]


@dataclass(frozen=True, slots=True)
class Planned:
    """A plan, and how it came about: what there is to tell before `plan.created`, and the time it took."""

    plan: Plan
    events: tuple[EventData, ...] = ()
    ms: int = 0


@dataclass(frozen=True, slots=True)
class Planners:
    """The planners of an installation; `default` plans tasks that do not say who should."""

    rules: Planner
    model: LlmPlanner | None = None
    default: PlannerName = "rules"

    def refusal(self, wanted: PlannerName | None, *, has_plan: bool) -> Problem | None:
        """Why nobody can plan as it is `wanted`."""
        if wanted is not None and has_plan:
            return Problem("/planner", "plans nothing when there is a plan; leave one of them out")
        if wanted == "llm" and self.model is None:
            return Problem("/planner", "no language model is configured on this server; leave it out, or say rules")
        return None

    def asks_model(self, wanted: PlannerName | None) -> bool:
        """Whether a plan costs a call to the model."""
        return self.model is not None and (wanted or self.default) == "llm"

    async def plan(self, goal: str, wanted: PlannerName | None, check: Check) -> Planned:
        """A plan for the goal; where the model has none to offer, that of the rules, and an event that says so."""
        began_s = time.monotonic()
        events: list[EventData] = []
        plan = await self._of_model(goal, check, events) if self.asks_model(wanted) else None
        if plan is None:
            plan = check(self.rules.plan(goal), self.rules.name)
        return Planned(plan, tuple(events), round((time.monotonic() - began_s) * 1000))

    async def _of_model(self, goal: str, check: Check, events: list[EventData]) -> Plan | None:
        if self.model is None:
            return None
        used: list[LlmUsage] = []
        failed: list[EventData] = []

        def judge(steps: list[RawStep]) -> None:
            check(steps, "llm")

        try:
            return check(await self.model.plan(goal, judge, used), self.model.name)
        except (PlanningFailed, InvalidRequest) as error:
            reason = str(error)[:REASON_CHARS_MAX]
            failed.append(PlanFallback(reason=reason, planner=self.rules.name, instead_of=self.model.name))
            return None
        finally:
            events += [*used, *failed]
