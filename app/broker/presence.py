"""
This process at the queues: its name, its connections, what it holds, and its threads.

Made when first used and bound to one process id: a broker that came over a fork starts a new one and
never touches a socket, a lock or a name of its parent.
"""

import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from queue import PriorityQueue
from typing import Any, Protocol
from uuid import uuid4

from dramatiq import Worker
from redis.exceptions import RedisError

from .connections import Connections
from .delays import Mover
from .floor import Floor
from .flusher import Flusher
from .held import Held, Slots
from .keys import ShardKeys
from .leases import Heart, Leases
from .message import StreamProxy
from .pauses import Pauses
from .reporting import reporter
from .retrying import retried
from .scripts import command, load_script, run_script
from .sending import Sender
from .settlement import Clerk
from .watchdog import Watchdog
from .workqueue import WorkQueue

GROUP = load_script(__package__, "group.lua")

logger = reporter(__name__)

CLOSE_PATIENCE_MS = 10_000
#: A reader that is just about to wait is not yet waiting: it is asked to stop again.
UNBLOCK_TRIES = 5
UNBLOCK_PAUSE_S = 0.02


@dataclass(frozen=True, slots=True)
class Limits:
    """The broker's settings; its docstring explains each."""

    lease_ms: int
    lookahead: int | None
    lookahead_min: int
    send_patience_ms: int
    backlog_max: int
    message_bytes_max: int
    crashes_max: int
    dead_max: int
    dead_ttl_ms: int


class Owner(Protocol):
    """What a presence asks its broker."""

    @property
    def about(self) -> Callable[[], Mapping[str, str]]: ...

    def get_declared_queues(self) -> set[str]: ...

    def deadline_s(self, proxy: StreamProxy) -> float | None: ...

    def counts_crashes(self, proxy: StreamProxy) -> bool: ...

    def emit_before(self, signal: str, *args: Any, **kwargs: Any) -> None: ...

    def emit_after(self, signal: str, *args: Any, **kwargs: Any) -> None: ...


class Presence:
    """One process, from its first use of the broker until `close`."""

    def __init__(
        self,
        connections: Connections,
        keys: ShardKeys,
        limits: Limits,
        owner: "Owner",
    ) -> None:
        self.pid = os.getpid()
        #: Unique per start: no two live processes ever share a list of pending entries.
        self.worker_id = f"{socket.gethostname()}:{self.pid}:{uuid4().hex[:8]}"
        self.keys = keys
        self.limits = limits
        self.connections = connections
        self.slots = Slots(lookahead=limits.lookahead, lookahead_min=limits.lookahead_min)
        self.pauses = Pauses()
        self.stopping = threading.Event()
        #: Held by the one suspect that runs.
        self.alone = threading.Semaphore()
        #: Which queue's reader waits on the connection of which client id.
        self.blocked: dict[int, str] = {}
        self._held: dict[str, Held] = {}
        client = connections.commands
        self.floor = Floor(client)
        self.sender = Sender(
            client,
            keys,
            patience_ms=limits.send_patience_ms,
            backlog_max=limits.backlog_max,
            check_server=self.floor.check,
        )
        self.leases = Leases(client, keys, self.worker_id, limits.lease_ms)
        self.flusher = Flusher(client, Clerk(keys, self.worker_id, limits.dead_max, limits.dead_ttl_ms))
        self._owner = owner
        self.counts_crashes = owner.counts_crashes
        self.emit_before, self.emit_after = owner.emit_before, owner.emit_after
        self._heart = Heart(self.leases, self.holdings, owner.deadline_s, owner.about)
        self.mover = Mover(client, keys, owner.get_declared_queues, self._hear, self._missed)
        self._watchdogs: dict[int, Watchdog] = {}
        self._workers = 0

    @property
    def queues_read(self) -> int:
        return max(1, len(self._held))

    def held(self, queue: str) -> Held:
        """What this process holds of a queue; survives the consumer that fetched it."""
        return self._held.setdefault(queue, Held(self.keys.queue(queue)))

    def may_keep(self, proxy: StreamProxy) -> bool:
        """Whether an entry that we hold and get once more is still within its deadline."""
        deadline_s = self._owner.deadline_s(proxy)
        return deadline_s is None or time.monotonic() < deadline_s

    def ensure_group(self, queue: str) -> None:
        names = self.keys.queue(queue)
        run_script(self.connections.commands, GROUP, [self.keys.queues, *names.streams], [names.group])

    def holdings(self) -> list[Held]:
        return list(self._held.values())

    def mark_begun(self, proxy: StreamProxy) -> None:
        """Leaves a mark on a redelivered message, so that its process's death would be counted."""
        if proxy.delivery < 2 or not self.counts_crashes(proxy):
            return
        queue = self.keys.queue(proxy.queue_name)
        try:
            patience_ms = self.limits.send_patience_ms
            proxy.marked = retried(lambda: self.leases.mark(queue, proxy.entry), patience_ms=patience_ms)
        except (RedisError, OSError) as error:
            values = {"message_id": proxy.message_id, "error": str(error)}
            logger.warning("run not marked, its crash would not be counted", extra=values)

    def check_server(self) -> None:
        """Raises `ServerTooOld`. A server that is away is waited for; the reader asks again."""
        with suppress(RedisError, OSError):
            self.floor.check()

    def boot(self, worker: Worker) -> None:
        """Begins to work: leases are renewed, delays observed, acknowledgements batched, threads watched."""
        if type(worker.work_queue) is PriorityQueue:
            worker.work_queue = WorkQueue()  # type: ignore[assignment]
        self._workers += 1
        self.slots.threads = (self.slots.threads or 0) + worker.worker_threads
        watchdog = self._watchdogs[id(worker)] = Watchdog(worker, self.holdings)
        watchdog.start()
        if self._workers > 1:
            return
        self.flusher.start()
        # Its consumers come a little later, and the first report tells of them already.
        declared = self._owner.get_declared_queues()
        for queue in declared & (worker.consumer_whitelist or declared):
            self.held(queue)
        self._heart.start(worker.worker_threads)
        self.mover.start()

    def drain(self, worker: Worker) -> None:
        """Fetches nothing more; what runs may finish, and keeps its lease."""
        self.stopping.set()
        watchdog = self._watchdogs.pop(id(worker), None)
        if watchdog is not None:
            watchdog.stop()
        self.unblock()

    def abandon(self, worker: Worker) -> None:
        """Hands back what runs and does not end: whatever its threads still do with it, others take it over."""
        for held in self.holdings():
            thread = worker.consumers.get(held.keys.queue)
            if thread is not None and thread.consumer is not None:
                thread.consumer.requeue(proxy for proxy in held.all() if proxy.verdict is None)

    def unblock(self, queue: str | None = None) -> None:
        """Ends the waits of readers, of one queue or all, so that they notice at once what has changed here."""
        for _ in range(UNBLOCK_TRIES):
            waiting = [client_id for client_id, read in self.blocked.copy().items() if queue in (None, read)]
            try:
                ended = [command(self.connections.commands, "CLIENT", "UNBLOCK", each) for each in waiting]
            except (RedisError, OSError) as error:
                logger.debug("readers not woken, they end by themselves", extra={"error": str(error)})
                return
            if all(ended):
                return
            time.sleep(UNBLOCK_PAUSE_S)

    def _hear(self, said: str) -> bool:
        """What the mover hears on the wake channel, when it is not the bare name of a queue."""
        kind, _, queue = said.rpartition(":")
        held = self._held.get(queue)
        if kind and held is not None:
            self.pauses.hear(said)
            held.calls.hear(said)
            self.unblock(queue)
        return bool(kind)

    def _missed(self) -> None:
        """Nobody listened for a while."""
        for held in self.holdings():
            held.calls.call()
        self.unblock()

    def stop(self) -> None:
        """Writes what was decided, ends the threads and leaves the list of workers."""
        self._workers = max(0, self._workers - 1)
        if self._workers or self.slots.threads is None:
            return
        self.slots.threads = None
        self.mover.stop()
        self.flusher.stop(CLOSE_PATIENCE_MS)
        self._heart.stop()
        try:
            self.leases.leave()
        except (RedisError, OSError) as error:
            logger.info("not signed off, the listing expires", extra={"error": str(error)})
        self.stopping.clear()

    def close(self) -> None:
        self._workers = 0
        self.stop()
        self.sender.close()
        self.connections.close()
