"""
The events of a task: one immutable fact each, numbered 1, 2, 3 … without a gap.

Every state change writes its event in the same script, so the log can be folded back into the state.
An event on the wire is one line of JSON, the `data:` of an SSE frame (`Event`); its `data` member has the shape of
its type's class. Times (`ts`) are the Redis server's epoch milliseconds. Clients ignore unknown types.

docs/events.md has the table of all types with their members, and the rules that a log keeps.
"""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

from app.model.event_data import (
    ErrorInfo,
    EventData,
    EventsTruncated,
    Passage,
    PlanCreated,
    PlanExtended,
    PlanFallback,
    TaskCancelled,
    TaskCancelRequested,
    TaskCompleted,
    TaskExpired,
    TaskFailed,
    TaskPaused,
    TaskResumed,
    TaskRetried,
    TaskStarted,
    TaskSubmitted,
    Totals,
)
from app.model.step_event_data import (
    ArtifactCompleted,
    BatchDispatched,
    CitationsVerified,
    LlmUsage,
    OutputDelta,
    SourceFound,
    StepCancelled,
    StepCompleted,
    StepDeferred,
    StepFailed,
    StepHeld,
    StepProgress,
    StepQueued,
    StepRedelivered,
    StepReleased,
    StepRetryScheduled,
    StepSkipped,
    StepStarted,
)

__all__ = [
    "EVENT",
    "EVENT_TYPES",
    "PROGRESS_TYPES",
    "TERMINAL_TYPES",
    "ArtifactCompleted",
    "BatchDispatched",
    "CitationsVerified",
    "ErrorInfo",
    "Event",
    "EventData",
    "EventsTruncated",
    "LlmUsage",
    "OutputDelta",
    "Passage",
    "PlanCreated",
    "PlanExtended",
    "PlanFallback",
    "SourceFound",
    "StepCancelled",
    "StepCompleted",
    "StepDeferred",
    "StepFailed",
    "StepHeld",
    "StepProgress",
    "StepQueued",
    "StepRedelivered",
    "StepReleased",
    "StepRetryScheduled",
    "StepSkipped",
    "StepStarted",
    "TaskCancelRequested",
    "TaskCancelled",
    "TaskCompleted",
    "TaskExpired",
    "TaskFailed",
    "TaskPaused",
    "TaskResumed",
    "TaskRetried",
    "TaskStarted",
    "TaskSubmitted",
    "Totals",
]

EVENT_TYPES: dict[str, type[EventData]] = {
    cls.type: cls
    for cls in (
        TaskSubmitted, PlanCreated, PlanFallback, PlanExtended, TaskStarted, StepQueued, StepHeld, BatchDispatched,
        StepStarted, StepProgress, SourceFound, OutputDelta, StepCompleted, StepFailed, StepRetryScheduled,
        StepDeferred, StepRedelivered, StepReleased, StepSkipped, StepCancelled, EventsTruncated, CitationsVerified,
        LlmUsage, ArtifactCompleted, TaskCancelRequested, TaskPaused, TaskResumed, TaskRetried, TaskCompleted,
        TaskFailed, TaskCancelled, TaskExpired,
    )
}  # fmt: skip

#: Events an agent may write about its own running step; past `events_max` these are dropped.
PROGRESS_TYPES = frozenset(
    {"step.progress", "source.found", "output.delta", "citations.verified", "artifact.completed"}
)
TERMINAL_TYPES = frozenset({"task.completed", "task.failed", "task.cancelled", "task.expired"})


class Event(BaseModel):
    """The envelope of every event."""

    model_config = ConfigDict(extra="forbid")

    v: Literal[1]
    seq: Annotated[int, Field(ge=1)]
    type: str
    ts: int
    task_id: str
    step_id: int | None = None
    agent: str | None = None
    attempt: int | None = None
    worker: str | None = None
    trace: str | None = None
    data: dict[str, Any]

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL_TYPES

    def parsed(self) -> EventData:
        """`data` as the class of its type; raises `KeyError` for a type this version does not know."""
        return EVENT_TYPES[self.type].model_validate(self.data)


EVENT = TypeAdapter(Event)
