"""A short soak in every test run; `python -m tests.soak.tasks` is the long one."""

import pytest

from ..crowding import crowded
from .soak import Outcome, Plan, soak

pytestmark = pytest.mark.usefixtures("server_binary")


def soaked(plan: Plan) -> Outcome:
    """Another soak where a crowded machine may have broken what the first one finds."""
    outcome = soak(plan, lambda _line: None)
    return soak(plan, lambda _line: None) if outcome.findings.violations and crowded() else outcome


def test_a_broken_deployment_keeps_every_promise() -> None:
    """Processes and Redis are killed, frozen and filled while clients submit and follow: every promise is kept."""
    outcome = soaked(Plan(seconds=10, seed=7, pause_s=1.0))

    assert outcome.findings.violations == []
    assert len(outcome.evidence.blows) >= 4
    assert len(outcome.evidence.runs) > 25
    assert sum(outcome.evidence.remains.counted.values()) > 250


@pytest.mark.full
def test_without_faults_every_attempt_is_the_only_one() -> None:
    """The control: nobody takes over from anybody, no client is refused, and the figures equal the ledger."""
    outcome = soaked(Plan(seconds=4, seed=7, control=True))

    assert outcome.findings.violations == []
    assert outcome.findings.duplicates == 0
    assert len(outcome.evidence.runs) > 50
