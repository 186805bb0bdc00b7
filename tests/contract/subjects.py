"""The two kinds of broker under test, behind one face: how each is made and what only its kind can tell."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import dramatiq
import redis
from dramatiq.brokers.redis import RedisBroker
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.broker import QueueAdmin, RedisStreamsBroker

STOCK, STREAMS = "stock", "streams"
KINDS = (STOCK, STREAMS)
JOIN_MS = 120_000


@dataclass
class Subjects:
    """Makes brokers of one kind in one namespace; each has a client of its own, as a process would."""

    kind: str
    url: str
    namespace: str
    made: list[Any] = field(default_factory=list)
    clients: list["redis.Redis"] = field(default_factory=list)

    @property
    def is_stock(self) -> bool:
        return self.kind == STOCK

    def make(self, *, namespace: str | None = None, client: Any = None, **options: Any) -> Any:
        """A broker with the queue `default`; `lease_ms` becomes the stock broker's heartbeat timeout."""
        name = namespace or self.namespace
        client = client or self.connect()
        lease_ms = options.pop("lease_ms", 10_000)
        broker: Any
        if self.is_stock:
            settings = {"heartbeat_timeout": lease_ms, "maintenance_chance": 1_000_000, **options}
            broker = RedisBroker(client=client, namespace=f"{{{name}:stock}}", **settings)
        else:
            broker = RedisStreamsBroker(client=client, namespace=name, lease_ms=lease_ms, **options)
        broker.declare_queue("default")
        self.made.append(broker)
        return broker

    def connect(self) -> "redis.Redis":
        client = redis.Redis.from_url(self.url, protocol=2, socket_timeout=5, retry=Retry(NoBackoff(), 0))
        self.clients.append(client)
        return client

    def unfinished(self, broker: Any, queue: str = "default") -> int:
        """Messages of a queue that wait, are delayed or run."""
        if not self.is_stock:
            return QueueAdmin(broker.client, broker.namespace).stats(queue).unfinished
        names = [f"{broker.namespace}:{name}.msgs" for name in (queue, f"{queue}.DQ")]
        return sum(broker.client.hlen(name) for name in names)

    def dead(self, broker: Any, queue: str = "default") -> int:
        """Dead letters of a queue."""
        if not self.is_stock:
            return QueueAdmin(broker.client, broker.namespace).stats(queue).dead
        return int(broker.client.zcard(f"{broker.namespace}:{queue}.XQ"))

    def put_raw(self, broker: Any, body: bytes, queue: str = "default") -> None:
        """Puts bytes into a queue that need not be a message."""
        if not self.is_stock:
            broker.client.xadd(broker.keys.queue(queue).stream(), {"m": body})
            return
        name = f"raw-{broker.client.incr(f'{broker.namespace}:raw')}"
        broker.client.hset(f"{broker.namespace}:{queue}.msgs", name, body)
        broker.client.rpush(f"{broker.namespace}:{queue}", name)

    def close(self) -> None:
        for broker in self.made:
            broker.close()
        for client in self.clients:
            client.close()


Make = Callable[..., Any]
StartWorker = Callable[..., dramatiq.Worker]
Eventually = Callable[..., Any]
