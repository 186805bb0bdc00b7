"""A short soak in every test run; `python -m tests.soak.tasks` is the long one."""

import pytest

from .soak import Plan, soak

pytestmark = pytest.mark.usefixtures("server_binary")


def test_a_broken_deployment_keeps_every_promise() -> None:
    """Processes and Redis are killed, frozen and filled while clients submit and follow: every promise is kept."""
    outcome = soak(Plan(seconds=10, seed=7, pause_s=1.0), lambda _line: None)

    assert outcome.findings.violations == []
    assert len(outcome.evidence.blows) >= 4
    assert len(outcome.evidence.runs) > 25
    assert sum(outcome.evidence.remains.counted.values()) > 250


@pytest.mark.full
def test_without_faults_every_attempt_is_the_only_one() -> None:
    """The control: nobody takes over from anybody, no client is refused, and the figures equal the ledger."""
    outcome = soak(Plan(seconds=4, seed=7, control=True), lambda _line: None)

    assert outcome.findings.violations == []
    assert outcome.findings.duplicates == 0
    assert len(outcome.evidence.runs) > 50
