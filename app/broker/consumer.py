"""
One queue for one worker process, as Dramatiq's worker threads see it.

`__next__` waits first for room, then for an entry. What a worker is done with goes to the flusher; the
room is free at once.
"""

import logging
import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed, DecodeError
from redis.exceptions import RedisError

from .backoff import Backoff
from .errors import is_group_missing, is_passing
from .message import Entry, StreamProxy, Verdict, decode
from .reading import Reader
from .retrying import JITTER
from .settlement import Burial, Settled

if TYPE_CHECKING:
    from .presence import Presence

logger = logging.getLogger(__name__)

ERROR_BACKOFF = Backoff(base_ms=50, max_ms=1_000)
#: Errors in a row for so long end this consumer; Dramatiq logs that and makes another.
ERROR_PATIENCE_S = 60.0
#: Deliveries after which a message is buried when its hooks fail each time.
UNDECIDED_MAX = 10


class StreamsConsumer(Consumer):
    """Hands out the messages of one queue, at most `prefetch` of them at a time."""

    def __init__(self, presence: "Presence", queue: str, prefetch: int, timeout_ms: int) -> None:
        self._presence = presence
        self._queue = queue
        self._prefetch = prefetch
        self._timeout_s = max(timeout_ms, 1) / 1000
        self._held = presence.held(queue)
        self._reader = Reader(presence, self._held.keys, timeout_ms)
        self._fetched: deque[StreamProxy] = deque()
        self._failures = 0
        self._failing_since_s = 0.0
        self._yielded_at_s = time.monotonic()

    def __next__(self) -> MessageProxy | None:
        if not self._fetched and not self._must_yield():
            self._fetch()
        if self._presence.stopping.is_set():
            # A stopping worker begins nothing more; what it has fetched is for others to take at once.
            self.close()
        elif self._fetched:
            return self._fetched.popleft()
        self._yielded_at_s = time.monotonic()
        return None

    def ack(self, message: MessageProxy) -> None:
        self._done(message, Verdict.ACK)

    def nack(self, message: MessageProxy) -> None:
        self._done(message, Verdict.BURY)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Hands messages back that nobody began; they keep their place in the queue."""
        for message in messages:
            self._release(message)

    def close(self) -> None:
        """Hands back what was fetched and not yet handed out."""
        while self._fetched:
            self._release(self._fetched.popleft())

    def _must_yield(self) -> bool:
        """Dramatiq looks at pauses and at its own timers only when it is handed None."""
        return time.monotonic() - self._yielded_at_s > self._timeout_s

    def _done(self, message: MessageProxy, verdict: Verdict) -> None:
        proxy = _ours(message)
        burial = None
        if proxy.release_ms is not None:
            verdict = Verdict.RELEASE
        elif proxy.started_s is not None and not proxy.decided:
            verdict, burial = _undecided(proxy)
        elif verdict is Verdict.BURY:
            burial = Burial("failed", _error_of(proxy))
        self._settle(proxy, verdict, burial)

    def _release(self, message: MessageProxy) -> None:
        self._settle(_ours(message), Verdict.RELEASE, None)

    def _settle(self, proxy: StreamProxy, verdict: Verdict, burial: Burial | None) -> None:
        if proxy.verdict is not None:
            return
        proxy.verdict = verdict
        self._presence.slots.free(self._queue)
        if verdict is Verdict.LEAVE:
            self._held.drop(proxy.entry.level, [proxy.entry.entry_id])
        else:
            self._presence.flusher.add(Settled.of(self._held, proxy, verdict, burial))

    def _fetch(self) -> None:
        if self._presence.stopping.is_set():
            time.sleep(min(self._timeout_s, 0.05))
            return
        room = self._presence.slots.wait_for_room(self._queue, self._prefetch, self._timeout_s)
        if room <= 0:
            return
        try:
            entries, epoch = self._reader.read(room)
        except (RedisError, OSError) as error:
            self._stumble(error)
            return
        self._failures = 0
        for entry in entries:
            self._accept(entry, epoch)

    def _accept(self, entry: Entry, epoch: str | None) -> None:
        ours = self._held.get(entry.level, entry.entry_id)
        if ours is not None and self._presence.may_keep(ours):
            # A group made anew, or a beat that came late: what we are running is delivered to us again.
            return
        if entry.body is None:
            self._bury_raw(entry, "The entry has no field m.")
            return
        try:
            message = decode(entry.body)
        except DecodeError as error:
            self._bury_raw(entry, f"{error}: {error.error or ''}")
            return
        proxy = StreamProxy(message, entry, self._queue, epoch)
        self._presence.slots.take(self._queue)
        self._held.add(proxy)
        self._fetched.append(proxy)

    def _bury_raw(self, entry: Entry, error: str) -> None:
        logger.error("entry buried, it is no message: queue=%s entry_id=%s", self._queue, entry.entry_id)
        self._presence.flusher.add(Settled(self._held, entry, Verdict.BURY, burial=Burial("undecodable", error)))

    def _stumble(self, error: Exception) -> None:
        """Waits where waiting helps. Raises `ConnectionClosed` when it has not helped for a minute."""
        self._reader.lose_track()
        if is_group_missing(error):
            return
        if not is_passing(error):
            raise error
        self._failures += 1
        if self._failures == 1:
            self._failing_since_s = time.monotonic()
            logger.warning("queue waits for redis: queue=%s error=%s", self._queue, error)
        if time.monotonic() - self._failing_since_s > ERROR_PATIENCE_S:
            raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
        time.sleep(min(ERROR_BACKOFF.delay_ms(self._failures, JITTER) / 1000, self._timeout_s))


def _undecided(proxy: StreamProxy) -> tuple[Verdict, Burial | None]:
    """What follows from the message is unknown: it lapses and is run again, but not for ever."""
    proxy.outbox = []
    if proxy.delivery < UNDECIDED_MAX:
        return Verdict.LEAVE, None
    return Verdict.BURY, Burial("undecided", _error_of(proxy))


def _error_of(proxy: StreamProxy) -> str:
    error = proxy._exception
    if error is not None:
        return f"{type(error).__name__}: {error}"
    return str(proxy.options.get("traceback", ""))


def _ours(message: MessageProxy) -> StreamProxy:
    if not isinstance(message, StreamProxy):
        raise TypeError(f"{message!r} was not fetched by this broker")
    return message
