"""
The event log of a task: positions in it, and bounded reads.

The log is a Redis stream whose entry ids are `<seq>-<rand16>`. `seq` counts 1, 2, 3 … without a gap;
the random half tells two histories apart: after a failover that lost the tail, the same `seq` is given
out again with other content. So every read begins at the entry of its cursor and compares it.
"""

import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import NamedTuple

import orjson

from app.errors import BadCursor
from app.events.sse import frame, one_line
from app.keys import Keys
from app.model.events import TERMINAL_TYPES
from app.redis_async import patient
from app.redis_shared import SharedConnection

PAGE_MAX = 500
RAND_MAX = 0xFFFF
Row = tuple[bytes, tuple[bytes, bytes]]
BEGINNING = re.compile(rb'\{"v":1,(?:"seq":\d+,)?"type":"([a-z_.]+)"')
#: How far behind the beginning of an event its time is over.
TS_WITHIN = 120
CURSOR_PATTERN = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,5}))?")


class RolledBack(BadCursor):
    """The log no longer holds what the cursor saw: its tail was lost in a failover, or all of it has gone."""


class Cursor(NamedTuple):
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

    def __str__(self) -> str:
        return str(self.seq) if self.rand is None else f"{self.seq}-{self.rand}"

    def admits(self, event: "StoredEvent | None") -> bool:
        """Whether `event`, the stored entry at this position, is the one the reader has seen."""
        if self.seq == 0:
            return True
        return event is not None and event.seq == self.seq and self.rand in (None, event.rand)


START = Cursor()


@dataclass(slots=True)
class StoredEvent:
    """One event as it is stored: its place in the log and its JSON bytes, untouched. Not to be changed."""

    seq: int
    rand: int
    body: bytes
    _type: str = field(default="", init=False, repr=False, compare=False)
    _frame: bytes = field(default=b"", init=False, repr=False, compare=False)

    @classmethod
    def of(cls, entry_id: bytes, body: bytes) -> "StoredEvent":
        seq, _, rand = entry_id.partition(b"-")
        return cls(int(seq), int(rand), body)

    @property
    def id(self) -> str:
        return f"{self.seq}-{self.rand}"

    @property
    def cursor(self) -> Cursor:
        return Cursor(self.seq, self.rand)

    @property
    def type(self) -> str:
        self._type = self._type or type_of(self.body)
        return self._type

    @property
    def ts(self) -> int:
        """When it was written, epoch milliseconds of the server; 0 when it does not say so as scripts do."""
        digits = self.body[:TS_WITHIN].partition(b',"ts":')[2].partition(b",")[0]
        return int(digits) if digits.isdigit() else 0

    @property
    def terminal(self) -> bool:
        return self.type in TERMINAL_TYPES

    @property
    def frame(self) -> bytes:
        """The SSE frame, encoded once and shared by all viewers."""
        self._frame = self._frame or frame(self.id, self.type, self.body)
        return self._frame

    @property
    def line(self) -> bytes:
        """The line of NDJSON."""
        return one_line(self.body) + b"\n"


def type_of(body: bytes) -> str:
    """The type of an event; how scripts and workers begin one makes it cheap to find."""
    found = BEGINNING.match(body)
    return found[1].decode() if found else str(orjson.loads(body)["type"])


@dataclass(frozen=True, slots=True)
class Page:
    """A part of a log: the event at the reader's position, if it has one, and those behind it."""

    at: StoredEvent | None
    events: list[StoredEvent]


class EventLog:
    """
    Reads the logs of one shard; raises `Unavailable` when Redis is away for `retry_ms_max`.

    Pages are large: the connection should be for logs alone, so that nobody else waits behind them.
    """

    def __init__(self, shared: SharedConnection, keys: Keys, *, retry_ms_max: int) -> None:
        self._shared = shared
        self._keys = keys
        self._retry_ms_max = retry_ms_max

    async def read(self, task_id: str, after: Cursor = START, limit: int = PAGE_MAX) -> list[StoredEvent]:
        """The events of the `page` behind the cursor."""
        return (await self.page(task_id, after, limit)).events

    async def page(self, task_id: str, after: Cursor = START, limit: int = PAGE_MAX) -> Page:
        """
        At most `limit` events behind the cursor, oldest first; fewer mean that the end was reached.

        Raises `RolledBack` when the stored entry at the cursor is another one or missing.
        """
        count = limit + (after.seq > 0)
        words = ("XRANGE", self._keys.events(task_id), f"{after.seq}-0", "+", "COUNT", count)
        rows = await patient(lambda: self._shared.execute_command(*words), self._retry_ms_max)
        events = [_event(row) for row in rows]
        if not after.admits(events[0] if events else None):
            raise RolledBack(f"The log does not hold the event at position {after.seq} any more.")
        return Page(events[0], events[1:]) if after.seq else Page(None, events)

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

        commands = [("XREVRANGE", self._keys.events(task_id), "+", "-", "COUNT", 1) for task_id in task_ids]
        replies = await patient(lambda: self._shared.execute_many(commands), self._retry_ms_max)
        return [_event(rows[0]) if rows else None for rows in replies]


def _event(row: Row) -> StoredEvent:
    entry_id, (_, body) = row
    return StoredEvent.of(entry_id, body)
