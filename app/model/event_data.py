"""The `data` of the events of tasks and plans; docs/events.md has the table, `app/model/events.py` the envelope."""

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
    concurrency: dict[str, str | int] | None
    idempotency_sha256: str | None
    parent_task_id: str | None
    deadline_ms: int | None
    not_before_ms: int | None


class PlanCreated(EventData):
    """The plan that will be run."""

    type: ClassVar[str] = "plan.created"
    steps: list[dict[str, Any]]
    rev: int
    planner: str
    estimate: dict[str, int]
    planning_ms: int


class PlanFallback(EventData):
    """A planner gave no usable plan, and another one made it."""

    type: ClassVar[str] = "plan.fallback"
    reason: str
    planner: str
    instead_of: str


class PlanExtended(EventData):
    """A step's output added steps below it."""

    type: ClassVar[str] = "plan.extended"
    rev: int
    parent: int
    steps: list[dict[str, Any]]


class TaskStarted(EventData):
    """The first step has begun."""

    type: ClassVar[str] = "task.started"
    steps_total: int


class EventsTruncated(EventData):
    """From here on these kinds of events are dropped; transitions never are."""

    type: ClassVar[str] = "events.truncated"
    dropped: list[str]
    limit: int


class TaskCompleted(EventData):
    """Every step is done."""

    type: ClassVar[str] = "task.completed"
    duration_ms: int
    partial: bool
    totals: Totals


class TaskCancelRequested(EventData):
    """Somebody asked for the task's early end."""

    type: ClassVar[str] = "task.cancel_requested"
    by: str
    mode: str
    reason: str | None


class TaskPaused(EventData):
    """Nothing starts any more until the task is resumed."""

    type: ClassVar[str] = "task.paused"
    by: str
    reason: str | None


class TaskResumed(EventData):
    """The task goes on; what was held goes first."""

    type: ClassVar[str] = "task.resumed"
    by: str
    reason: str | None


class TaskRetried(EventData):
    """The task goes on behind its terminal event: these steps run again."""

    type: ClassVar[str] = "task.retried"
    by: str
    from_step: int | None
    steps: list[int]


class TaskCancelled(EventData):
    """The task was ended early; the latency lies between the request and the end of the last running step."""

    type: ClassVar[str] = "task.cancelled"
    reason: str | None
    stop_latency_ms: int
    duration_ms: int
    totals: Totals


class TaskExpired(EventData):
    """The task's deadline passed."""

    type: ClassVar[str] = "task.expired"
    reason: str
    duration_ms: int
    totals: Totals


class TaskFailed(EventData):
    """A step failed for good, and with it the task."""

    type: ClassVar[str] = "task.failed"
    error: ErrorInfo
    failed_step: int
    duration_ms: int
    totals: Totals
