"""Looking at queues from outside: a dashboard, a metric, a command line."""

from collections.abc import Sequence
from dataclasses import dataclass

import redis

from .keys import ShardKeys, tag
from .scripts import load_script, run_script

DEPTH = load_script(__package__, "depth.lua")


@dataclass(frozen=True, slots=True)
class QueueStats:
    """What one queue holds; `oldest_age_ms` is the age of the oldest waiting entry, 0 when none waits."""

    waiting: int
    in_flight: int
    delayed: int
    dead: int
    oldest_age_ms: int

    @property
    def unfinished(self) -> int:
        return self.waiting + self.in_flight + self.delayed


class QueueAdmin:
    """Reads the state of the queues of one shard. Needs no worker, no group and no declared actor."""

    def __init__(self, client: "redis.Redis", namespace: str = "dramatiq", shard: int = 0) -> None:
        self._client = client
        self._keys = ShardKeys(tag(namespace, shard))

    def queues(self) -> list[str]:
        """Names of all queues ever used."""
        return sorted(_text(name) for name in self._client.smembers(self._keys.queues))

    def stats(self, queue: str) -> QueueStats:
        return self.stats_of([queue])[queue]

    def stats_of(self, queues: Sequence[str]) -> dict[str, QueueStats]:
        """All of them in one call, at one moment."""
        if not queues:
            return {}
        names = [self._keys.queue(queue) for queue in queues]
        keys = [key for name in names for key in (*name.streams, name.due, name.dlq)]
        rows = run_script(self._client, DEPTH, keys, [name.group for name in names])
        return {queue: QueueStats(*map(int, row)) for queue, row in zip(queues, rows, strict=True)}


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else value
