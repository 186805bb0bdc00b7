"""
The events of a task: one immutable fact each, numbered 1, 2, 3 … without a gap.

Every state change writes its event in the same script, so the log can be folded back into the state.
An event on the wire is one line of JSON, the `data:` of an SSE frame (`Event`); its `data` member has
the shape below. Times (`ts`) are the Redis server's epoch milliseconds. Clients ignore unknown types.

| type                 | data                                                         |
|----------------------|--------------------------------------------------------------|
| task.submitted       | task, priority, labels                                       |
| plan.created         | steps (the whole plan), rev, planner, estimate               |
| task.started         | steps_total                                                  |
| step.queued          | queue, batch_id, deps                                        |
| batch.dispatched     | batch_id, agent, size, step_ids                              |
| step.started         | queue_wait_ms, delivery (1 first, n redelivered)             |
| step.progress        | current, total, message                                      |
| source.found         | passage (pid, title, uri, score)                             |
| output.delta         | artifact, offset (characters), text                          |
| step.completed       | duration_ms, summary, bytes, cached                          |
| step.failed          | error, retryable, attempts_left                              |
| step.retry_scheduled | next_attempt, delay_ms, reason                               |
| step.redelivered     | from_worker, to_worker, idle_ms                              |
| step.released        | reason                                                       |
| step.skipped         | reason, caused_by                                            |
| step.cancelled       | reason, caused_by                                            |
| events.truncated     | dropped (kinds), limit                                       |
| citations.verified   | total, ok, repaired, dropped                                 |
| artifact.completed   | name, media_type, bytes, sha256, href                        |
| task.completed       | duration_ms, partial, totals                                 |
| task.failed          | error, failed_step, duration_ms, totals                      |

Per attempt there is one `step.started`, then exactly one of `step.completed`, `step.failed`,
`step.retry_scheduled`, `step.released`, `step.cancelled`; an attempt whose worker died has none, and
the next `step.started` is followed by `step.redelivered`. Exactly one of the last two rows ends a log.
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter


class EventData(BaseModel):
    """Base of the `data` members; unknown members are refused so that the table above stays true."""

    model_config = ConfigDict(extra="forbid")
    type: ClassVar[str]


class ErrorInfo(EventData):
    """Why an attempt or a task failed."""

    type: str  # type: ignore[misc]  # a plain member here: the exception's class name
    code: str
    message: str


class Totals(EventData):
    """What the whole task took."""

    steps: int
    retries: int
    tokens: int
    usd: float


class Passage(EventData):
    """Where a found passage comes from."""

    pid: str
    title: str
    uri: str
    score: float


class TaskSubmitted(EventData):
    """The task was accepted and will reach a terminal state."""

    type: ClassVar[str] = "task.submitted"
    task: str
    priority: int
    labels: dict[str, str]


class PlanCreated(EventData):
    """The plan that will be run."""

    type: ClassVar[str] = "plan.created"
    steps: list[dict[str, Any]]
    rev: int
    planner: str
    estimate: dict[str, int]


class TaskStarted(EventData):
    """The first step has begun."""

    type: ClassVar[str] = "task.started"
    steps_total: int


class StepQueued(EventData):
    """All that the step waited for is done; it was sent to its agent's queue."""

    type: ClassVar[str] = "step.queued"
    queue: str
    batch_id: str
    deps: list[int]


class BatchDispatched(EventData):
    """One message for all steps of one agent that became ready together."""

    type: ClassVar[str] = "batch.dispatched"
    batch_id: str
    agent: str
    size: int
    step_ids: list[int]


class StepStarted(EventData):
    """A worker began an attempt."""

    type: ClassVar[str] = "step.started"
    queue_wait_ms: int
    delivery: int


class StepProgress(EventData):
    """How far the agent has come, in its own units."""

    type: ClassVar[str] = "step.progress"
    current: int
    total: int | None
    message: str


class SourceFound(EventData):
    """The retriever found a passage."""

    type: ClassVar[str] = "source.found"
    passage: Passage


class OutputDelta(EventData):
    """A piece of a text while it is written; deltas of an earlier attempt are void."""

    type: ClassVar[str] = "output.delta"
    artifact: str
    offset: int
    text: str


class StepCompleted(EventData):
    """The step's result is stored."""

    type: ClassVar[str] = "step.completed"
    duration_ms: int
    summary: str
    bytes: int
    cached: bool


class StepFailed(EventData):
    """The step failed for good."""

    type: ClassVar[str] = "step.failed"
    error: ErrorInfo
    retryable: bool
    attempts_left: int


class StepRetryScheduled(EventData):
    """The attempt failed; another follows after `delay_ms`."""

    type: ClassVar[str] = "step.retry_scheduled"
    next_attempt: int
    delay_ms: int
    reason: str


class StepRedelivered(EventData):
    """The worker of the attempt before this one went silent."""

    type: ClassVar[str] = "step.redelivered"
    from_worker: str
    to_worker: str
    idle_ms: int


class StepReleased(EventData):
    """The worker handed the step back unfinished; no failure is counted."""

    type: ClassVar[str] = "step.released"
    reason: str


class StepSkipped(EventData):
    """The step will never run."""

    type: ClassVar[str] = "step.skipped"
    reason: str
    caused_by: int | None = None


class StepCancelled(EventData):
    """The step was running and its outcome is no longer wanted."""

    type: ClassVar[str] = "step.cancelled"
    reason: str
    caused_by: int | None = None


class EventsTruncated(EventData):
    """From here on these kinds of events are dropped; transitions never are."""

    type: ClassVar[str] = "events.truncated"
    dropped: list[str]
    limit: int


class CitationsVerified(EventData):
    """How many citations of a report lead to a stored passage that supports them."""

    type: ClassVar[str] = "citations.verified"
    total: int
    ok: int
    repaired: int
    dropped: int


class ArtifactCompleted(EventData):
    """A document for people is finished."""

    type: ClassVar[str] = "artifact.completed"
    name: str
    media_type: str
    bytes: int
    sha256: str
    href: str


class TaskCompleted(EventData):
    """Every step is done."""

    type: ClassVar[str] = "task.completed"
    duration_ms: int
    partial: bool
    totals: Totals


class TaskFailed(EventData):
    """A step failed for good, and with it the task."""

    type: ClassVar[str] = "task.failed"
    error: ErrorInfo
    failed_step: int
    duration_ms: int
    totals: Totals


EVENT_TYPES: dict[str, type[EventData]] = {
    cls.type: cls
    for cls in (
        TaskSubmitted, PlanCreated, TaskStarted, StepQueued, BatchDispatched, StepStarted, StepProgress,
        SourceFound, OutputDelta, StepCompleted, StepFailed, StepRetryScheduled, StepRedelivered,
        StepReleased, StepSkipped, StepCancelled, EventsTruncated, CitationsVerified, ArtifactCompleted,
        TaskCompleted, TaskFailed,
    )
}  # fmt: skip

#: Events an agent may write about its own running step; past `events_max` these are dropped.
PROGRESS_TYPES = frozenset(
    {"step.progress", "source.found", "output.delta", "citations.verified", "artifact.completed"}
)
TERMINAL_TYPES = frozenset({"task.completed", "task.failed", "task.cancelled", "task.expired", "task.rejected"})


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
