"""A plan: which steps a task has, which agent runs each, and what each waits for."""

from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

STEP_ID_MAX = 1_000_000
TIMEOUT_MS_MAX = 86_400_000

StepId = Annotated[int, Field(strict=True, ge=1, le=STEP_ID_MAX)]
Payload = str | dict[str, Any]
PlannerName = Literal["rules", "llm", "client", "agent"]
#: Those that a client can ask for.
PlannerChoice = Literal["rules", "llm"]


class OnFailure(StrEnum):
    """
    What the final failure of a step means for its task.

    `fail`: the task fails. `skip`: what depends on the step is skipped, the rest goes on. `continue`: what
    depends on it runs without its output.
    """

    FAIL = "fail"
    SKIP = "skip"
    CONTINUE = "continue"


class Intent(StrEnum):
    """
    What kind of answer a task wants, for the agents that find it and write it.

    `answer`: what is asked. `comparison`: subjects side by side, by aspect. `overview`: each of several parts by
    itself. `summary`: what the documents say, nothing in particular being asked. `check`: whether statements hold.
    `howto`: the steps to do something, in order.
    """

    ANSWER = "answer"
    COMPARISON = "comparison"
    OVERVIEW = "overview"
    SUMMARY = "summary"
    CHECK = "check"
    HOWTO = "howto"


class Step(BaseModel):
    """
    One unit of work for one agent.

    `payload` is the agent's input: an object for its input model, or a string that stands for
    `{"text": …}`. Without limits of its own (timeout, attempts, backoff) the agent's hold.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    step_id: StepId
    agent: str
    payload: Payload
    depends_on: tuple[StepId, ...] = ()
    reason: str | None = Field(None, max_length=300, description="Why the step is in the plan.")
    timeout_ms: int | None = Field(None, ge=100, le=TIMEOUT_MS_MAX)
    max_attempts: int | None = Field(None, ge=1, le=100)
    backoff_ms: int | None = Field(None, ge=1, le=3_600_000, description="First retry delay; doubles each time.")
    backoff_ms_max: int | None = Field(None, ge=1, le=TIMEOUT_MS_MAX)
    on_failure: OnFailure = OnFailure.FAIL


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

    def below(self, step_id: int) -> set[int]:
        """The step and everything that depends on it, directly or not."""
        children, found, front = self.dependents(), set[int](), [step_id]
        while front:
            here = front.pop()
            if here not in found:
                found.add(here)
                front += children[here]
        return found
