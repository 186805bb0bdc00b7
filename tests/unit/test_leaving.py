"""What a worker process makes of signals that ask it to end."""

import signal
from collections.abc import Iterator

import pytest

from app.dispatch import leaving
from app.dispatch.leaving import Requests

AT_ONCE, LATER = 3600.0, 0.0


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What is done at a SIGHUP: `dramatiq` is what Dramatiq would do, which drains at first and then kills."""
    done: list[str] = []
    before = signal.signal(signal.SIGHUP, lambda *_: done.append("dramatiq"))
    others = signal.getsignal(signal.SIGTERM)
    Requests(lambda: done.append("hurry")).listen()
    yield done
    signal.signal(signal.SIGHUP, before)
    signal.signal(signal.SIGTERM, others)


def test_each_of_three_requests_has_its_own_meaning_however_often_it_is_told(
    heard: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A service manager tells the main process, which tells its workers, and the workers themselves."""
    for _ in range(3):
        monkeypatch.setattr(leaving, "ONE_REQUEST_S", LATER)
        signal.raise_signal(signal.SIGHUP)
        monkeypatch.setattr(leaving, "ONE_REQUEST_S", AT_ONCE)
        signal.raise_signal(signal.SIGHUP)

    assert heard == ["dramatiq", "hurry", "dramatiq"]
