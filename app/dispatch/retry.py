"""What a failure means: whether the step is tried again, and when."""

import random
from dataclasses import dataclass

from pydantic import ValidationError

from app.broker.backoff import Backoff
from app.dispatch.attempt import Attempt
from app.errors import AgentError, Permanent, Retryable
from app.model.agents import AgentSpec
from app.model.events import ErrorInfo

MESSAGE_CHARS_MAX = 1000
RETRY_AFTER_MS_MAX = 3_600_000
JITTER = random.Random()


@dataclass(frozen=True, slots=True)
class Failure:
    """How an attempt failed and what follows."""

    error: ErrorInfo
    retryable: bool
    delay_ms: int
    max_attempts: int


def judge(error: Exception, attempt: Attempt, spec: AgentSpec | None) -> Failure:
    """
    Decides on a failed attempt.

    Wrong input and `Permanent` are final. Anything else is tried again after exponential backoff with
    full jitter (Brooker, "Exponential Backoff and Jitter", 2015), or when the other side said so.
    """
    backoff_ms, backoff_ms_max = (spec.backoff_ms, spec.backoff_ms_max) if spec else (1, 1)
    delay_ms = Backoff(base_ms=backoff_ms, max_ms=backoff_ms_max).delay_ms(attempt.failures + 1, JITTER)
    if isinstance(error, Retryable) and error.retry_after_ms is not None:
        delay_ms = min(error.retry_after_ms, RETRY_AFTER_MS_MAX)
    return Failure(
        error=describe(error),
        retryable=not isinstance(error, Permanent | ValidationError),
        delay_ms=delay_ms,
        max_attempts=attempt.step.max_attempts or (spec.max_attempts if spec else 1),
    )


def internal_failure(error: Exception) -> Failure:
    """A defect of the program itself, not of the agent: final, because trying again meets it again."""
    info = ErrorInfo(type=type(error).__name__, code="internal", message="The step could not be settled.")
    return Failure(info, retryable=False, delay_ms=0, max_attempts=1)


def describe(error: Exception) -> ErrorInfo:
    """The error as events carry it; long texts are cut."""
    code = error.code if isinstance(error, AgentError) else _code(error)
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > MESSAGE_CHARS_MAX:
        text = text[: MESSAGE_CHARS_MAX - 1] + "…"
    return ErrorInfo(type=type(error).__name__, code=code, message=text)


def _code(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "timeout"
    if isinstance(error, ValidationError):
        return "invalid_input"
    return "unexpected"
