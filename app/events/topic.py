"""
What a process knows about one watched log: its newest position and a short run of its last events.

The run (`ring`) is contiguous and shared by all viewers of the task. Each viewer has only a position in
it; one that falls behind the ring's oldest event reads from Redis until the ring reaches it again. So
memory is bounded per task, and nothing is ever skipped.
"""

import asyncio
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from itertools import islice

from app.events.log import START, Cursor, StoredEvent

#: Events that stay in the ring although every viewer has them.
TAIL_KEPT = 16


@dataclass(slots=True, eq=False)
class Place:
    """Where one viewer stands, and the bell that tells it of news; several viewers may share one bell."""

    cursor: Cursor
    bell: asyncio.Event


class Topic:
    """
    One watched log; every method returns at once.

    `epoch` counts the times the log was found rolled back; `newest` is the last event known to exist, whether or not
    it is in the ring; `confirmed` says that pushes arrive from now on, `heard` that one has come since it was reset.
    """

    def __init__(self, task_id: str, ring_max: int) -> None:
        self.task_id = task_id
        self.places: set[Place] = set()
        self.epoch = 0
        self.newest = START
        self.confirmed = False
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
            place.bell.set()

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
        slowest = min((place.cursor.seq for place in self.places), default=self.newest.seq)
        while len(self._ring) > TAIL_KEPT and self._ring[0].seq <= slowest:
            self._ring.popleft()


async def listen(bell: asyncio.Event, patience_s: float | None) -> None:
    """Waits for the bell, not longer than that."""
    if patience_s is None:
        await bell.wait()
        return
    with suppress(TimeoutError):
        async with asyncio.timeout(patience_s):
            await bell.wait()
