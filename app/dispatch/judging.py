"""What a failure means: whether the step is tried again, and when."""

import math
import random
from dataclasses import dataclass

from app.broker.backoff import Backoff
from app.dispatch.attempt import Attempt
from app.errors import AgentError, Permanent, RateLimited, Retryable
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


@dataclass(frozen=True, slots=True)
class Deferral:
    """The attempt waits for a provider; `failure` is what it comes to when it has waited too often."""

    provider: str
    delay_ms: int
    deferrals_max: int
    failure: Failure


def judge(error: Exception, attempt: Attempt, spec: AgentSpec | None) -> Failure | Deferral:
    """
    Decides on an attempt that did not succeed.

    `Permanent` is final. `RateLimited` puts it off. Anything else is tried again after exponential backoff with
    full jitter (Brooker, "Exponential Backoff and Jitter", 2015), or when the other side said so. What the step
    says of attempts and backoff wins over its agent.
    """
    try:
        return _judge(error, attempt, spec)
    # The error may be as broken as the agent that raised it: no text to be had, a word where a number belongs.
    except Exception as broken:  # noqa: BLE001
        said = f"The agent raised {type(error).__name__}, which cannot be read: {type(broken).__name__}."
        return _judge(AgentError(said, code="unreadable_error"), attempt, spec)


def _judge(error: Exception, attempt: Attempt, spec: AgentSpec | None) -> Failure | Deferral:
    failure = Failure(
        error=describe(error),
        retryable=not isinstance(error, Permanent),
        delay_ms=_delay_ms(error, attempt, spec),
        max_attempts=attempts_max(attempt, spec),
    )
    if isinstance(error, RateLimited) and spec is not None:
        return Deferral(error.provider or spec.provider, failure.delay_ms, spec.deferrals_max, failure)
    return failure


def attempts_max(attempt: Attempt, spec: AgentSpec | None) -> int:
    """How many attempts may fail before the step does."""
    return attempt.step.max_attempts or (spec.max_attempts if spec else 1)


def internal_failure(error: Exception) -> Failure:
    """A defect of the program itself, not of the agent: final, because trying again meets it again."""
    info = ErrorInfo(type=type(error).__name__, code="internal", message="The step could not be settled.")
    return Failure(info, retryable=False, delay_ms=0, max_attempts=1)


def describe(error: Exception) -> ErrorInfo:
    """The error as events carry it; long texts are cut."""
    code = str(error.code) if isinstance(error, AgentError) else _code(error)
    text = " ".join(str(error).split()) or type(error).__name__
    if len(text) > MESSAGE_CHARS_MAX:
        text = text[: MESSAGE_CHARS_MAX - 1] + "…"
    return ErrorInfo(type=type(error).__name__, code=code, message=text)


def _delay_ms(error: Exception, attempt: Attempt, spec: AgentSpec | None) -> int:
    if isinstance(error, Retryable | RateLimited) and error.retry_after_ms is not None:
        return max(1, math.ceil(min(error.retry_after_ms, RETRY_AFTER_MS_MAX)))
    base_ms = attempt.step.backoff_ms or (spec.backoff_ms if spec else 1)
    max_ms = attempt.step.backoff_ms_max or (spec.backoff_ms_max if spec else 1)
    return Backoff(base_ms=base_ms, max_ms=max(base_ms, max_ms)).delay_ms(attempt.failures + 1, JITTER)


def _code(error: Exception) -> str:
    return "timeout" if isinstance(error, TimeoutError) else "unexpected"
