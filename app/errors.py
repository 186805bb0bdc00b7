"""
Every error this application raises on purpose.

    StepstreamError
    ├── InvalidRequest            the caller's input breaks a rule; lists every problem with its JSON pointer
    ├── TaskNotFound              no such task, or it has expired
    ├── QueueNotFound             no such queue
    ├── LetterNotFound            no such dead letter, or it is gone
    ├── NotPossible               the task's state does not allow it
    ├── IdempotencyConflict       the idempotency key came before with another request
    ├── BadCursor                 a stream position that this log cannot have given out
    ├── Unavailable               Redis is away, full or behind; try again after `retry_after_s`
    │   └── BacklogFull           too much work waits already
    └── AgentError                raised by an agent about its own step
        ├── Retryable             try again, after `retry_after_ms` where the other side said so
        ├── RateLimited           a provider asked for patience: no attempt is burned, nobody asks it until then
        └── Permanent             trying again cannot help
            └── LlmUnusable       a language model answered twice with what cannot be used

Only `app/api/problems.py` knows which HTTP status each one becomes.
"""

from dataclasses import dataclass


class StepstreamError(Exception):
    """Base of every deliberate error; its text is one sentence for a person."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong with an input: where (RFC 6901 pointer into the request body) and what."""

    pointer: str
    detail: str


class InvalidRequest(StepstreamError):
    """The request cannot be accepted; `problems` has at least one entry."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__("; ".join(f"{p.pointer}: {p.detail}" for p in problems))


class TaskNotFound(StepstreamError):
    """No task with this id is kept."""

    def __init__(self, task_id: str) -> None:
        self.task_id = task_id
        super().__init__(f"There is no task {task_id!r}.")


class QueueNotFound(StepstreamError):
    """No agent has this queue, and it was never used."""

    def __init__(self, name: str) -> None:
        super().__init__(f"There is no queue {name[:80]!r}.")


class LetterNotFound(StepstreamError):
    """No such dead letter is kept: it was requeued, deleted, or displaced by newer ones."""

    def __init__(self, queue: str, letter_id: str) -> None:
        super().__init__(f"The queue {queue[:80]!r} has no dead letter {letter_id[:200]!r}.")


class NotPossible(StepstreamError):
    """The task is in a state in which this cannot be done."""


class IdempotencyConflict(StepstreamError):
    """The idempotency key belongs to a request with another content."""


class BadCursor(StepstreamError):
    """The stream position is malformed or lies beyond the end of the log."""


class Unavailable(StepstreamError):
    """The service cannot take the request now; `retry_after_s` says when to come back."""

    def __init__(self, detail: str, *, retry_after_s: int = 2) -> None:
        self.retry_after_s = retry_after_s
        super().__init__(detail)


class BacklogFull(Unavailable):
    """The queues hold as much work as they may."""


class AgentError(StepstreamError):
    """
    What an agent raises about its own step.

    `code` is a short machine-readable word that ends up in the step's events.
    Any other exception out of an agent counts as `Retryable`.
    """

    code = "agent_error"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        if code is not None:
            self.code = code
        super().__init__(message)


class Retryable(AgentError):
    """The step may succeed later; `retry_after_ms` (from a `Retry-After`, say) overrides the backoff."""

    code = "retryable"

    def __init__(self, message: str, *, code: str | None = None, retry_after_ms: int | None = None) -> None:
        self.retry_after_ms = retry_after_ms
        super().__init__(message, code=code)


class RateLimited(AgentError):
    """
    A provider takes no more for `retry_after_ms`; the step comes back then without having failed.

    Without `provider` it is the agent's own. Every worker leaves that provider alone meanwhile.
    """

    code = "rate_limited"

    def __init__(self, message: str, *, retry_after_ms: int, provider: str | None = None) -> None:
        self.retry_after_ms = retry_after_ms
        self.provider = provider
        super().__init__(message)


class Permanent(AgentError):
    """The step can never succeed with this input; it fails at once, whatever attempts are left."""

    code = "permanent"


class LlmUnusable(Permanent):
    """A language model's answer stayed unusable; an agent that has another way takes it."""

    code = "llm_unusable"
