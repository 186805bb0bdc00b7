"""
Leases: how a live worker keeps its entries, and how those of a dead one come to others.

A process renews exactly what it knows it holds, each entry no longer than its deadline. What nobody
renews for a lease is taken over by the next sweep.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import redis
from redis.exceptions import ResponseError

from .errors import is_passing
from .held import Held
from .keys import LEVELS, QueueKeys, ShardKeys
from .message import Entry, StreamProxy
from .reporting import reporter
from .retrying import Trouble
from .scripts import ScriptArgument, load_script, run_script

RENEW = load_script(__package__, "renew.lua", includes=("_owner.lua",))
SWEEP = load_script(__package__, "sweep.lua", includes=("_layout.lua",))
START = load_script(__package__, "start.lua", includes=("_owner.lua",))
TIDY = load_script(__package__, "tidy.lua")
BEAT = load_script(__package__, "beat.lua")

logger = reporter(__name__)

IDS_PER_CALL_MAX = 500
SWEEP_INTERVAL_MS = 1_000
#: Nobody waits longer than this for a look, nor than a lease.
SWEEP_INTERVAL_MS_MAX = 10_000
SWEEP_SCAN_MAX = 10_000
TIDY_INTERVAL_MS = 300_000
CONSUMER_IDLE_MS = 600_000
WORKER_LISTED_MS = 600_000
BEATS_PER_LEASE = 3
#: Who holds nothing has no lease to lose; a report every second lease keeps it listed, which three would not.
BEATS_PER_REPORT = 6
#: Each of the first waits is twice the one before: what a program adds to its report may come a moment after the start.
SECOND_BEAT_S = 1.0
#: Of what a program adds to its reports.
ABOUT_CHARS_MAX = 20_000


@dataclass(frozen=True, slots=True)
class Look:
    """What a sweep found: what it took over, the theft counter after that, and when the next one is worth while."""

    paused: bool
    next_s: float
    epoch: str
    entries: list[Entry]


@dataclass(frozen=True, slots=True)
class Leases:
    """The lease scripts, in the name of one worker."""

    client: "redis.Redis"
    keys: ShardKeys
    worker_id: str
    lease_ms: int

    def sweep(self, queue: QueueKeys, free: int) -> Look:
        """Takes over at most `free` lapsed entries; none before the time that the last sweep, of whomever, found."""
        keys = [queue.sweep, queue.sweep_lock, ShardKeys(queue.tag).paused, queue.starts, *queue.streams]
        args: list[ScriptArgument] = [queue.group, self.worker_id, queue.shared_flag, self.lease_ms, free]
        longest_ms = max(SWEEP_INTERVAL_MS, min(self.lease_ms, SWEEP_INTERVAL_MS_MAX))
        args += [SWEEP_INTERVAL_MS, longest_ms, SWEEP_SCAN_MAX, queue.wake]
        paused, next_ms, *taken = run_script(self.client, SWEEP, keys, args)
        entries = [entry_of(int(level), i, fields, n, starts) for level, i, n, fields, starts in taken[1:]]
        return Look(bool(paused), next_ms / 1000, taken[0].decode() if taken else "", entries)

    def mark(self, queue: QueueKeys, entry: Entry) -> bool:
        """Says that a run of a redelivered entry begins. Repeating it changes nothing; False when it is not ours."""
        field = queue.start_field(entry.level, entry.entry_id)
        args: list[ScriptArgument] = [queue.group, self.worker_id, entry.entry_id, field, entry.deliveries]
        return bool(run_script(self.client, START, [queue.stream(entry.level), queue.starts], args))

    def tidy(self, queue: QueueKeys) -> int:
        """Deletes the names of dead consumers; returns how many."""
        keys = [queue.tidy_lock, self.keys.workers, *queue.streams]
        args: list[ScriptArgument] = [
            queue.group,
            self.worker_id,
            CONSUMER_IDLE_MS,
            self._beat_ttl_ms,
            TIDY_INTERVAL_MS,
            WORKER_LISTED_MS,
        ]
        return int(run_script(self.client, TIDY, keys, args))

    def renew(self, held: Held, level: int, proxies: list[StreamProxy]) -> None:
        """Renews these entries of one stream, and marks those as lost that another worker has by now."""
        by_id = {proxy.entry.entry_id: proxy for proxy in proxies}
        args = [held.keys.group, self.worker_id, *by_id]
        stolen, *lost = run_script(self.client, RENEW, [held.keys.stream(level), held.keys.sweep], args)
        for entry_id in lost:
            by_id.pop(entry_id.decode()).lost = True
        held.drop(level, [entry_id.decode() for entry_id in lost])
        held.epoch = stolen.decode()
        # What is ours at this reading of the counter was stolen by nobody before it.
        for proxy in by_id.values():
            proxy.epoch = held.epoch

    def beat(self, fields: dict[str, str | int]) -> None:
        flat = [part for pair in fields.items() for part in pair]
        keys = [self.keys.workers, self.keys.worker(self.worker_id)]
        run_script(self.client, BEAT, keys, [self.worker_id, self._beat_ttl_ms, *flat])

    def leave(self) -> None:
        """Takes this worker off the list of the living."""
        self.client.zrem(self.keys.workers, self.worker_id)
        self.client.delete(self.keys.worker(self.worker_id))

    @property
    def _beat_ttl_ms(self) -> int:
        return self.lease_ms * BEATS_PER_LEASE


class Heart:
    """The thread that renews this process's leases, three times per lease, on a connection of its own."""

    def __init__(
        self,
        leases: Leases,
        held: Callable[[], Iterable[Held]],
        deadline_s: Callable[[StreamProxy], float | None],
        about: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self._leases = leases
        self._held = held
        self._deadline_s = deadline_s
        self._added = about
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._about: dict[str, str | int] = {}
        self._trouble = Trouble("leases")
        self._beats = 0
        self._reported: dict[str, str | int] = {}

    def start(self, threads: int) -> None:
        self._about = {
            "host": socket.gethostname(),
            "pid": os.getpid(),
            "threads": threads,
            "started_at": int(time.time() * 1000),
        }
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="broker-heart", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is None:
            return
        self._stopped.set()
        self._thread.join()
        self._thread = None

    def _run(self) -> None:
        interval_s = self._leases.lease_ms / 1000 / BEATS_PER_LEASE
        wait_s = 0.0
        while not self._stopped.wait(wait_s):
            wait_s = min(interval_s, SECOND_BEAT_S * 2 ** min(self._beats, 10))
            try:
                self.beat()
                self._trouble.over()
            # Whatever it was, the entries we hold depend on the next beat.
            except Exception as error:  # noqa: BLE001
                self._trouble.met(error)
                # A lease has room for three beats; a failed one is repeated before the next is due.
                wait_s = min(interval_s, max(interval_s / 5, 1.0))

    def beat(self) -> None:
        """One sign of life: renews every entry whose deadline has not passed, then reports."""
        now_s = time.monotonic()
        in_flight = 0
        queues = []
        for held in self._held():
            queues.append(held.keys.queue)
            in_flight += len(held)
            try:
                for level in LEVELS:
                    self._renew(held, level, now_s)
            except ResponseError as error:
                if is_passing(error):
                    raise
                # A broken key of one queue must not cost the leases of the others.
                logger.error("leases not renewed", extra={"queue": held.keys.queue, "error": str(error)})  # noqa: TRY400
        self._beats += 1
        due = self._beats % BEATS_PER_REPORT == 1 or self._trouble.failures > 0
        facts = {**self._about, "queues": ",".join(sorted(queues)), "in_flight": in_flight}
        report = {**self._said_by_program(), **facts}
        if in_flight or due or report != self._reported:
            self._reported = report
            self._leases.beat(report)

    def _said_by_program(self) -> dict[str, str]:
        try:
            return bounded(self._added())
        # It is the program's own affair, and no reason to look dead.
        except Exception as error:  # noqa: BLE001
            logger.warning("nothing added to the report", extra={"error": repr(error)})
            return {}

    def _renew(self, held: Held, level: int, now_s: float) -> None:
        proxies = [proxy for proxy in held.at(level) if self._within_deadline(proxy, now_s)]
        for start in range(0, len(proxies), IDS_PER_CALL_MAX):
            self._leases.renew(held, level, proxies[start : start + IDS_PER_CALL_MAX])

    def _within_deadline(self, proxy: StreamProxy, now_s: float) -> bool:
        deadline_s = self._deadline_s(proxy)
        return deadline_s is None or now_s < deadline_s


def bounded(about: Mapping[str, str]) -> dict[str, str]:
    """As many of the first fields as fit into a report."""
    kept: dict[str, str] = {}
    size = 0
    for name, value in about.items():
        size += len(name) + len(value)
        if size > ABOUT_CHARS_MAX:
            break
        kept[name] = value
    return kept


def entry_of(
    level: int, entry_id: bytes, fields: list[bytes] | None, deliveries: int = 1, starts: bytes = b""
) -> Entry:
    """An entry from the flat list of fields that a script returns."""
    pairs: dict[Any, Any] = dict(zip(fields[::2], fields[1::2], strict=True)) if fields else {}
    return Entry(level, entry_id.decode(), pairs.get(b"m"), int(deliveries), starts)
