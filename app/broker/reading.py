"""
How entries come from the server to one worker process.

Each read is one of three: lapsed entries of dead workers (once per second fleet-wide), new entries in
order of level, or a blocking read that ends as soon as something arrives. There is no loop of polls.
"""

import time
from typing import TYPE_CHECKING, Any

from .connections import BLOCK_MS_MAX
from .keys import LEVELS, QueueKeys
from .leases import SWEEP_INTERVAL_MS, entry_of
from .message import Entry, Verdict
from .retrying import JITTER
from .scripts import ScriptArgument, command, load_script, run_script
from .settlement import Settled

if TYPE_CHECKING:
    from .presence import Presence

READ = load_script(__package__, "read.lua")

PENDING_PAGE = 1_000
TIDY_EVERY_S = 60.0

#: Which levels to read first: every sixteenth read begins with low entries, and one with normal ones,
#: so that a flood of high ones slows the others down and never stops them.
_HIGH_FIRST = (0, 1, 2)
_NORMAL_FIRST = (1, 0, 2)
_LOW_FIRST = (2, 1, 0)
READ_ORDERS = (*[_HIGH_FIRST] * 7, _NORMAL_FIRST, *[_HIGH_FIRST] * 7, _LOW_FIRST)


class Reader:
    """Reads one queue's three streams, under the name of this process."""

    def __init__(self, presence: "Presence", keys: QueueKeys, block_ms: int) -> None:
        self._presence = presence
        self._keys = keys
        self._held = presence.held(keys.queue)
        self._block_ms = max(1, min(BLOCK_MS_MAX, block_ms))
        self._levels = {stream.encode(): level for level, stream in enumerate(keys.streams)}
        self._prepared = False
        self._more_may_wait = True
        self._reads = 0
        self._sweep_at_s = 0.0
        self._tidy_at_s = time.monotonic() + JITTER.uniform(0, TIDY_EVERY_S)

    def read(self, room: int) -> tuple[list[Entry], str | None]:
        """At most `room` entries, and the theft counter as it was known before they were read."""
        if not self._prepared:
            self._prepare()
        swept = self._sweep(room)
        if swept is not None and swept[1]:
            return swept[1], swept[0]
        epoch = self._held.epoch
        if self._more_may_wait:
            entries = self._read_at_once(room)
            self._more_may_wait = len(entries) >= room
            if entries:
                return entries, epoch
        entries = self._read_blocking(room)
        self._more_may_wait = bool(entries)
        return entries, epoch

    def lose_track(self) -> None:
        """After an error anything may be pending under our name, and the group may be gone."""
        self._prepared = False
        self._more_may_wait = True

    def _prepare(self) -> None:
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

    def _sweep(self, room: int) -> tuple[str, list[Entry]] | None:
        now_s = time.monotonic()
        if now_s < self._sweep_at_s:
            return None
        self._sweep_at_s = now_s + SWEEP_INTERVAL_MS / 1000
        if now_s >= self._tidy_at_s:
            self._tidy_at_s = now_s + TIDY_EVERY_S
            self._presence.leases.tidy(self._keys)
        return self._presence.leases.sweep(self._keys, room)

    def _read_at_once(self, room: int) -> list[Entry]:
        order = READ_ORDERS[self._reads % len(READ_ORDERS)]
        self._reads += 1
        keys = [self._keys.stream(level) for level in order]
        args: list[ScriptArgument] = [self._keys.group, self._presence.worker_id, room]
        rows = run_script(self._presence.connections.commands, READ, keys, args)
        return [entry_of(order[position], entry_id, fields) for position, entry_id, fields in rows]

    def _read_blocking(self, room: int) -> list[Entry]:
        """Waits for entries of any level: none was there a moment ago."""
        # COUNT applies to each stream, and other queues of this process may be waiting for the same room.
        count = max(1, room // (len(LEVELS) * self._presence.queues_read))
        reply = command(
            self._presence.connections.blocking, "XREADGROUP", "GROUP", self._keys.group, self._presence.worker_id,
            "COUNT", count, "BLOCK", self._block_ms,
            "STREAMS", *self._keys.streams, ">", ">", ">",
        )  # fmt: skip
        return [
            Entry(self._levels[stream], entry_id.decode(), (fields or {}).get(b"m"))
            for stream, rows in reply or ()
            for entry_id, fields in rows
        ]
