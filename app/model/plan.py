"""A plan: which steps a task has, which agent runs each, and what each waits for."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

STEP_ID_MAX = 1_000_000

StepId = Annotated[int, Field(strict=True, ge=1, le=STEP_ID_MAX)]
Payload = str | dict[str, Any]
PlannerName = Literal["rules", "llm", "client"]


class Step(BaseModel):
    """
    One unit of work for one agent.

    `payload` is the agent's input: an object for its input model, or a string that stands for
    `{"text": …}`. Without `timeout_ms` and `max_attempts` the agent's own limits hold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step_id: StepId
    agent: str
    payload: Payload
    depends_on: tuple[StepId, ...] = ()
    reason: str | None = Field(None, max_length=300, description="Why the step is in the plan.")
    timeout_ms: int | None = Field(None, ge=100, le=86_400_000)
    max_attempts: int | None = Field(None, ge=1, le=100)


class Plan(BaseModel):
    """A validated, acyclic set of steps; only `app.planning.validator` makes one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    planner: PlannerName
    steps: tuple[Step, ...]

    def dependents(self) -> dict[int, list[int]]:
        """For each step, the steps that wait for it."""
        children: dict[int, list[int]] = {step.step_id: [] for step in self.steps}
        for step in self.steps:
            for parent in step.depends_on:
                children[parent].append(step.step_id)
        return children

    def sinks(self) -> list[int]:
        """The steps that nothing waits for: their outputs are the task's result."""
        return [step_id for step_id, children in self.dependents().items() if not children]
