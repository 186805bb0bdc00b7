"""
How entries come from the server to one worker process.

Each read is one of three: lapsed entries, when it is time or somebody calls (see `calls.py`), new entries
in order of level, or a blocking read that ends as soon as something arrives. There is no loop of polls.
"""

import time
from typing import TYPE_CHECKING, Any

from .connections import BLOCK_MS_MAX, Line
from .keys import LEVELS, QueueKeys
from .leases import Look, entry_of
from .message import Entry, Verdict
from .retrying import JITTER
from .scripts import ScriptArgument, command, load_script
from .settlement import Settled

if TYPE_CHECKING:
    from .presence import Presence

READ = load_script(__package__, "read.lua", includes=("_layout.lua",))

PENDING_PAGE = 1_000
#: Entries of a shared stream that one read looks at.
SHARED_PAGE = 100
TIDY_EVERY_S = 300.0
#: Spreads the readers of a fleet, which all wait for the same moment.
LOOK_JITTER_S = 0.1
TIMEOUT_MS_USUAL = 1_000

#: Which levels to read first: every sixteenth read begins with low entries, and one with normal ones,
#: so that a flood of high ones slows the others down and never stops them.
_HIGH_FIRST = (0, 1, 2)
_NORMAL_FIRST = (1, 0, 2)
_LOW_FIRST = (2, 1, 0)
READ_ORDERS = (*[_HIGH_FIRST] * 7, _NORMAL_FIRST, *[_HIGH_FIRST] * 7, _LOW_FIRST)


class Reader:
    """Reads one queue's three streams, under the name of this process."""

    def __init__(self, presence: "Presence", keys: QueueKeys, timeout_ms: int) -> None:
        self._presence = presence
        self._keys = keys
        self._held = presence.held(keys.queue)
        # A second is what Dramatiq's command line asks for; a longer wait on the server costs half.
        self._block_ms = BLOCK_MS_MAX if timeout_ms >= TIMEOUT_MS_USUAL else max(1, timeout_ms)
        self._levels = {stream.encode(): level for level, stream in enumerate(keys.streams)}
        self._prepared = False
        self._line = Line(presence.connections.blocking)
        self._client_id = 0
        self.more_may_wait = True
        self._reads = 0
        self._look_at_s = 0.0
        self._looked_s = 0.0
        self._tidy_at_s = time.monotonic() + JITTER.uniform(0, TIDY_EVERY_S)

    def read(self, room: int, room_for_lapsed: int, block_ms: int | None = None) -> tuple[list[Entry], str | None]:
        """
        At most `room` entries, and the theft counter as it was known before they were read.

        Nothing from a paused queue. `block_ms` shortens the wait.
        """
        found = self.look(room_for_lapsed)
        if found is not None and found.entries:
            return found.entries, found.epoch
        if self._presence.pauses.holds(self._keys.queue):
            return [], None
        epoch = self._held.epoch
        if self.more_may_wait:
            entries = self._read_at_once(room)
            if entries or self.more_may_wait:
                return entries, epoch
        entries = self._read_blocking(room, room_for_lapsed, block_ms or self._block_ms)
        return entries, epoch

    def look(self, room: int = 0) -> Look | None:
        """Sweeps, when it is time, and learns whether the queue is paused."""
        if not self._prepared:
            self._prepare()
        now_s = time.monotonic()
        if now_s < self._look_due_s(room):
            return None
        if self._heeds_calls(room):
            self._held.calls.answered()
        if now_s >= self._tidy_at_s:
            self._tidy_at_s = now_s + TIDY_EVERY_S
            self._presence.leases.tidy(self._keys)
        found = self._presence.leases.sweep(self._keys, max(0, room))
        self._looked_s, self._look_at_s = now_s, now_s + found.next_s + JITTER.uniform(0, LOOK_JITTER_S)
        self._presence.pauses.set(self._keys.queue, paused=found.paused)
        return found

    def _look_due_s(self, room: int) -> float:
        heeds = self._heeds_calls(room)
        return self._held.calls.due_s(self._looked_s, self._look_at_s) if heeds else self._look_at_s

    def _heeds_calls(self, room: int) -> bool:
        """Calls are for those who have room, or who wait for the end of a pause."""
        return room > 0 or self._presence.pauses.holds(self._keys.queue)

    def _wait_ms(self, room: int, block_ms: int) -> int:
        if self._presence.stopping.is_set():
            return 1
        until_look_ms = int((self._look_due_s(room) - time.monotonic()) * 1000) + 1
        return max(1, min(block_ms, until_look_ms))

    def lose_track(self) -> None:
        """After an error anything may be pending under our name, and the group may be gone."""
        self._prepared = False
        self.more_may_wait = True
        # Nor is it known whether a call was answered.
        self._look_at_s = 0.0
        self._line.hang_up()

    def close(self) -> None:
        self._line.hang_up()

    def _prepare(self) -> None:
        self._presence.floor.check()
        self._client_id = int(self._line.call("CLIENT", "ID"))
        self._presence.ensure_group(self._keys.queue)
        for level in LEVELS:
            self._release_strays(level)
        self._prepared = True

    def _release_strays(self, level: int) -> None:
        """Hands back what is pending under our name although nobody here has it."""
        start = "-"
        while start:
            rows: Any = self._presence.connections.commands.xpending_range(
                self._keys.stream(level), self._keys.group, start, "+", PENDING_PAGE, self._presence.worker_id
            )
            ids = [row["message_id"].decode() for row in rows]
            strays = [entry_id for entry_id in ids if self._held.get(level, entry_id) is None]
            for entry_id in strays:
                self._presence.flusher.add(Settled(self._held, Entry(level, entry_id, None), Verdict.RELEASE))
            start = f"({ids[-1]}" if len(ids) == PENDING_PAGE else ""

    def _read_at_once(self, room: int) -> list[Entry]:
        order = READ_ORDERS[self._reads % len(READ_ORDERS)]
        self._reads += 1
        keys = [self._keys.stream(level) for level in order]
        args: list[ScriptArgument] = [self._keys.group, self._presence.worker_id, self._keys.shared_flag, room]
        reply = self._line.script(READ, keys, [*args, max(SHARED_PAGE, room)])
        skipped, counts = reply[0], reply[1:4]
        levels = [level for level, count in zip(order, counts, strict=True) for _ in range(count)]
        self.more_may_wait = len(levels) >= room or skipped == 1
        return [
            Entry(level, entry_id.decode(), body)
            for level, entry_id, body in zip(levels, reply[4::2], reply[5::2], strict=True)
        ]

    def _read_blocking(self, room: int, room_for_lapsed: int, block_ms: int) -> list[Entry]:
        """Waits for entries of any level: none was there a moment ago."""
        # COUNT applies to each stream, and other queues of this process may be waiting for the same room.
        # With room for less than three, and an entry for each level in the same moment, two too many come.
        count = max(1, room // (len(LEVELS) * self._presence.queues_read))
        self._presence.blocked[self._client_id] = self._keys.queue
        try:
            # Only now: who called before the line above could not wake us.
            wait_ms = self._wait_ms(room_for_lapsed, block_ms)
            reply = self._line.call(
                "XREADGROUP", "GROUP", self._keys.group, self._presence.worker_id, "COUNT", count, "BLOCK", wait_ms,
                "STREAMS", *self._keys.streams, ">", ">", ">",
            )  # fmt: skip
        finally:
            self._presence.blocked.pop(self._client_id, None)
        self.more_may_wait = bool(reply)
        return [
            entry_of(self._levels[stream], entry_id, fields)
            for stream, rows in reply or ()
            for entry_id, fields in self._own(stream, rows)
        ]

    def _own(self, stream: bytes, rows: list[list[Any]]) -> list[list[Any]]:
        """Without the entries of other queues, which are acknowledged for our group and no more."""
        if not self._keys.shared:
            return rows
        own = [row for row in rows if _queue_of(row[1]) == self._keys.queue.encode()]
        foreign = [row[0] for row in rows if row not in own]
        if foreign:
            command(self._presence.connections.commands, "XACK", stream, self._keys.group, *foreign)
        return own


def _queue_of(fields: list[bytes] | None) -> bytes | None:
    pairs = dict(zip(fields[::2], fields[1::2], strict=True)) if fields else {}
    return pairs.get(b"q")
