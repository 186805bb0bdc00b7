"""
The event log of a task: positions in it, and bounded reads.

The log is a Redis stream whose entry ids are `<seq>-<rand16>`. `seq` counts 1, 2, 3 … without a gap;
the random half tells two histories apart: after a failover that lost the tail, the same `seq` is given
out again with other content. So every read begins at the entry of its cursor and compares it.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import orjson
import redis.asyncio

from app.errors import BadCursor
from app.events.sse import frame
from app.keys import Keys
from app.model.events import TERMINAL_TYPES
from app.redis_async import patient

PAGE_MAX = 500
RAND_MAX = 0xFFFF
Row = tuple[bytes, dict[bytes, bytes]]
CURSOR_PATTERN = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,5}))?")


class RolledBack(BadCursor):
    """The log no longer holds what the cursor saw: its tail was lost in a failover, or all of it has gone."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """The last event a reader has seen; without `rand` the reader did not remember the whole id."""

    seq: int = 0
    rand: int | None = None

    @classmethod
    def parse(cls, text: str | None) -> "Cursor":
        """Reads `seq` or `seq-rand`; nothing and 0 mean the start. Raises `BadCursor`."""
        if not text:
            return START
        match = CURSOR_PATTERN.fullmatch(text)
        rand = int(match[2]) if match and match[2] else None
        if match is None or (rand is not None and rand > RAND_MAX):
            raise BadCursor(f"A position is a number or an event id such as 42-51873, not {text[:40]!r}.")
        return cls(int(match[1]), rand)

    def admits(self, event: "StoredEvent | None") -> bool:
        """Whether `event`, the stored entry at this position, is the one the reader has seen."""
        if self.seq == 0:
            return True
        return event is not None and event.seq == self.seq and self.rand in (None, event.rand)


START = Cursor()


# No slots: the cached properties live in the instance's dictionary.
@dataclass(frozen=True)
class StoredEvent:
    """One event as it is stored: its place in the log and its JSON bytes, untouched."""

    seq: int
    rand: int
    body: bytes

    @classmethod
    def of(cls, entry_id: bytes, fields: dict[bytes, bytes]) -> "StoredEvent":
        seq, _, rand = entry_id.partition(b"-")
        return cls(int(seq), int(rand), fields[b"e"])

    @property
    def id(self) -> str:
        return f"{self.seq}-{self.rand}"

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.seq, self.rand)

    @cached_property
    def type(self) -> str:
        return str(orjson.loads(self.body)["type"])

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL_TYPES

    @cached_property
    def frame(self) -> bytes:
        """The SSE frame, encoded once and shared by all viewers."""
        return frame(self.id, self.type, self.body)


class EventLog:
    """Reads the logs of one shard; raises `Unavailable` when Redis is away for `retry_ms_max`."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, *, retry_ms_max: int) -> None:
        self._redis = client
        self._keys = keys
        self._retry_ms_max = retry_ms_max

    async def read(self, task_id: str, after: Cursor = START, limit: int = PAGE_MAX) -> list[StoredEvent]:
        """
        At most `limit` events behind the cursor, oldest first; fewer mean that the end was reached.

        Raises `RolledBack` when the stored entry at the cursor is another one or missing.
        """
        key, count = self._keys.events(task_id), limit + (after.seq > 0)
        rows = await patient(lambda: self._redis.xrange(key, min=f"{after.seq}-0", count=count), self._retry_ms_max)
        events = [StoredEvent.of(*row) for row in cast("list[Row]", rows)]
        if not after.admits(events[0] if events else None):
            raise RolledBack(f"The log does not hold the event at position {after.seq} any more.")
        return events[1:] if after.seq else events

    async def pages(
        self, task_id: str, after: Cursor = START, limit: int = PAGE_MAX
    ) -> AsyncIterator[list[StoredEvent]]:
        """The whole log behind the cursor, page by page, up to its present end."""
        while True:
            page = await self.read(task_id, after, limit)
            if page:
                yield page
            if len(page) < limit:
                return
            after = page[-1].cursor

    async def last(self, task_id: str) -> StoredEvent | None:
        """The newest event, or `None` for a task that has no log."""
        return (await self.tails([task_id]))[0]

    async def tails(self, task_ids: list[str]) -> list[StoredEvent | None]:
        """The newest event of each log, in one round trip."""

        async def ask() -> list[list[Row]]:
            pipeline = self._redis.pipeline(transaction=False)
            for task_id in task_ids:
                pipeline.xrevrange(self._keys.events(task_id), count=1)
            return await pipeline.execute()

        replies = await patient(ask, self._retry_ms_max)
        return [StoredEvent.of(*rows[0]) if rows else None for rows in replies]
