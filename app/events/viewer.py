"""
One reader of one log: the replay, then whatever comes, in order and without a gap.

It takes from the topic's ring what follows its own position, and reads from Redis what the ring does not
hold: the history when it joins, a hole left by lost pushes, everything it missed while it was slow. When
Redis is away it waits and goes on from where it was.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import nullcontext, suppress
from typing import Self

from app.errors import Unavailable
from app.events.log import PAGE_MAX, START, Cursor, EventLog, Page, RolledBack, StoredEvent
from app.events.places import HubCounters
from app.events.sse import RESET, Control
from app.events.topic import Bell, Place, Topic, backoff_s, listen

#: A viewer replays without a confirmed subscription after this time; the reconciliation covers the rest.
SUBSCRIBE_WAIT_S = 2.0

Batch = Sequence[StoredEvent | Control]
STARTED_OVER: Batch = (RESET,)


class Viewer:
    """
    Iterates over batches of events, with `RESET` alone in one where the log was rolled back.

    Ends after a terminal event that is the log's last, when the log is gone, or when it is stopped; with
    `follow=False` at the log's present end. `close` gives its place back.
    """

    def __init__(  # noqa: PLR0913  # made by the hub alone
        self,
        topic: Topic,
        cursor: Cursor,
        log: EventLog,
        counters: HubCounters,
        reads: asyncio.Semaphore,
        *,
        follow: bool = True,
        bell: Bell | None = None,
    ) -> None:
        self._topic = topic
        self._place = Place(cursor, bell or Bell())
        self._log = log
        self._counters = counters
        self._reads = reads
        self._follow = follow
        self._epoch = topic.epoch
        self._subscription = topic.subscriptions  # the one since which the log was last read
        self._checked = False  # the cursor was held against the log
        self._behind = True  # the log may hold more than the topic knows of
        self._ended = False
        self._nudged = False
        self._ready: Batch = ()  # what `begin` found
        self._at_terminal = False  # the last event handed out was a terminal one
        self._failures = 0
        self.on_close: Callable[[], None] | None = None
        topic.places.add(self._place)

    @property
    def cursor(self) -> Cursor:
        """The last event handed out."""
        return self._place.cursor

    @property
    def complete(self) -> bool:
        """Nothing follows what was handed out: the end of a log that was not to be followed, or a terminal event."""
        if self._ready or self._behind:
            return False
        # When the task was retried, something follows its terminal event.
        return not self._follow or (self._at_terminal and self._topic.newest.seq <= self._place.cursor.seq)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> "Viewer":
        return self

    async def begin(self) -> bool:
        """
        Reads what lies ready behind the position; whether there is such a log at all.

        It is the first batch then, even when it is empty. May be left out: the iteration begins by itself, and waits
        while Redis is away where this raises `Unavailable`.
        """
        await self._await_subscription()
        subscription = self._topic.subscriptions
        try:
            page = await self._fetch()
        except RolledBack:
            self._ready = self._start_over()
            return await self._log.last(self._topic.task_id) is not None
        self._subscription = subscription
        self._ready = self._learn(page.events)
        self._nudged = not self._ready
        self._at_terminal = page.at is not None and page.at.terminal
        return page.at is not None or bool(page.events)

    async def last_seq(self) -> int:
        """How far the log reached as the viewer began: up to there is history. Raises `Unavailable`."""
        last = await self._log.last(self._topic.task_id) if self._behind else None
        return last.seq if last else max(self._topic.newest.seq, self._place.cursor.seq)

    async def __anext__(self) -> Batch:
        if not self._checked:
            await self._await_subscription()
        while not self.over:
            self._place.bell.clear()
            found = self.at_hand()
            if not found and self.behind:
                found = await self.fetched()
            if found:
                return found
            if self._nudged:
                self._nudged = False
                return ()
            if self._failures:
                await listen(self._place.bell, self.patience_s)
            elif not self.over:
                await self._place.bell.wait()
        raise StopAsyncIteration

    @property
    def over(self) -> bool:
        return self._ended or self.complete

    @property
    def patience_s(self) -> float | None:
        """How long to wait for the bell at most; after a failed read it is time to try again before it rings."""
        return backoff_s(self._failures) if self._failures else None

    def at_hand(self) -> Batch:
        """What can be had without reading; handed out with that."""
        if self._ready:
            ready, self._ready = self._ready, ()
            return self._hand_out(ready)
        topic = self._topic
        if topic.gone:
            self._ended = True
            return ()
        if self._epoch != topic.epoch:
            return self._start_over()
        if not self._checked or self._subscription != topic.subscriptions:
            return ()
        return self._hand_out(topic.after(self._place.cursor.seq))

    @property
    def behind(self) -> bool:
        """There is more in the log, or may be."""
        topic = self._topic
        behind = self._behind or topic.newest.seq > self._place.cursor.seq
        return (behind or self._subscription != topic.subscriptions) and not self.over

    async def fetched(self) -> Batch:
        """What has to be read; handed out with that. Nothing, at once, when there is no more."""
        return self._hand_out(await self._read()) if self.behind else ()

    def nudge(self) -> None:
        """Has an iteration that waits hand out an empty batch."""
        self._nudged = True
        self._place.bell.ring()

    def stop(self) -> None:
        """Ends the iteration at its next step, without a terminal event."""
        self._ended = True
        self._place.bell.ring()

    def close(self) -> None:
        self.stop()
        if self._place in self._topic.places:
            self._topic.places.discard(self._place)
            if self.on_close:
                self.on_close()

    async def _read(self) -> Batch:
        # Viewers that miss the same events read one after the other: the first fills the ring for all.
        async with self._topic.reading if self._checked else nullcontext():
            topic, cursor, newest = self._topic, self._place.cursor, self._topic.newest
            subscription = topic.subscriptions
            sound = self._checked and self._subscription == subscription
            if sound and (found := topic.after(cursor.seq)):
                return found
            try:
                page = (await self._fetch()).events
            except RolledBack:
                return self._start_over() if not self._checked else self._distrust()
            except Unavailable:
                self._failures += 1
                return ()
            if not page and newest.seq > cursor.seq:
                return self._distrust()
            self._subscription = subscription
            return self._learn(page)

    async def _fetch(self) -> Page:
        async with self._reads:
            return await self._log.page(self._topic.task_id, self._place.cursor, PAGE_MAX)

    def _learn(self, page: list[StoredEvent]) -> Batch:
        self._counters.gap_fills += bool(page) and self._checked and not self._behind
        if not page and self._starting_over:
            self._ended = True
        self._failures = 0
        self._checked = True
        self._behind = len(page) == PAGE_MAX
        self._topic.absorb(page)
        return page

    @property
    def _starting_over(self) -> bool:
        """Whether this is a replay after a reset: if it finds nothing, the log itself has gone."""
        return self._checked and self._place.cursor == START and self._behind

    def _distrust(self) -> Batch:
        """What was known of the log is not in it: all of its viewers start over."""
        self._topic.roll_back()
        return ()

    def _start_over(self) -> Batch:
        self._epoch = self._topic.epoch
        self._place.cursor = START
        self._at_terminal = False
        self._checked = True
        self._behind = True
        self._counters.resets += 1
        return STARTED_OVER

    def _hand_out(self, found: Batch) -> Batch:
        last = found[-1] if found else None
        if isinstance(last, StoredEvent):
            self._place.cursor = last.cursor
            self._counters.events_sent += len(found)
            self._at_terminal = last.terminal
        return found

    async def _await_subscription(self) -> None:
        if not self._follow or self._topic.confirmed:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(SUBSCRIBE_WAIT_S):
                while not (self._topic.confirmed or self._topic.gone or self._ended):
                    await self._place.bell.wait()
                    self._place.bell.clear()
