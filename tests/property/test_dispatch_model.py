"""The transition scripts against the specification: same states, same events, same messages, whatever happens."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.dispatch_machine import DispatchMachine

BRIEF = settings(
    max_examples=45, stateful_step_count=30, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.target, Phase.shrink),
)  # fmt: skip
LONG = settings(BRIEF, max_examples=450, stateful_step_count=60, derandomize=False)


def test_scripts_and_model_agree(redis_url: str) -> None:
    """Random plans, clients, workers, zombies, lost replies and deadlines: never a difference, always an end."""
    run_state_machine_as_test(lambda: DispatchMachine(redis_url), settings=BRIEF)


def test_a_retry_keeps_a_deadline_that_lies_ahead(redis_url: str) -> None:
    """Rarely met by chance: a task is cancelled before its deadline, and run again."""
    run = DispatchMachine(redis_url)
    try:
        run.begin(twice=False, plan=[("retriever", 0, "fail")], limit=0)
        run.submit([("retriever", 0, "fail")], limit=0, priority=5, start="later")
        run.steer(which=1, how="force")
        run.both_agree()
        run.retry(which=0, step=0)
        run.both_agree()
    finally:
        run.teardown()


@pytest.mark.full
def test_scripts_and_model_agree_for_longer(redis_url: str) -> None:
    """The same with more and longer runs, different each time."""
    run_state_machine_as_test(lambda: DispatchMachine(redis_url), settings=LONG)
