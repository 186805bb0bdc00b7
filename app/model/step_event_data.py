"""The `data` of the events of steps; docs/events.md has the table, `app/model/events.py` the envelope."""

from typing import ClassVar

from app.model.event_data import ErrorInfo, EventData, Passage


class StepQueued(EventData):
    """All that the step waited for is done; it was sent to its agent's queue."""

    type: ClassVar[str] = "step.queued"
    queue: str
    batch_id: str
    deps: list[int]
    not_before_ms: int | None = None


class StepHeld(EventData):
    """The step is ready and does not stand in its queue: a pause, or the concurrency limit of its group."""

    type: ClassVar[str] = "step.held"
    reason: str


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
    error: ErrorInfo


class StepDeferred(EventData):
    """A provider asked for patience; without an attempt number the step was kept from starting by its pause."""

    type: ClassVar[str] = "step.deferred"
    delay_ms: int
    reason: str
    provider: str


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


class CitationsVerified(EventData):
    """How many citations of a report lead to a stored passage that supports them."""

    type: ClassVar[str] = "citations.verified"
    total: int
    ok: int
    repaired: int
    dropped: int


class LlmUsage(EventData):
    """
    A language model was asked, under the call's name, and this is what it took.

    Tokens are `null` where the server does not count them, `usd` where the model has no price.
    """

    type: ClassVar[str] = "llm.usage"
    name: str
    model: str
    input_tokens: int | None
    output_tokens: int | None
    cached_tokens: int | None
    usd: float | None
    ms: int
    ttft_ms: int | None


class ArtifactCompleted(EventData):
    """A document for people is finished."""

    type: ClassVar[str] = "artifact.completed"
    name: str
    media_type: str
    bytes: int
    sha256: str
    href: str
