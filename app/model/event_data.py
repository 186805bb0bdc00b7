"""The `data` of each event type; `app/model/events.py` has the table and the envelope."""

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict, field_validator


class _Member(BaseModel):
    """Base of everything in an event; unknown members are refused so that the table stays true."""

    model_config = ConfigDict(extra="forbid")

    @field_validator("*", mode="before")
    @classmethod
    def _encodable(cls, value: object) -> object:
        """Half a surrogate pair (from a file name, say) has no place in UTF-8 and becomes a question mark."""
        return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value


class EventData(_Member):
    """Base of the `data` members."""

    type: ClassVar[str]


class ErrorInfo(_Member):
    """Why an attempt or a task failed: the exception's class, a short code, a sentence."""

    type: str
    code: str
    message: str


class Totals(_Member):
    """What the whole task took."""

    steps: int
    retries: int
    tokens: int
    usd: float


class Passage(_Member):
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
