"""
Following an event stream over any number of connections, without I/O: what to ask for, what came, when to ask again.

A client does this, and nothing else is needed:

    while not follower.ended:
        try:
            open a stream with follower.request()
            follower.opened(response)
            for each chunk of bytes: yield all of follower.feed(chunk); stop when follower.over
            follower.closed()
        except a transport error or a ClientError: follower.failed(it)
        sleep follower.pause_s()
"""

import random
import time
from collections.abc import Iterator, Mapping
from typing import Any, Generic, Protocol, TypeVar

import httpx2

from app.client.call import BACKOFF_S, RETRY_AFTER_S_MAX, check
from app.client.errors import ApiError, ApiUnreachable, StreamBroken, WaitTimeout
from app.client.frames import Frame, Frames, FrameTooLarge

#: Three heartbeats of the server: a stream that is quiet for longer is dead.
READ_TIMEOUT_S = 45.0
READ_TIMEOUT_S_MIN = 0.05
CONNECT_TIMEOUT_S = 5.0
BACKOFF_S_MAX = 3.0
#: A server that says something after so long a time is there, even if it is only a heartbeat.
CONTACT_S = 5.0
#: So much later than asked may a wait end; a stream whose read timeout reaches further is opened anew.
LATE_S_MAX = 0.2
E = TypeVar("E")
E_co = TypeVar("E_co", covariant=True)

PASSING = frozenset({429, 502, 503, 504})
NO_CONTENT = 204


class Place(Protocol[E_co]):
    """Where a follower stands: what it makes of a frame, and whether it needs more."""

    cursor: str

    @property
    def told(self) -> str: ...
    @property
    def may_end(self) -> bool: ...
    @property
    def has_all(self) -> bool: ...
    def take(self, frame: Frame) -> E_co | None: ...


class Follower(Generic[E]):
    """Which stream is followed, where the follower stands in it, and how long it had no news."""

    def __init__(self, path: str, params: Mapping[str, Any], place: Place[E]) -> None:
        self.ended = False
        #: This connection is of no use any more.
        self.over = False
        self._path = path
        self._params = params
        self._place = place
        self._frames = Frames()
        self._tried_s = 0.0
        self._silent_s = 0.0
        self._silence_s_max = 0.0
        self._failures = 0
        self._retry_s = 0.0
        self._greeted = False
        self._trouble = ""
        self._read_timeout_s = READ_TIMEOUT_S
        self._end_s: float | None = None

    def limit(self, silence_s_max: float, timeout_s: float | None = None) -> None:
        """Gives up after so much silence, and after that time whatever happens."""
        self._silence_s_max = silence_s_max
        self._end_s = None if timeout_s is None else time.monotonic() + timeout_s

    def request(self) -> dict[str, Any]:
        """The arguments of `httpx2.Client.stream` for the next connection."""
        self._tried_s = time.monotonic()
        self._frames, self.over, self._greeted, self._retry_s = Frames(), False, False, 0.0
        # Never nothing: that would mean not to wait at all, which is an error of its own.
        self._read_timeout_s = min(READ_TIMEOUT_S, max(READ_TIMEOUT_S_MIN, self._left_s()))
        cursor = self._place.cursor
        position = {"Last-Event-ID": cursor} if cursor else {}
        return {
            "method": "GET",
            "url": self._path,
            "params": self._params,
            "headers": {"Accept": "text/event-stream", "Cache-Control": "no-store", **position},
            "timeout": httpx2.Timeout(self._read_timeout_s, connect=min(CONNECT_TIMEOUT_S, self._read_timeout_s)),
        }

    def opened(self, response: httpx2.Response) -> None:
        """Looks at the head of the answer; the body of a refusal has been read. Raises `ApiError`."""
        check(response)
        kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
        if response.status_code == NO_CONTENT:
            self.ended = self.over = True
        elif kind != "text/event-stream":
            raise ApiUnreachable(f"What answers at {response.url} is not this API.")

    def feed(self, chunk: bytes) -> Iterator[E]:
        """The events that are complete with this chunk, each proven to be the next one; raises `StreamBroken`."""
        if time.monotonic() > self._tried_s + CONTACT_S:
            self._silent_s, self._failures = 0.0, 0
        try:
            for frame in self._frames.feed(chunk):
                event = self._take(frame)
                if event is not None:
                    yield event
                if self.over:
                    return
        except FrameTooLarge as error:
            raise StreamBroken(f"What came after {self._place.told} is too large for an event.") from error
        if self._read_timeout_s > self._left_s() + LATE_S_MAX:
            self.over = True

    def closed(self) -> None:
        """The server has closed the stream, or we have; that is no failure where it had to be opened anew."""
        if not self.over:
            self._interrupted("The stream ended too early.", self._retry_s)

    def failed(self, error: Exception) -> None:
        """Something came between; raises what will not pass by itself."""
        if isinstance(error, ApiError) and error.status not in PASSING:
            raise error
        if isinstance(error, StreamBroken):
            raise error
        if isinstance(error, httpx2.ConnectError | httpx2.TimeoutException):
            self._silent_s += time.monotonic() - self._tried_s
        told = str(error) if isinstance(error, ApiError | ApiUnreachable) else repr(error)
        self._interrupted(told, (isinstance(error, ApiError) and error.retry_after_s) or 0)

    def pause_s(self) -> float:
        """Seconds until the next connection; raises `WaitTimeout`, and `ApiUnreachable` after too much silence."""
        if self.ended:
            return 0.0
        left_s = self._left_s()
        if left_s <= 0:
            raise WaitTimeout("The task has not ended in the time that was given.")
        if self.over:
            return 0.0
        backoff_s: float = min(BACKOFF_S_MAX, BACKOFF_S * 2.0 ** min(self._failures - 1, 16))
        delay_s = max(self._retry_s, backoff_s * random.uniform(0.5, 1))
        if self._silent_s + delay_s > self._silence_s_max:
            if not self._place.has_all:
                raise ApiUnreachable(f"No contact for {self._silent_s:.0f} s. {self._trouble}")
            self.ended = True
        self._silent_s += delay_s
        return min(delay_s, left_s)

    def _take(self, frame: Frame) -> E | None:
        # One that comes before anything else is for clients that know nothing better; a later one says goodbye.
        if frame.retry_ms is not None and self._greeted:
            self._retry_s = frame.retry_ms / 1000
        self._greeted = True
        if frame.event == "stream.end":
            self.ended = self.over = self._place.may_end
        event = self._place.take(frame)
        if event is not None:
            self._silent_s, self._failures = 0.0, 0
        return event

    def _interrupted(self, trouble: str, retry_s: float) -> None:
        self._trouble = trouble
        self._failures += 1
        self._retry_s = min(RETRY_AFTER_S_MAX, retry_s)

    def _left_s(self) -> float:
        return float("inf") if self._end_s is None else self._end_s - time.monotonic()
