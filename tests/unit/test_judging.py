"""What a failure means for the step that had it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.dispatch.attempt import Attempt, StepRef
from app.dispatch.judging import MESSAGE_CHARS_MAX, RETRY_AFTER_MS_MAX, Deferral, judge
from app.errors import Permanent, RateLimited, Retryable
from app.model.agents import AgentSpec, StepInput, StepOutput
from app.model.output import TaskOutput
from app.model.plan import Step
from app.model.task import TaskInputs

SPEC = AgentSpec(name="a", run=lambda step, ctx: StepOutput(), backoff_ms=100, backoff_ms_max=1000, max_attempts=5)


def attempt(failures: int = 0, max_attempts: int | None = None) -> Attempt:
    step = Step(step_id=1, agent="a", payload="x", max_attempts=max_attempts)
    return Attempt(
        ref=StepRef("0-t", 1, 1), number=failures + 1, token="1:n", failures=failures, run=0, children=(),
        next_step_id=2, steps_total=1, waited_ms=0, deadline_ms=None, step=step, depends_on=(), task="task",
        inputs=TaskInputs(), output=TaskOutput(), results=(),
    )  # fmt: skip


@given(st.integers(0, 200))
def test_the_delay_grows_and_is_capped(failures: int) -> None:
    """Full jitter: anywhere between nothing and the doubled, capped backoff."""
    delay_ms = judge(Retryable("x"), attempt(failures), SPEC).delay_ms

    assert 0 <= delay_ms <= min(1000, 100 * 2 ** min(failures, 10))


def test_the_other_side_decides_when_it_says_so() -> None:
    """A Retry-After wins over the backoff, up to a limit."""
    assert judge(Retryable("x", retry_after_ms=7777), attempt(), SPEC).delay_ms == 7777
    assert judge(Retryable("x", retry_after_ms=10**12), attempt(), SPEC).delay_ms == RETRY_AFTER_MS_MAX


def test_the_wait_may_be_a_fraction() -> None:
    """A `Retry-After` times a thousand is a float: the wait is rounded up to whole milliseconds."""
    deferral = judge(RateLimited("x", retry_after_ms=1500.2), attempt(), SPEC)  # type: ignore[arg-type]

    assert isinstance(deferral, Deferral)
    assert repr(deferral.delay_ms) == "1501"
    assert judge(Retryable("x", retry_after_ms=float("inf")), attempt(), SPEC).delay_ms == RETRY_AFTER_MS_MAX  # type: ignore[arg-type]


def test_only_a_permanent_error_is_final() -> None:
    """Anything else is tried again, and so is an answer from elsewhere that an agent could not validate."""
    with pytest.raises(ValidationError) as invalid:
        StepInput.model_validate({})

    assert not judge(Permanent("x"), attempt(), SPEC).retryable
    assert judge(invalid.value, attempt(), SPEC).retryable
    assert judge(KeyError("x"), attempt(), SPEC).retryable


class Speechless(Exception):
    """Has no text to be had."""

    def __str__(self) -> str:
        raise LookupError("no text")


@pytest.mark.parametrize(
    "error",
    [
        Speechless(),
        Retryable("x", retry_after_ms="soon"),  # type: ignore[arg-type]
        RateLimited("x", retry_after_ms=float("nan")),  # type: ignore[arg-type]
        Retryable.__new__(Retryable),
    ],
)
def test_an_error_that_cannot_be_read_is_a_failure_like_any_other(error: Exception) -> None:
    """An error of an agent's own class may itself be broken; that costs an attempt, and nothing else."""
    failure = judge(error, attempt(), SPEC)

    assert not isinstance(failure, Deferral)
    assert failure.retryable
    assert failure.error.code == "unreadable_error"
    assert type(error).__name__ in failure.error.message


def test_a_code_may_be_a_number() -> None:
    """An HTTP status as the code of an error is kept as text."""
    assert judge(Permanent("x", code=404), attempt(), SPEC).error.code == "404"  # type: ignore[arg-type]


def test_a_step_may_set_its_own_attempts() -> None:
    """The step's limit wins over the agent's."""
    assert judge(Retryable("x"), attempt(), SPEC).max_attempts == 5
    assert judge(Retryable("x"), attempt(max_attempts=1), SPEC).max_attempts == 1


def test_a_long_message_is_cut_and_on_one_line() -> None:
    """An error's text cannot flood the log."""
    message = judge(ValueError("a\nb " * 10_000), attempt(), SPEC).error.message

    assert len(message) == MESSAGE_CHARS_MAX
    assert "\n" not in message


@pytest.mark.parametrize("spec", ["", "1", "1:2:3", "a:b", "1:1  2:1"])
def test_a_malformed_batch_is_refused(spec: str) -> None:
    """An entry that names no steps is an error, not an empty batch."""
    with pytest.raises(ValueError, match=r"values to unpack|invalid literal"):
        StepRef.parse_batch("0-t", spec)
