"""
The events of a task: one immutable fact each, numbered 1, 2, 3 … without a gap.

Every state change writes its event in the same script, so the log can be folded back into the state.
An event on the wire is one line of JSON, the `data:` of an SSE frame (`Event`); its `data` member has
the shape below. Times (`ts`) are the Redis server's epoch milliseconds. Clients ignore unknown types.

| type                 | data                                                         |
|----------------------|--------------------------------------------------------------|
| task.submitted | task, priority, labels, deadline_ms, not_before_ms, concurrency, parent_task_id, idempotency_sha256 |
| plan.created         | steps (the whole plan), rev, planner, estimate, planning_ms  |
| plan.fallback        | reason, planner, instead_of                                  |
| plan.extended        | rev, parent (step id), steps (the added ones)                |
| task.started         | steps_total                                                  |
| step.queued          | queue, batch_id, deps, not_before_ms                         |
| step.held            | reason (`paused`, `concurrency`)                             |
| batch.dispatched     | batch_id, agent, size, step_ids                              |
| step.started         | queue_wait_ms, delivery (1 first, n redelivered)             |
| step.progress        | current, total, message                                      |
| source.found         | passage (pid, title, uri, score)                             |
| output.delta         | artifact, offset (characters), text                          |
| step.completed       | duration_ms, summary, bytes, cached                          |
| step.failed          | error, retryable, attempts_left                              |
| step.retry_scheduled | next_attempt, delay_ms, reason, error                        |
| step.deferred        | delay_ms, reason (`rate_limited`), provider                  |
| step.redelivered     | from_worker, to_worker, idle_ms                              |
| step.released        | reason                                                       |
| step.skipped         | reason, caused_by                                            |
| step.cancelled       | reason, caused_by                                            |
| events.truncated     | dropped (kinds), limit                                       |
| citations.verified   | total, ok, repaired, dropped                                 |
| llm.usage | name, model, input_tokens, output_tokens, cached_tokens, usd, ms, ttft_ms |
| artifact.completed   | name, media_type, bytes, sha256, href                        |
| task.cancel_requested | by, mode, reason                                            |
| task.paused          | by, reason                                                   |
| task.resumed         | by, reason                                                   |
| task.retried         | by, from_step, steps (ids that run again)                    |
| task.completed       | duration_ms, partial, totals                                 |
| task.failed          | error, failed_step, duration_ms, totals                      |
| task.cancelled       | reason, stop_latency_ms, duration_ms, totals                 |
| task.expired         | reason, duration_ms, totals                                  |

Per attempt there is one `step.started`, then exactly one of `step.completed`, `step.failed`,
`step.retry_scheduled`, `step.deferred`, `step.released`, `step.cancelled`; an attempt whose worker died has
none, and the next `step.started` is followed by `step.redelivered`. A `step.completed` without an attempt is
a result that was taken over from another task. One of the last four rows ends a log; an earlier one of them
is directly followed by `task.retried`.
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
