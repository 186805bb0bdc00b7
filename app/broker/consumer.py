"""
One queue for one worker process, as Dramatiq's worker threads see it.

`__next__` waits first for room, then for an entry. What a worker is done with goes to the flusher; the
room is free at once. A message whose run ended a process before is a suspect: suspects run one at a time,
so that the next death names the culprit, and what was only running beside it gets through.
"""

import time
from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

from dramatiq.broker import Consumer, MessageProxy
from dramatiq.errors import ConnectionClosed, DecodeError
from redis.exceptions import RedisError

from .backoff import Backoff
from .errors import WorkerDied, is_group_missing, is_passing
from .message import Entry, StreamProxy, Verdict, decode
from .reading import Reader
from .reporting import reporter
from .retrying import JITTER, Trouble
from .settlement import Burial, Settled

if TYPE_CHECKING:
    from .presence import Presence

logger = reporter(__name__)

ERROR_BACKOFF = Backoff(base_ms=50, max_ms=1_000)
#: Errors in a row for so long end this consumer; Dramatiq logs that and makes another.
ERROR_PATIENCE_S = 60.0
#: Deliveries after which a message is buried when its hooks fail each time.
UNDECIDED_MAX = 10
#: How soon a waiting suspect may follow the one that ended.
SUSPECT_LOOK_MS = 200


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
        self._suspects: deque[StreamProxy] = deque()
        self._trouble = Trouble(f"queue {queue}")
        self._failing_since_s = 0.0
        #: Since when messages were handed out without a pause; None after a None.
        self._busy_since_s: float | None = None

    def __next__(self) -> MessageProxy | None:
        if not self._fetched and not self._must_yield():
            self._fetch()
        if self._presence.stopping.is_set() or self._presence.pauses.holds(self._queue):
            # Nothing more is begun: what was fetched, or came after the pause to a read under way, is for others.
            self._hand_back()
        elif (message := self._next_message()) is not None:
            message.handed_s = time.monotonic()
            self._busy_since_s = self._busy_since_s or message.handed_s
            return message
        self._busy_since_s = None
        return None

    def _next_message(self) -> StreamProxy | None:
        if self._suspects and self._presence.alone.acquire(blocking=False):
            suspect = self._suspects.popleft()
            suspect.alone = True
            self._presence.slots.take(self._queue)
            return suspect
        return self._fetched.popleft() if self._fetched else None

    def ack(self, message: MessageProxy) -> None:
        self._done(message, Verdict.ACK)

    def nack(self, message: MessageProxy) -> None:
        self._done(message, Verdict.BURY)

    def requeue(self, messages: Iterable[MessageProxy]) -> None:
        """Hands messages back that nobody began; they keep their place in the queue."""
        for message in messages:
            self._release(message)

    def close(self) -> None:
        self._hand_back()
        self._reader.close()

    def _hand_back(self) -> None:
        """What was fetched and not yet handed out is for others to take."""
        while self._suspects:
            suspect = self._suspects.popleft()
            self._presence.slots.take(self._queue)
            self._release(suspect)
        while self._fetched:
            self._release(self._fetched.popleft())

    def _must_yield(self) -> bool:
        """Dramatiq looks at pauses and at its own timers only when it is handed None."""
        return self._busy_since_s is not None and time.monotonic() - self._busy_since_s > self._timeout_s

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
        if proxy.settled:
            return
        # An interrupt may strike at any line: who calls again goes on where the first call was cut off.
        verdict = proxy.verdict = proxy.verdict or verdict
        if not proxy.freed:
            proxy.freed = True
            self._free(proxy)
        if verdict is Verdict.LEAVE and not proxy.marked:
            self._held.drop(proxy.entry.level, [proxy.entry.entry_id])
        else:
            self._presence.flusher.add(Settled.of(self._held, proxy, verdict, burial))
        proxy.settled = True

    def _free(self, proxy: StreamProxy) -> None:
        run_s = None if proxy.started_s is None else time.monotonic() - proxy.started_s
        self._presence.slots.free(self._queue, run_s)
        if proxy.alone:
            self._presence.alone.release()

    def _fetch(self) -> None:
        if self._presence.stopping.is_set():
            time.sleep(min(self._timeout_s, 0.05))
            return
        if self._presence.pauses.holds(self._queue):
            self._rest()
            return
        hurry = not self._reader.more_may_wait or bool(self._suspects)
        room = self._presence.slots.wait_for_room(self._queue, self._prefetch, self._timeout_s, hurry=hurry)
        if room <= 0:
            return
        block_ms = SUSPECT_LOOK_MS if self._suspects else None
        try:
            entries, epoch = self._reader.read(room, room - len(self._suspects), block_ms)
        except (RedisError, OSError) as error:
            self._stumble(error)
            return
        self._trouble.over()
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
        self._held.add(proxy)
        counted = self._presence.counts_crashes(proxy)
        if counted and proxy.is_suspect and proxy.crashes < self._presence.limits.crashes_max:
            # It takes no room before it runs: whoever waits here must not hold up the rest.
            self._suspects.append(proxy)
            return
        self._presence.slots.take(self._queue)
        if counted and proxy.crashes >= self._presence.limits.crashes_max:
            self._bury_deadly(proxy)
        else:
            self._fetched.append(proxy)

    def _bury_deadly(self, proxy: StreamProxy) -> None:
        error = WorkerDied(proxy.crashes)
        values = {"queue": self._queue, "message_id": proxy.message_id, "error": str(error)}
        logger.error("message buried", extra=values)
        proxy.fail()
        proxy.stuff_exception(error)
        self._presence.emit_before("nack", proxy)
        self._settle(proxy, Verdict.BURY, Burial("crashed", str(error)))
        self._presence.emit_after("nack", proxy)

    def _rest(self) -> None:
        """While the queue is paused: asks now and then whether it still is."""
        self._presence.pauses.wait(self._queue, self._timeout_s)
        try:
            self._reader.look()
        except (RedisError, OSError) as error:
            self._stumble(error)

    def _bury_raw(self, entry: Entry, error: str) -> None:
        logger.error("entry buried, it is no message", extra={"queue": self._queue, "entry_id": entry.entry_id})
        self._presence.flusher.add(Settled(self._held, entry, Verdict.BURY, burial=Burial("undecodable", error)))

    def _stumble(self, error: Exception) -> None:
        """Waits where waiting helps. Raises `ConnectionClosed` when it has not helped for a minute."""
        self._reader.lose_track()
        if is_group_missing(error):
            return
        if not is_passing(error):
            raise error
        failures = self._trouble.met(error)
        if failures == 1:
            self._failing_since_s = time.monotonic()
        if time.monotonic() - self._failing_since_s > ERROR_PATIENCE_S:
            raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
        time.sleep(min(ERROR_BACKOFF.delay_ms(failures, JITTER) / 1000, self._timeout_s))


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
