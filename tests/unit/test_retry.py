"""What a failure means for the step that had it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from app.dispatch.attempt import Attempt, StepRef
from app.dispatch.retry import MESSAGE_CHARS_MAX, RETRY_AFTER_MS_MAX, judge
from app.errors import Permanent, Retryable
from app.model.agents import AgentSpec, StepInput, StepOutput
from app.model.plan import Step
from app.model.task import TaskInputs

SPEC = AgentSpec(name="a", run=lambda step, ctx: StepOutput(), backoff_ms=100, backoff_ms_max=1000, max_attempts=5)


def attempt(failures: int = 0, max_attempts: int | None = None) -> Attempt:
    step = Step(step_id=1, agent="a", payload="x", max_attempts=max_attempts)
    return Attempt(StepRef("0-t", 1, 1), failures + 1, "1:n", failures, step, "task", TaskInputs())


@given(st.integers(0, 200))
def test_the_delay_grows_and_is_capped(failures: int) -> None:
    """Full jitter: anywhere between nothing and the doubled, capped backoff."""
    delay_ms = judge(Retryable("x"), attempt(failures), SPEC).delay_ms

    assert 0 <= delay_ms <= min(1000, 100 * 2 ** min(failures, 10))


def test_the_other_side_decides_when_it_says_so() -> None:
    """A Retry-After wins over the backoff, up to a limit."""
    assert judge(Retryable("x", retry_after_ms=7777), attempt(), SPEC).delay_ms == 7777
    assert judge(Retryable("x", retry_after_ms=10**12), attempt(), SPEC).delay_ms == RETRY_AFTER_MS_MAX


def test_wrong_input_is_final() -> None:
    """A permanent error or a payload that does not validate is not tried again; anything else is."""
    with pytest.raises(ValidationError) as invalid:
        StepInput.model_validate({})

    assert not judge(Permanent("x"), attempt(), SPEC).retryable
    assert not judge(invalid.value, attempt(), SPEC).retryable
    assert judge(KeyError("x"), attempt(), SPEC).retryable


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
