"""
Reads the firehose: what happened to any task of the shard, and what workers tell of themselves.

The firehose is a Redis stream, trimmed by length. Its entries name events (`t` task, `s` first number, `n` count),
which are read from the logs of their tasks, or hold those of a worker themselves (`e`, one per line). A position in it
is `<entry id>.<k>`: the first `k` events of the entry have been seen. Less than that names the entry, or a time in
milliseconds of the server's clock, and means all from there on.
"""

import re
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, NamedTuple

import orjson
import redis.asyncio

from app.errors import BadCursor
from app.events.log import Row, StoredEvent, type_of
from app.events.sse import frame, one_line
from app.keys import Keys
from app.redis_async import patient, translated
from app.redis_shared import SharedConnection

ENTRIES_MAX = 200
WAIT_MS = 2_000
OWNERS_KEPT = 10_000
POSITION = re.compile(r"([0-9]{1,15})(?:-([0-9]{1,15})(?:\.([0-9]{1,6}))?)?")


class Spot(NamedTuple):
    """A position in the firehose; they are ordered as what they stand for."""

    ms: int = 0
    n: int = 0
    k: int = 0

    @classmethod
    def parse(cls, text: str) -> "Spot":
        """Raises `BadCursor`."""
        match = POSITION.fullmatch(text)
        if match is None:
            raise BadCursor(f"A position is like 1795000047123-0.2, or a time in ms, not {text[:40]!r}.")
        return cls(*(int(part or 0) for part in match.groups()))

    @property
    def entry(self) -> str:
        return f"{self.ms}-{self.n}"

    def __str__(self) -> str:
        return f"{self.ms}-{self.n}.{self.k}"


OLDEST = Spot()


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a task is, and how it is labelled."""

    tenant: str
    labels: Mapping[str, str]


@dataclass(slots=True)
class FireEvent:
    """An event of a task or a worker, and where it stands in the firehose. Not to be changed."""

    spot: Spot
    body: bytes
    owner: Owner | None
    terminal = False  # to the firehose no event is the last one
    _type: str = field(default="", init=False, repr=False, compare=False)
    _frame: bytes = field(default=b"", init=False, repr=False, compare=False)

    @property
    def type(self) -> str:
        self._type = self._type or type_of(self.body)
        return self._type

    @property
    def frame(self) -> bytes:
        self._frame = self._frame or frame(str(self.spot), self.type, self.body)
        return self._frame

    @property
    def line(self) -> bytes:
        return one_line(self.body) + b"\n"


@dataclass(frozen=True, slots=True)
class FirePage:
    """
    Events behind a position, and the position behind them.

    `full` says that there is more. With `lost` what followed the position is no longer there, and the events are
    those from the oldest that is kept.
    """

    events: list[FireEvent]
    end: Spot
    full: bool = False
    lost: bool = False


Entry = tuple[Spot, dict[bytes, bytes]]


class FireLog:
    """Raises `Unavailable` when Redis is away for `retry_ms_max`."""

    def __init__(
        self, client: "redis.asyncio.Redis", shared: SharedConnection, keys: Keys, *, retry_ms_max: int
    ) -> None:
        self._client = client
        self._shared = shared
        self._keys = keys
        self._retry_ms_max = retry_ms_max
        self._owners: OrderedDict[str, Owner | None] = OrderedDict()

    async def end(self) -> Spot:
        """The position behind everything there is."""
        rows = await self._ask("XREVRANGE", self._keys.fire, "+", "-", "COUNT", 1)
        return _end_of(_entry(rows[0])) if rows else OLDEST

    async def page(self, after: Spot, limit: int = ENTRIES_MAX) -> FirePage:
        """What follows the position, of `limit` entries at most."""
        entries = await self._entries(after.entry, limit + 1)
        lost = after != OLDEST and await self._is_lost(after, entries)
        if lost:
            after, entries = OLDEST, await self._entries("-", limit + 1)
        events = await self._events(entries, after)
        end = _end_of(entries[-1]) if entries else after
        return FirePage(events, max(end, after), full=len(entries) > limit, lost=lost)

    async def wait(self, after: Spot) -> None:
        """Until there is an entry behind that of the position, or some time has passed."""
        # On a connection of the pool: it blocks.
        with translated():
            await self._client.xread({self._keys.fire: after.entry}, count=1, block=WAIT_MS)

    async def _entries(self, start: str, count: int) -> list[Entry]:
        rows = await self._ask("XRANGE", self._keys.fire, start, "+", "COUNT", count)
        return [_entry(row) for row in rows]

    async def _is_lost(self, after: Spot, entries: Sequence[Entry]) -> bool:
        """Whether something behind the position has been trimmed, or is another history."""
        if entries and entries[0][0][:2] == after[:2]:
            return False
        if after.k:
            # It was given out with an event of this entry, and the entry is not there.
            return True
        oldest = await self._entries("-", 1)
        return bool(oldest) and oldest[0][0] > after and await self._was_trimmed()

    async def _was_trimmed(self) -> bool:
        words = await self._ask("XINFO", "STREAM", self._keys.fire)
        about = dict(zip(words[::2], words[1::2], strict=True))
        return int(about[b"entries-added"]) > int(about[b"length"])

    async def _events(self, entries: Sequence[Entry], after: Spot) -> list[FireEvent]:
        unseen = [entry for entry in entries if _end_of(entry) > after]
        named = [entry for entry in unseen if b"t" in entry[1]]
        owners = await self._owners_of({fields[b"t"].decode() for _, fields in named})
        commands = [_range(self._keys, fields) for _, fields in named]
        replies = iter(await self._ask_all(commands))
        found = (
            _stored(spot, fields, next(replies), owners) if b"t" in fields else _told(spot, fields)
            for spot, fields in unseen
        )
        return [event for event in chain.from_iterable(found) if event.spot > after]

    async def _owners_of(self, task_ids: set[str]) -> Mapping[str, Owner | None]:
        unknown = [task_id for task_id in task_ids if task_id not in self._owners]
        replies = await self._ask_all([("HMGET", self._keys.task(task_id), "tenant", "labels") for task_id in unknown])
        found = {task_id: self._owners[task_id] for task_id in task_ids if task_id in self._owners}
        for task_id, (tenant, labels) in zip(unknown, replies, strict=True):
            found[task_id] = self._owners[task_id] = Owner(tenant.decode(), orjson.loads(labels)) if tenant else None
        while len(self._owners) > OWNERS_KEPT:
            self._owners.popitem(last=False)
        return found

    async def _ask(self, *words: str | int) -> Any:
        return await patient(lambda: self._shared.execute_command(*words), self._retry_ms_max)

    async def _ask_all(self, commands: Sequence[tuple[str | int, ...]]) -> list[Any]:
        return await patient(lambda: self._shared.execute_many(commands), self._retry_ms_max)


def _entry(row: tuple[bytes, list[bytes]]) -> Entry:
    entry_id, words = row
    ms, _, n = entry_id.partition(b"-")
    return Spot(int(ms), int(n)), dict(zip(words[::2], words[1::2], strict=True))


def _end_of(entry: Entry) -> Spot:
    """The position behind all events of the entry."""
    spot, fields = entry
    count = int(fields[b"n"]) if b"t" in fields else fields.get(b"e", b"").count(b"\n") + 1
    return spot._replace(k=count)


def _range(keys: Keys, fields: dict[bytes, bytes]) -> tuple[str | int, ...]:
    first, count = int(fields[b"s"]), int(fields[b"n"])
    return ("XRANGE", keys.events(fields[b"t"].decode()), first, first + count - 1, "COUNT", count)


def _stored(
    spot: Spot, fields: dict[bytes, bytes], rows: Sequence[Row], owners: Mapping[str, Owner | None]
) -> list[FireEvent]:
    """The events that an entry names; none when their task has been deleted."""
    owner, before = owners[fields[b"t"].decode()], int(fields[b"s"]) - 1
    stored = [StoredEvent.of(entry_id, body) for entry_id, (_, body) in rows]
    return [FireEvent(spot._replace(k=event.seq - before), event.body, owner) for event in stored]


def _told(spot: Spot, fields: dict[bytes, bytes]) -> list[FireEvent]:
    """What a worker tells of itself."""
    lines = fields.get(b"e", b"").split(b"\n")
    return [FireEvent(spot._replace(k=k), line, None) for k, line in enumerate(lines, 1) if _is_event(line)]


def _is_event(line: bytes) -> bool:
    try:
        return bool(type_of(line))
    except (ValueError, KeyError, TypeError):
        return False
