"""A short soak in every test run; `python -m tests.soak` is the long one."""

import os

import pytest

from app import local_redis

from .soak import Plan, soak


@pytest.fixture(autouse=True)
def needs_a_server_binary() -> None:
    if local_redis.find_binary() is None:
        if os.environ.get("CI"):
            pytest.fail("no Redis server binary in CI")
        pytest.skip("no Redis server binary")


def test_fifteen_seconds_of_faults_lose_nothing() -> None:
    """Killed and frozen workers, cut connections, a killed Redis: nothing is lost and each second start explained."""
    outcome = soak(Plan(seconds=15, seed=7, lease_ms=2_000), lambda _line: None)

    assert outcome.findings.violations == []
    assert len(outcome.evidence.blows) >= 5
    assert len(outcome.evidence.runs) > 300


def test_without_faults_every_message_runs_exactly_once() -> None:
    """The control: not one second start, and nobody waits for a lapsed lease."""
    outcome = soak(Plan(seconds=5, seed=7, control=True), lambda _line: None)

    assert outcome.findings.violations == []
    assert outcome.findings.duplicates == 0
    assert len(outcome.evidence.runs) > 200
