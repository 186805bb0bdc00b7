"""When a follower comes back, and when it gives up: without a network."""

import httpx2
import pytest

from app.client import ApiError, ApiUnreachable, event_calls
from app.client.follower import RETRY_AFTER_S_MAX, Follower
from tests.unit.scripted_server import frame

GREETING = b"retry: 2000\n\n"


@pytest.fixture
def follower() -> Follower:
    follower = event_calls.follow("0-x")
    follower.limit(silence_s_max=60.0)
    return follower


def connection(follower: Follower, *chunks: bytes) -> list[int]:
    """One connection that the server closes in good order; returns the numbers of its events."""
    follower.request()
    seen = [event.seq for chunk in chunks for event in follower.feed(chunk)]
    follower.closed()
    return seen


def test_a_server_that_says_goodbye_is_asked_again_when_it_said(follower: Follower) -> None:
    """The `retry:` at the end counts, within reason; the one at the beginning is for other clients."""
    assert connection(follower, GREETING + frame(1).encode(), b"retry: 1500\n\n") == [1]
    assert follower.pause_s() == 1.5
    assert connection(follower, GREETING + frame(2).encode()) == [2]
    assert follower.pause_s() < 0.2
    assert connection(follower, GREETING, b"retry: 3600000\n\n") == []
    assert follower.pause_s() == RETRY_AFTER_S_MAX


def test_a_quiet_task_is_followed_over_any_number_of_goodbyes(
    follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Streams are closed now and then to spread load: as long as each lived for a while, there was contact."""
    monkeypatch.setattr("app.client.follower.CONTACT_S", -1.0)
    for _ in range(1000):
        connection(follower, GREETING, b": heartbeat\n\n", b"retry: 1000\n\n")
        assert follower.pause_s() == 1.0


def test_streams_that_open_and_say_nothing_are_given_up(follower: Follower) -> None:
    """The pauses grow, and their sum has a limit."""
    with pytest.raises(ApiUnreachable, match="No contact for"):  # noqa: PT012  # which one ends it is not known
        for _ in range(100):
            connection(follower, GREETING)
            follower.pause_s()


def test_a_busy_server_says_when_to_come_back(follower: Follower) -> None:
    """`Retry-After`, within reason."""
    for asked_s, pause_s in ((3, 3.0), (3600, RETRY_AFTER_S_MAX)):
        follower.request()
        follower.failed(ApiError(503, {}, asked_s))
        assert follower.pause_s() == pause_s


def test_what_will_not_pass_is_raised(follower: Follower) -> None:
    """A refusal is; a lost connection is not."""
    follower.request()
    follower.failed(httpx2.ReadError("lost"))
    with pytest.raises(ApiError, match="401"):
        follower.failed(ApiError(401, {}))
