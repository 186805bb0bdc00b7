"""
This process at the queues: its name, its connections, what it holds, and its threads.

Made when first used and bound to one process id: a broker that came over a fork starts a new one and
never touches a socket, a lock or a name of its parent.
"""

import logging
import os
import socket
import threading
import time
from dataclasses import dataclass
from typing import Protocol
from uuid import uuid4

from redis.exceptions import RedisError

from .connections import Connections
from .delays import Mover
from .flusher import Flusher
from .held import Held, Slots
from .keys import ShardKeys
from .leases import Heart, Leases
from .message import StreamProxy
from .scripts import load_script, run_script
from .sending import Sender
from .settlement import Clerk

GROUP = load_script(__package__, "group.lua")

logger = logging.getLogger(__name__)

CLOSE_PATIENCE_MS = 10_000


@dataclass(frozen=True, slots=True)
class Limits:
    """The broker's settings; its docstring explains each."""

    lease_ms: int
    lookahead: int
    send_patience_ms: int
    dead_max: int
    dead_ttl_ms: int


class Owner(Protocol):
    """What a presence asks its broker."""

    def get_declared_queues(self) -> set[str]: ...

    def deadline_s(self, proxy: StreamProxy) -> float | None: ...


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
        self.slots = Slots()
        self.stopping = threading.Event()
        self._held: dict[str, Held] = {}
        client = connections.commands
        self.sender = Sender(client, keys, limits.send_patience_ms)
        self.leases = Leases(client, keys, self.worker_id, limits.lease_ms)
        self.flusher = Flusher(client, Clerk(keys, self.worker_id, limits.dead_max, limits.dead_ttl_ms))
        self._owner = owner
        self._heart = Heart(self.leases, lambda: list(self._held.values()), owner.deadline_s)
        self.mover = Mover(client, keys, owner.get_declared_queues)
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

    def start(self, threads: int) -> None:
        """Begins to work: leases are renewed, delays observed, acknowledgements batched."""
        self._workers += 1
        self.slots.total = (self.slots.total or self.limits.lookahead) + threads
        if self._workers > 1:
            return
        self.flusher.start()
        self._heart.start(threads)
        self.mover.start()

    def drain(self) -> None:
        """Fetches nothing more; what runs may finish, and keeps its lease."""
        self.stopping.set()

    def stop(self) -> None:
        """Writes what was decided, ends the threads and leaves the list of workers."""
        self._workers = max(0, self._workers - 1)
        if self._workers or self.slots.total is None:
            return
        self.slots.total = None
        self.mover.stop()
        self.flusher.stop(CLOSE_PATIENCE_MS)
        self._heart.stop()
        try:
            self.leases.leave()
        except (RedisError, OSError) as error:
            logger.info("not signed off, the listing expires: %s", error)
        self.stopping.clear()

    def close(self) -> None:
        self._workers = 0
        self.stop()
        self.connections.close()
