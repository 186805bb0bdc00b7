"""The broker's scripts against a small model: same contents, nothing lost, nothing doubled, owners respected."""

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.property.queue_machine import QueueMachine

BRIEF = settings(
    max_examples=12, stateful_step_count=40, deadline=None, derandomize=True, database=None,
    suppress_health_check=list(HealthCheck), phases=(Phase.generate, Phase.target),
)  # fmt: skip
LONG = settings(BRIEF, max_examples=40, stateful_step_count=60, derandomize=False)


@pytest.fixture(autouse=True)
def _quick_to_tidy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every silent consumer counts as dead at once, so that only what it has pending protects it."""
    monkeypatch.setattr("app.broker.leases.CONSUMER_IDLE_MS", 0)


def test_queue_and_model_agree(redis_url: str) -> None:
    """Sending, delaying, reading, renewing, sweeping, settling, crashing and flushing, in any order."""
    run_state_machine_as_test(lambda: QueueMachine(redis_url), settings=BRIEF)


@pytest.mark.full
def test_queue_and_model_agree_for_longer(redis_url: str) -> None:
    """The same with more and longer runs, different each time."""
    run_state_machine_as_test(lambda: QueueMachine(redis_url), settings=LONG)


def test_a_flush_makes_no_worker_the_owner_of_what_it_lost(redis_url: str) -> None:
    """The counter of what was taken over goes on, so no worker takes an old reading of it for the present one."""
    machine = QueueMachine(redis_url)
    machine.take_over(victim=0, step=1, choice=0, then="renew")
    machine.flush(worker=2)
    machine.hands[0] = {}
    machine.take_over(victim=0, step=1, choice=0, then="ack")

    machine.the_server_holds_what_the_model_holds()
    machine.teardown()
