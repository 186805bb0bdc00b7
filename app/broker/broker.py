"""
A Dramatiq broker on Redis Streams.

    import dramatiq
    from app.broker import RedisStreamsBroker

    dramatiq.set_broker(RedisStreamsBroker(url="redis://127.0.0.1:6379/0"))
"""

import math
import os
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from dramatiq.broker import Broker, Consumer, MessageProxy
from dramatiq.errors import QueueJoinTimeout
from dramatiq.message import Message
from dramatiq.middleware import Middleware, TimeLimit

from .admin import QueueAdmin
from .connections import Connections
from .consumer import StreamsConsumer
from .emission import Emission
from .errors import MessageTooLarge, translated
from .keys import QueueKeys, ShardKeys, tag
from .message import Put, StreamProxy, copied, encoded
from .presence import Limits, Presence
from .retrying import retried
from .scripts import load_script, run_script

if TYPE_CHECKING:
    import redis

FLUSH = load_script(__package__, "flush.lua", includes=("_layout.lua",))

ACTOR_OPTIONS = frozenset({"broker_priority", "run_ms_max", "count_crashes"})
DAY_MS = 86_400_000
BACKLOG_MAX = 1_000_000
MESSAGE_BYTES_MAX = 1 << 20
CRASHES_MAX = 3
#: `per-queue` gives each queue streams of its own; `single` puts all into one, read by a group per queue.
LAYOUTS = ("per-queue", "single")
SHARED_STREAM = "agent_tasks"


class RedisStreamsBroker(Emission, Broker):
    """
    Messages in Redis Streams, read by consumer groups.

    Options of a message or an actor: `broker_priority` 0-9 (0-2 is read first, 7-9 last; Dramatiq's own
    `priority` only orders what one process has fetched already); `run_ms_max`, after which a message
    that still runs is given to another worker (default: its `time_limit`); `count_crashes=False` for
    messages whose owner decides by itself when they have killed enough processes.

    Parameters:
      url, client: where Redis is; a client is only asked for its connection settings.
      namespace, shard: first parts of every key.
      layout, stream: `per-queue`, or `single` with the name of the one stream.
      lease_ms: how long a worker may be silent before its messages move on.
      lookahead: messages a worker process fetches beyond the number of its threads; None: as many as its
        threads finish in 20 ms, at least `lookahead_min`.
      send_patience_ms: how long `enqueue` repeats while Redis is away, before it raises `ConnectionClosed`.
      backlog_max: most messages of a queue, delayed ones too; above, `enqueue` raises `QueueFull`.
      message_bytes_max: longest encoded message; above, `enqueue` raises `MessageTooLarge`.
      crashes_max: processes that may die with a message before it becomes a dead letter.
      dead_max, dead_ttl_ms: how many dead letters a queue keeps, and for how long.
      about: what a worker process adds to its reports, asked before each of them; it must return at once.
    """

    def __init__(  # noqa: PLR0913  # all but the first three by name
        self,
        url: str | None = None,
        client: "redis.Redis | None" = None,
        middleware: list[Middleware] | None = None,
        *,
        namespace: str = "dramatiq",
        shard: int = 0,
        layout: str = "per-queue",
        stream: str = SHARED_STREAM,
        lease_ms: int = 10_000,
        lookahead: int | None = None,
        lookahead_min: int = 2,
        send_patience_ms: int = 5_000,
        backlog_max: int = BACKLOG_MAX,
        message_bytes_max: int = MESSAGE_BYTES_MAX,
        crashes_max: int = CRASHES_MAX,
        dead_max: int = 10_000,
        dead_ttl_ms: int = 7 * DAY_MS,
        about: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        super().__init__(middleware=middleware)
        if layout not in LAYOUTS:
            raise ValueError(f"The layout is one of {', '.join(LAYOUTS)}, not {layout}.")
        self.queues: set[str] = set()
        self.actor_options |= ACTOR_OPTIONS
        self.namespace = namespace
        self.shard = shard
        self.keys = ShardKeys(tag(namespace, shard), stream if layout == "single" else "")
        self.limits = Limits(
            lease_ms=lease_ms, lookahead=lookahead, lookahead_min=lookahead_min, send_patience_ms=send_patience_ms,
            backlog_max=backlog_max, message_bytes_max=message_bytes_max, crashes_max=crashes_max,
            dead_max=dead_max, dead_ttl_ms=dead_ttl_ms,
        )  # fmt: skip
        self.about = about
        self._url = url
        self._client = client
        self._queue_keys: dict[str, QueueKeys] = {}
        self._presences: dict[int, Presence] = {}

    @property
    def presence(self) -> Presence:
        """This process's own; one that came over a fork belongs to the parent and is left alone."""
        pid = os.getpid()
        presence = self._presences.get(pid)
        if presence is None:
            made = Presence(Connections(self._url, self._client), self.keys, self.limits, self)
            presence = self._presences.setdefault(pid, made)
        return presence

    @property
    def worker_id(self) -> str:
        """`<host>:<pid>:<8 hex>`, the name of this process in consumer groups and in the list of workers."""
        return self.presence.worker_id

    @property
    def client(self) -> "redis.Redis":
        """The client for commands of this process."""
        return self.presence.connections.commands

    def declare_queue(self, queue_name: str) -> None:
        if queue_name not in self.queues:
            self.emit_before("declare_queue", queue_name)
            self.queues.add(queue_name)
            self.emit_after("declare_queue", queue_name)

    def get_declared_queues(self) -> set[str]:
        return self.queues.copy()

    def consume(self, queue_name: str, prefetch: int = 1, timeout: int = 5_000) -> Consumer:
        return StreamsConsumer(self.presence, queue_name, prefetch, timeout)

    def enqueue(self, message: "Message[Any]", *, delay: int | None = None) -> "Message[Any]":
        """
        Puts a message into its queue, now or `delay` ms from now by the server's clock.

        Inside a hook that runs after a message was processed, the message goes out together with the
        acknowledgement of that one, whatever the limits. Elsewhere raises `QueueFull`, `MessageTooLarge`,
        `RedisFull`, and `ConnectionClosed` when Redis stays away.
        """
        copy = copied(message)
        self.emit_before("enqueue", copy, delay)
        put = self._put(copy, delay)
        outbox = self.outbox
        if outbox is None:
            self._check_size([put])
            self.presence.sender.send([put])
        else:
            outbox.append(put)
        self.emit_after("enqueue", copy, delay)
        return copy

    def enqueue_many(self, messages: Iterable["Message[Any]"], *, delay: int | None = None) -> list["Message[Any]"]:
        """The same for many, a hundred per round trip; each hundred is added as a whole or not at all."""
        copies = [copied(message) for message in messages]
        for copy in copies:
            self.emit_before("enqueue", copy, delay)
        puts = [self._put(copy, delay) for copy in copies]
        self._check_size(puts)
        self.presence.sender.send(puts)
        for copy in copies:
            self.emit_after("enqueue", copy, delay)
        return copies

    def flush(self, queue_name: str) -> None:
        """Drops everything a queue holds, dead letters too; running consumers read on."""
        names = self.keys.queue(queue_name)
        dead = (names.dlq, names.dlq_bodies, names.dlq_meta)
        # The record of sweeps stays: were its counter to begin anew, a worker might know the number again and trust it.
        keys = [*names.streams, names.depth, names.due, names.due_bodies, *dead, names.starts]
        args = [names.group, names.shared_flag]
        with translated():
            retried(lambda: run_script(self.client, FLUSH, keys, args), patience_ms=self.limits.send_patience_ms)

    def flush_all(self) -> None:
        for queue_name in self.get_declared_queues():
            self.flush(queue_name)

    def join(self, queue_name: str, *, interval: int = 20, timeout: int | None = None) -> None:
        """Waits until nothing is waiting, delayed or in flight; looks every `interval` ms."""
        give_up_s = None if timeout is None else time.monotonic() + timeout / 1000
        admin = self.admin
        while self._unfinished(admin, queue_name):
            if give_up_s is not None and time.monotonic() >= give_up_s:
                raise QueueJoinTimeout(queue_name)  # type: ignore[no-untyped-call]
            time.sleep(interval / 1000)

    @property
    def admin(self) -> QueueAdmin:
        """Queues, dead letters and pauses of this broker's namespace."""
        return QueueAdmin(self.client, self.namespace, self.shard, shared=self.keys.shared)

    def close(self) -> None:
        """Writes what was decided and closes this process's connections; the broker stays usable."""
        presence = self._presences.pop(os.getpid(), None)
        if presence is not None:
            presence.close()

    @staticmethod
    def _unfinished(admin: QueueAdmin, queue_name: str) -> int:
        with translated():
            return admin.stats(queue_name).unfinished

    def _put(self, message: "Message[Any]", delay: int | None) -> Put:
        level = QueueKeys.level(self._option(message, "broker_priority"))
        name = message.queue_name
        keys = self._queue_keys.get(name) or self._queue_keys.setdefault(name, self.keys.queue(name))
        return Put(keys, level, encoded(message), message.message_id, max(0, int(delay or 0)))

    def _check_size(self, puts: list[Put]) -> None:
        for put in puts:
            if len(put.body) > self.limits.message_bytes_max:
                raise MessageTooLarge(len(put.body), self.limits.message_bytes_max)

    def _option(self, message: "Message[Any] | MessageProxy", name: str) -> Any:
        """An option of the message, else of its actor."""
        if name in message.options:
            return message.options[name]
        actor = self.actors.get(message.actor_name)
        return None if actor is None else actor.options.get(name)

    def deadline_s(self, proxy: StreamProxy) -> float | None:
        """Until when a running message is kept, by the monotonic clock; None without a limit."""
        if proxy.started_s is None:
            return None
        limit_ms = self._option(proxy, "run_ms_max") or self._time_limit_ms(proxy)
        return None if limit_ms is None else proxy.started_s + limit_ms / 1000

    def counts_crashes(self, proxy: StreamProxy) -> bool:
        return self._option(proxy, "count_crashes") is not False

    def _time_limit_ms(self, proxy: StreamProxy) -> float | None:
        """What Dramatiq's `TimeLimit` grants, where it is installed and finite."""
        installed = next((m for m in self.middleware if isinstance(m, TimeLimit)), None)
        if installed is None:
            return None
        limit_ms = self._option(proxy, "time_limit") or installed.time_limit
        return None if math.isinf(limit_ms) else limit_ms
