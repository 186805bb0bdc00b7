"""What every planner offers: steps for a goal, unchecked; the validator turns them into a plan."""

from typing import Any, Protocol

from app.model.plan import PlannerName

RawStep = dict[str, Any]


class Planner(Protocol):
    """Turns what a client asks for into steps. Deterministic planners give the same steps for the same goal."""

    @property
    def name(self) -> PlannerName:
        """Stands in the plan, so that a reader knows who made it."""
        ...

    def plan(self, goal: str) -> list[RawStep]:
        """The steps as a client would write them in JSON."""
        ...
