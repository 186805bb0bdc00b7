"""
The firehose of a process: one reader for all that watch it, and none when nobody does.

    transitions ── XADD ──► firehose: where events are ──► reader ──► ring ──► viewers
                                       their logs ─────────┘

A viewer has a position. What the ring holds behind it comes from the ring; one that begins further back, or falls
behind, reads from Redis by itself until it is within the ring again.
"""

import asyncio
from bisect import bisect_right
from collections.abc import Sequence
from contextlib import ExitStack
from operator import attrgetter

import structlog

from app.errors import Unavailable
from app.events.fire_log import OLDEST, FireEvent, FireLog, FirePage, Spot
from app.events.places import Places
from app.events.sse import Control, Mark, Piece
from app.events.topic import Bell, backoff_s, listen

RING_MAX = 2_000
CANCEL_AGAIN_S = 0.1

log = structlog.get_logger(__name__)


class Firehose:
    """Gives out viewers; `aclose` ends them."""

    def __init__(self, fire_log: FireLog, places: Places) -> None:
        self.log = fire_log
        self.places = places
        self.viewers: set[FireViewer] = set()
        self._ring: list[FireEvent] = []
        self._start = OLDEST  # the position before the first event of the ring
        self._end = OLDEST  # the position to which the reader has come
        self._reader: asyncio.Task[None] | None = None

    async def watch(self, after: Spot | None = None, *, follow: bool = True) -> "FireViewer":
        """
        A viewer of what comes after the position, or from now on; close it when done.

        Without `follow` it ends at the present end. Raises `Unavailable`.
        """
        self.places.take()
        with ExitStack() as undo:
            undo.callback(self.places.give_back)
            now = await self.log.end()
            undo.pop_all()
        viewer = FireViewer(self, now if after is None else after, None if follow else now)
        self.viewers.add(viewer)
        if follow and self._reader is None:
            self._ring, self._start, self._end = [], now, now
            self._reader = asyncio.create_task(self._read(), name="firehose")
        return viewer

    def leave(self, viewer: "FireViewer") -> None:
        if viewer not in self.viewers:
            return
        self.viewers.discard(viewer)
        self.places.give_back()
        if not self.viewers and self._reader is not None:
            self._reader.cancel()
            self._reader = None

    def after(self, spot: Spot) -> Sequence[FireEvent] | None:
        """What the ring holds behind the position, up to its end; `None` when that begins further back."""
        if spot < self._start:
            return None
        ring = self._ring
        return ring[bisect_right(ring, spot, key=attrgetter("spot")) :] if ring and ring[-1].spot > spot else ()

    async def aclose(self) -> None:
        reader = self._reader
        for viewer in tuple(self.viewers):
            viewer.close()
        while reader is not None and not reader.done():
            reader.cancel()
            await asyncio.wait([reader], timeout=CANCEL_AGAIN_S)

    async def _read(self) -> None:
        failures = 0
        # A cancellation in the middle of a handshake may be swallowed (`wait_for` on 3.11).
        while self._reader is asyncio.current_task():
            try:
                page = await self.log.page(self._end)
                self._take(page)
                if not page.full:
                    await self.log.wait(self._end)
                failures = 0
            except Unavailable:
                failures += 1
                await asyncio.sleep(backoff_s(failures))
            # The reader outlives whatever it trips over: nobody else would tell the viewers.
            except Exception:
                log.exception("firehose_read_failed")
                failures += 1
                await asyncio.sleep(backoff_s(failures))

    def _take(self, page: FirePage) -> None:
        if page.lost:
            # Viewers find out by themselves: they stand before the ring's new beginning.
            self._ring, self._start = [], page.end
        else:
            self._ring += page.events
        self._end = page.end
        if len(self._ring) > 2 * RING_MAX:
            self._start = self._ring[-RING_MAX - 1].spot
            del self._ring[:-RING_MAX]
        if page.lost or page.events:
            for viewer in self.viewers:
                viewer.bell.ring()


class FireViewer:
    """Iterates over batches of events; `stream.gap` where some were trimmed before they could be read."""

    def __init__(self, firehose: Firehose, spot: Spot, until: Spot | None) -> None:
        self.bell = Bell()
        self._firehose = firehose
        self._spot = spot
        self._until = until
        self._ended = False
        self._nudged = True
        self._failures = 0

    @property
    def complete(self) -> bool:
        return self._until is not None and self._spot >= self._until

    def __aiter__(self) -> "FireViewer":
        return self

    async def __anext__(self) -> Sequence[Piece]:
        while not (self._ended or self.complete):
            self.bell.clear()
            if found := await self._found():
                return found
            if self._nudged:
                self._nudged = False
                return (Mark("stream.mark", position=str(self._spot)),)
            if not self._ended:
                await listen(self.bell, backoff_s(self._failures) if self._failures else None)
        raise StopAsyncIteration

    def nudge(self) -> None:
        self._nudged = True
        self.bell.ring()

    def stop(self) -> None:
        self._ended = True
        self.bell.ring()

    def close(self) -> None:
        self.stop()
        self._firehose.leave(self)

    async def _found(self) -> Sequence[Piece]:
        if self._until is None:
            events = self._firehose.after(self._spot)
            if events is not None:
                self._spot = events[-1].spot if events else self._spot
                self._firehose.places.counters.events_sent += len(events)
                return events
        try:
            page = await self._firehose.log.page(self._spot)
        except Unavailable:
            self._failures += 1
            return ()
        self._failures = 0
        self._firehose.places.counters.events_sent += len(page.events)
        before, self._spot = self._spot, page.end
        if self._until is not None and not page.full:
            self._until = page.end  # also where Redis has lost what was there
        if not page.lost:
            return page.events
        gap = {"requested": str(before), "first": str(page.events[0].spot if page.events else page.end)}
        return (Control("stream.gap", gap), *page.events)
