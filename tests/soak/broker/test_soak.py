"""A short soak in every test run; `python -m tests.soak.broker` is the long one."""

import pytest

from ..crowding import crowded
from .soak import Outcome, Plan, soak

pytestmark = pytest.mark.usefixtures("server_binary")


def soaked(plan: Plan) -> Outcome:
    """Another soak where a crowded machine may have broken what the first one finds."""
    outcome = soak(plan, lambda _line: None)
    return soak(plan, lambda _line: None) if outcome.findings.violations and crowded() else outcome


def test_some_seconds_of_faults_lose_nothing() -> None:
    """Killed and frozen workers, cut connections, a killed Redis: nothing is lost and each second start explained."""
    outcome = soaked(Plan(seconds=8, seed=7, lease_ms=2_000))

    assert outcome.findings.violations == []
    assert len(outcome.evidence.blows) >= 3
    assert len(outcome.evidence.runs) > 150


@pytest.mark.full
def test_without_faults_every_message_runs_exactly_once() -> None:
    """The control: not one second start, and nobody waits for a lapsed lease."""
    outcome = soaked(Plan(seconds=3, seed=7, control=True))

    assert outcome.findings.violations == []
    assert outcome.findings.duplicates == 0
    assert len(outcome.evidence.runs) > 100
