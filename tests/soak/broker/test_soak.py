"""A short soak in every test run; `python -m tests.soak.broker` is the long one."""

import pytest

from .soak import Plan, soak

pytestmark = pytest.mark.usefixtures("server_binary")


def test_some_seconds_of_faults_lose_nothing() -> None:
    """Killed and frozen workers, cut connections, a killed Redis: nothing is lost and each second start explained."""
    outcome = soak(Plan(seconds=8, seed=7, lease_ms=2_000), lambda _line: None)

    assert outcome.findings.violations == []
    assert len(outcome.evidence.blows) >= 3
    assert len(outcome.evidence.runs) > 150


@pytest.mark.full
def test_without_faults_every_message_runs_exactly_once() -> None:
    """The control: not one second start, and nobody waits for a lapsed lease."""
    outcome = soak(Plan(seconds=3, seed=7, control=True), lambda _line: None)

    assert outcome.findings.violations == []
    assert outcome.findings.duplicates == 0
    assert len(outcome.evidence.runs) > 100
