"""
The hub of a process: all viewers of all watched tasks on one push connection.

    scripts ── XADD ──► log of the task ──────── XRANGE: history, holes, slow viewers ───┐
       └────── SPUBLISH ──► one connection per process ──► topic (ring) ──► viewers ◄────┘

Pushes are fast and may be lost; the log is neither. A topic subscribes before its first viewer reads,
so what is written in between is pushed. A `seq` that does not follow on, a reconnect, and a comparison of quiet
topics with the stored end every few seconds each send viewers to the log for what is missing. What a viewer reads there
begins with the event that it has seen last, so a history that is another one shows.
"""

import asyncio
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Self

import redis.asyncio
import structlog

from app.errors import Unavailable
from app.events.log import START, Cursor, EventLog, StoredEvent
from app.events.places import Places
from app.events.pushes import Pushes
from app.events.topic import Bell, Topic
from app.events.viewer import Viewer
from app.keys import Keys

RECONCILE_BATCH_MAX = 200
READS_MAX = 64
VIEWERS_MAX = 10_000
CANCEL_AGAIN_S = 0.1

log = structlog.get_logger(__name__)


class Hub:
    """Gives out viewers; `async with` runs its connection and its reconciliation."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: Keys,
        event_log: EventLog,
        *,
        viewer_queue_max: int = 256,
        places: Places | None = None,
        reconcile_s: float = 15.0,
    ) -> None:
        self._places = places or Places(VIEWERS_MAX)
        self.counters = self._places.counters
        self._keys = keys
        self._log = event_log
        self._ring_max = viewer_queue_max
        self._reconcile_s = reconcile_s
        self._topics: dict[bytes, Topic] = {}  # by channel
        self._reads = asyncio.Semaphore(READS_MAX)
        self._doubted: set[Topic] = set()  # pushed to what may be another history, not compared yet
        self._check_now = asyncio.Event()
        self._pushes = Pushes(client, on_push=self._on_push, on_confirmed=self._on_confirmed, on_lost=self._on_lost)
        self._duties: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._duties = [
            asyncio.create_task(self._pushes.run(), name="hub-pushes"),
            asyncio.create_task(self._reconcile_regularly(), name="hub-reconcile"),
        ]
        return self

    async def __aexit__(self, *_: object) -> None:
        for topic in self._topics.values():
            topic.gone = True
            topic.announce()
        # More than once, because a cancellation in the middle of a handshake may be swallowed (`wait_for` on 3.11).
        while running := [duty for duty in self._duties if not duty.done()]:
            for duty in running:
                duty.cancel()
            await asyncio.wait(running, timeout=CANCEL_AGAIN_S)

    def watch(self, task_id: str, cursor: Cursor = START, *, follow: bool = True, bell: Bell | None = None) -> Viewer:
        """
        A viewer of the task's log from behind `cursor`, up to its present end without `follow`; close it when done.

        Who waits for several viewers at once gives them one `bell`, which is rung when there is news. Raises
        `Unavailable` when this process has as many viewers as it may.
        """
        self._places.take()
        topic = self._topic(task_id) if follow else Topic(task_id, self._ring_max)
        topic.idle_since = None
        viewer = Viewer(topic, cursor, self._log, self.counters, self._reads, follow=follow, bell=bell)
        viewer.on_close = lambda: self._on_close(topic)
        return viewer

    def _topic(self, task_id: str) -> Topic:
        """What all viewers of the task share. Those who do not follow get nothing pushed, and one of their own."""
        return self._topics.get(self._keys.events(task_id).encode()) or self._open(task_id)

    def _open(self, task_id: str) -> Topic:
        channel = self._keys.events(task_id)
        topic = self._topics[channel.encode()] = Topic(task_id, self._ring_max)
        self._pushes.subscribe(channel)
        return topic

    def _drop(self, topic: Topic) -> None:
        channel = self._keys.events(topic.task_id)
        del self._topics[channel.encode()]
        self._pushes.unsubscribe(channel)

    def _on_close(self, topic: Topic) -> None:
        self._places.give_back()
        if not topic.places:
            topic.idle_since = asyncio.get_running_loop().time()

    def _on_push(self, channel: bytes, payload: bytes) -> None:
        topic = self._topics.get(channel)
        if topic is None:
            return
        topic.heard = True
        # A payload that is no event is no reason to lose the connection; the log decides what is true.
        with suppress(ValueError):
            events = [_pushed(line) for line in payload.split(b"\n")]
            if topic.doubts(events[0]):
                self._doubted.add(topic)
                self._check_now.set()
            topic.absorb(events)
            if topic.places and (ts := events[-1].ts):
                # Behind the viewers that have just been woken, which take their turns first.
                asyncio.get_running_loop().call_soon(self._delivered, ts)

    def _delivered(self, ts: int) -> None:
        self.counters.delivery_lag.observe(time.time() - ts / 1000)

    def _on_confirmed(self, channel: bytes) -> None:
        if topic := self._topics.get(channel):
            topic.confirm()

    def _on_lost(self) -> None:
        self.counters.reconnects += 1
        for topic in self._topics.values():
            topic.confirmed = False

    async def _reconcile_regularly(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._reconcile_s
            while loop.time() < due:
                await self._reconcile_doubted(due)
            await self._reconcile(self._quiet())
            self._drop_idle()

    def _quiet(self) -> list[Topic]:
        """Topics without a push since the last look; one that is pushed to shows by itself whether it follows on."""
        quiet = [topic for topic in self._topics.values() if not topic.heard]
        for topic in self._topics.values():
            topic.heard = False
        return quiet

    async def _reconcile_doubted(self, deadline: float) -> None:
        """Compares what is doubted, as soon as there is such a topic."""
        with suppress(TimeoutError):
            async with asyncio.timeout_at(deadline):
                await self._check_now.wait()
        self._check_now.clear()
        doubted, self._doubted = self._doubted, set()
        await self._reconcile(doubted)

    async def _reconcile(self, topics: Iterable[Topic]) -> None:
        """Compares every watched log's stored end with what its topic knows."""
        watched = [topic for topic in topics if topic.places]
        try:
            for start in range(0, len(watched), RECONCILE_BATCH_MAX):
                await self._compare(watched[start : start + RECONCILE_BATCH_MAX])
        except Unavailable:
            log.info("reconcile_postponed", topics=len(watched))
        # The loop outlives whatever a single comparison trips over.
        except Exception:
            log.exception("reconcile_failed")

    async def _compare(self, batch: list[Topic]) -> None:
        before = [(topic.epoch, topic.newest) for topic in batch]
        tails = await self._log.tails([topic.task_id for topic in batch])
        for topic, known, tail in zip(batch, before, tails, strict=True):
            topic.compare(known, tail)

    def _drop_idle(self) -> None:
        """Forgets topics that nobody watches: after a while, at once when there are very many."""
        crowded = len(self._topics) > self._places.viewers_max
        deadline = asyncio.get_running_loop().time() - self._reconcile_s
        for topic in list(self._topics.values()):
            idle = topic.idle_since is not None and (crowded or topic.idle_since <= deadline)
            if idle or topic.gone:
                self._drop(topic)


def _pushed(line: bytes) -> StoredEvent:
    """One line of a push: the events of one transition come together."""
    entry_id, _, body = line.partition(b" ")
    return StoredEvent.of(entry_id, body)
