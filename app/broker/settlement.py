"""
What became of an entry, and the script call that makes it so.

    ack       XACK + XDEL; many entries of a stream in one call
    ack with an outbox, bury, postpone
              one call per entry: XACK + XDEL, and the messages that follow, or the dead letter
    release   the entry stays in its stream, at its place, free for the next sweep
    leave     the entry stays pending, is no longer renewed, and lapses with its lease; a mark of its
              beginning is taken back
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from .calls import RELEASE_PAUSE_S
from .held import Held
from .keys import ShardKeys
from .message import Entry, Put, StreamProxy, Verdict, put_parts
from .reporting import reporter
from .scripts import Script, ScriptArgument, load_script

ACK = load_script(__package__, "ack.lua", includes=("_owner.lua", "_layout.lua"))
SETTLE = load_script(__package__, "settle.lua", includes=("_owner.lua", "_layout.lua", "_put.lua"))
RELEASE = load_script(__package__, "release.lua", includes=("_owner.lua", "_starts.lua"))
LEAVE = load_script(__package__, "leave.lua", includes=("_owner.lua", "_starts.lua"))

IDS_PER_CALL_MAX = 500
ERROR_CHARS_MAX = 2_000

logger = reporter(__name__)


@dataclass(frozen=True, slots=True)
class Burial:
    """Why an entry becomes a dead letter."""

    reason: str
    error: str

    def meta_head(self, entry: Entry) -> str:
        """The meta without its closing brace: the script adds the time of death, by the server's clock."""
        meta: dict[str, Any] = {
            "reason": self.reason,
            "error": self.error[:ERROR_CHARS_MAX],
            "level": int(entry.level),
            "deliveries": entry.deliveries,
        }
        if entry.starts:
            meta["history"] = entry.history
        return json.dumps(meta, separators=(",", ":"))[:-1]


@dataclass(frozen=True, slots=True)
class Settled:
    """A decision about one entry, not yet known to the server."""

    held: Held
    entry: Entry
    verdict: Verdict
    epoch: str | None = None
    puts: Sequence[Put] = ()
    message_id: str | None = None
    burial: Burial | None = None
    #: Whether the server knows that this run began.
    marked: bool = False

    @classmethod
    def of(cls, held: Held, proxy: StreamProxy, verdict: Verdict, burial: Burial | None = None) -> "Settled":
        puts = tuple(proxy.outbox)
        if verdict is Verdict.RELEASE and proxy.release_ms:
            # Postponed means delayed: the same message, by way of the due set.
            verdict, puts = Verdict.ACK, (_again(held, proxy, proxy.release_ms),)
        return cls(held, proxy.entry, verdict, proxy.epoch, puts, proxy.message_id, burial, proxy.marked)

    def forget(self) -> None:
        """Lets go of the entry, whether it is settled or shall lapse."""
        self.held.drop(self.entry.level, [self.entry.entry_id])

    @property
    def is_plain_ack(self) -> bool:
        return self.verdict is Verdict.ACK and not self.puts and not self.marked and not self.entry.starts


@dataclass(slots=True)
class Call:
    """One script call of a flush, and what its reply means here."""

    script: Script
    keys: Sequence[str]
    args: Sequence[ScriptArgument]
    settled: Sequence[Settled]
    done: Callable[["Call", Any], None] = field(repr=False)

    def forget(self) -> None:
        for settled in self.settled:
            settled.forget()


@dataclass(frozen=True, slots=True)
class Clerk:
    """Turns decisions into script calls, in the name of one worker."""

    keys: ShardKeys
    worker_id: str
    dead_max: int
    dead_ttl_ms: int

    def calls(self, gathered: Sequence[Settled]) -> Iterator[Call]:
        """As few calls as there are streams for plain acknowledgements and releases, one for each other."""
        together: defaultdict[tuple[bool, int, int], list[Settled]] = defaultdict(list)
        for settled in gathered:
            if settled.is_plain_ack or settled.verdict is Verdict.RELEASE:
                place = (settled.is_plain_ack, id(settled.held), settled.entry.level)
                together[place].append(settled)
            elif settled.verdict is Verdict.LEAVE:
                yield self._leave(settled)
            else:
                yield self._settle(settled)
        for (is_ack, _, _), group in together.items():
            for start in range(0, len(group), IDS_PER_CALL_MAX):
                chunk = group[start : start + IDS_PER_CALL_MAX]
                yield self._ack(chunk) if is_ack else self._release(chunk)

    def _ack(self, chunk: Sequence[Settled]) -> Call:
        held, level = chunk[0].held, chunk[0].entry.level
        epoch = held.epoch or ""
        trusted = [s.entry.entry_id for s in chunk if s.epoch == epoch]
        doubtful = [s.entry.entry_id for s in chunk if s.epoch != epoch]
        args: list[ScriptArgument] = [held.keys.group, self.worker_id, held.keys.shared_flag, epoch, len(trusted)]
        keys = [held.keys.stream(level), held.keys.sweep, held.keys.depth]
        return Call(ACK, keys, [*args, *trusted, *doubtful], chunk, _acked)

    def _release(self, chunk: Sequence[Settled]) -> Call:
        held, level = chunk[0].held, chunk[0].entry.level
        keys = [held.keys.stream(level), held.keys.sweep, held.keys.sweep_lock, held.keys.starts]
        args: list[ScriptArgument] = [held.keys.group, self.worker_id, int(level), self.keys.wake]
        for settled in chunk:
            args += (settled.entry.entry_id, "1" if settled.marked else "")
        return Call(RELEASE, keys, args, chunk, _released)

    def _leave(self, settled: Settled) -> Call:
        queue, entry = settled.held.keys, settled.entry
        field_name = queue.start_field(entry.level, entry.entry_id)
        args: list[ScriptArgument] = [queue.group, self.worker_id, entry.entry_id, field_name]
        return Call(LEAVE, [queue.stream(entry.level), queue.starts], args, [settled], _left)

    def _settle(self, settled: Settled) -> Call:
        queue, entry = settled.held.keys, settled.entry
        put_keys, queues, messages = put_parts(settled.puts)
        keys = [
            queue.stream(entry.level), queue.dlq, queue.dlq_bodies, queue.dlq_meta, queue.starts, queue.depth,
            self.keys.queues, *put_keys,
        ]  # fmt: skip
        member, body, meta = "", b"", ""
        if settled.burial is not None:
            member = settled.message_id or f"{int(entry.level)}|{entry.entry_id}"
            body, meta = entry.body or b"", settled.burial.meta_head(entry)
        field_name = queue.start_field(entry.level, entry.entry_id)
        args: list[ScriptArgument] = [queue.group, self.worker_id, entry.entry_id, field_name]
        args += [member, body, meta, self.dead_max, self.dead_ttl_ms, self.keys.wake, queue.shared_flag]
        args += [*queues[1:], *messages]
        return Call(SETTLE, keys, args, [settled], _settled)


def _again(held: Held, proxy: StreamProxy, delay_ms: int) -> Put:
    return Put(held.keys, proxy.entry.level, proxy.entry.body or b"", proxy.message_id, delay_ms)


def _acked(call: Call, reply: list[bytes]) -> None:
    call.settled[0].held.epoch = reply[0].decode()
    for entry_id in reply[1:]:
        _warn_lost(entry_id.decode())


def _settled(call: Call, reply: int) -> None:
    if reply == 0:
        _warn_lost(call.settled[0].entry.entry_id)


def _released(call: Call, _reply: int) -> None:
    # The wake channel says so too; this is for whoever does not hear it, or not now.
    call.settled[0].held.calls.call(RELEASE_PAUSE_S)


def _left(_call: Call, _reply: int) -> None:
    return


def _warn_lost(entry_id: str) -> None:
    logger.warning("entry not settled, it is another worker's by now", extra={"entry_id": entry_id})
