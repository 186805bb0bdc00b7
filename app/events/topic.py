"""
What a process knows about one watched log: its newest position and a short run of its last events.

The run (`ring`) is contiguous and shared by all viewers of the task. Each viewer has only a position in
it; one that falls behind the ring's oldest event reads from Redis until the ring reaches it again. So
memory is bounded per task, and nothing is ever skipped.
"""

import asyncio
import random
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from app.events.log import START, Cursor, StoredEvent

#: Events that stay in the ring although every viewer has them; there are as many rings as watched tasks.
TAIL_KEPT = 2
BACKOFF_S = 0.1
BACKOFF_S_MAX = 2.0


class Bell:
    """An `asyncio.Event` that is waited for without a coroutine; each viewer waits once per event."""

    __slots__ = ("_rung", "_waiters")

    def __init__(self) -> None:
        self._rung = False
        self._waiters: list[asyncio.Future[None]] = []

    def ring(self) -> None:
        self._rung = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    def clear(self) -> None:
        self._rung = False

    def wait(self) -> "asyncio.Future[None]":
        """Done as soon as it has been rung since it was last cleared."""
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._rung:
            waiter.set_result(None)
        else:
            self._waiters.append(waiter)
        return waiter


@dataclass(slots=True, eq=False)
class Place:
    """Where one viewer stands, and the bell that tells it of news; several viewers may share one bell."""

    cursor: Cursor
    bell: Bell


class Topic:
    """
    One watched log; every method returns at once.

    `epoch` counts the times the log was found rolled back; `newest` is the last event known to exist, whether or not
    it is in the ring; `confirmed` says that pushes arrive from now on, `heard` that one has come since it was reset.
    `subscriptions` counts those that were confirmed: what follows on from before may be of another history.
    """

    def __init__(self, task_id: str, ring_max: int) -> None:
        self.task_id = task_id
        self.places: set[Place] = set()
        self.epoch = 0
        self.newest = START
        self.confirmed = False
        self.subscriptions = 0
        self.heard = False
        self.gone = False
        self.idle_since: float | None = None
        self.reading = asyncio.Lock()
        self._ring: deque[StoredEvent] = deque(maxlen=ring_max)

    def after(self, seq: int) -> list[StoredEvent]:
        """The events behind `seq` if the ring holds the very next one, else nothing."""
        ring = self._ring
        if not ring or not ring[0].seq <= seq + 1 <= ring[-1].seq:
            return []
        return list(islice(ring, seq + 1 - ring[0].seq, None))

    def confirm(self) -> None:
        """Pushes arrive from now on."""
        self.confirmed = True
        self.subscriptions += 1
        self.announce()

    def doubts(self, event: StoredEvent) -> bool:
        """Whether the event has a number that was known before, of which nothing is left here to hold it against."""
        return event.seq <= self.newest.seq and not (self._ring and self._ring[0].seq <= event.seq)

    def absorb(self, events: list[StoredEvent]) -> None:
        """Takes in events in the order of the log, pushed or read, known or new, and tells the viewers."""
        for event in events:
            self._place(event)
        if events:
            self._trim()
            self.announce()

    def compare(self, before: tuple[int, Cursor], tail: StoredEvent | None) -> None:
        """
        Holds the stored end of the log against what was known when it was asked for.

        `before` is `(epoch, newest)` at that time: pushes that came since then are newer than `tail`.
        """
        epoch, newest = before
        if epoch != self.epoch:
            return
        if tail is None:
            self.gone = newest.seq > 0
        elif tail.seq < newest.seq or (tail.seq == newest.seq and not newest.admits(tail)):
            self.roll_back()
        elif tail.seq > self.newest.seq:
            self.newest = tail.cursor
        else:
            return
        self.announce()

    def roll_back(self) -> None:
        """The log lost its tail: whatever is known of it is void."""
        self.epoch += 1
        self.newest = START
        self._ring.clear()
        self.announce()

    def announce(self) -> None:
        for place in self.places:
            place.bell.ring()

    def _place(self, event: StoredEvent) -> None:
        ring = self._ring
        if ring and ring[0].seq <= event.seq <= ring[-1].seq:
            if ring[event.seq - ring[0].seq].rand == event.rand:
                return
            self.roll_back()
        if not ring or event.seq > ring[-1].seq + 1:
            # A hole lies before this event; viewers on its far side read it from Redis.
            ring.clear()
        if not ring or event.seq == ring[-1].seq + 1:
            ring.append(event)
        if event.seq > self.newest.seq:
            self.newest = event.cursor

    def _trim(self) -> None:
        ring = self._ring
        # Not at each event: to look for the slowest viewer costs more than to keep a few more.
        if len(ring) <= 2 * TAIL_KEPT:
            return
        slowest = min((place.cursor.seq for place in self.places), default=self.newest.seq)
        while len(ring) > TAIL_KEPT and ring[0].seq <= slowest:
            ring.popleft()


def backoff_s(failures: int) -> float:
    """How long a reader waits after so many failed reads in a row."""
    return min(BACKOFF_S_MAX, BACKOFF_S * 2.0 ** min(failures, 10)) * random.uniform(0.5, 1)


async def listen(bell: Bell, patience_s: float | None) -> None:
    """Waits for the bell, not longer than that."""
    if patience_s is None:
        await bell.wait()
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await bell.wait()
