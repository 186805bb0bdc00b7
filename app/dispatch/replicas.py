"""
Waits until replicas have what this Redis has accepted, so that a failover does not lose a task that was answered for.

Replication is asynchronous: a primary answers first and passes on afterwards. `WAIT` asks how many replicas have all
that one connection has written (https://redis.io/docs/latest/commands/wait/). A replica confirms everything up to a
place in the primary's history, so a write of the waiting connection, made behind another one's, stands for both. A
confirmed copy is in the memory of a replica, so a task is lost less easily, not never: a replica that has fallen behind
may be the one that is promoted.
"""

from typing import Any

import redis.asyncio

from app.errors import Unavailable
from app.keys import Keys
from app.redis_async import translated

#: Readiness writes the same key, see `app/api/health.py`.
MARK_TTL_MS = 10_000


class NotCopied(Unavailable):
    """Too few replicas have confirmed in time; what was accepted stands all the same."""


class Replicas:
    """How many replicas have to confirm, and for how long they are waited for; none is no wait."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, *, confirmed_min: int, wait_ms: int) -> None:
        self._redis = client
        self._keys = keys
        self._confirmed_min = confirmed_min
        self._wait_ms = wait_ms

    async def confirm(self) -> None:
        """Returns when enough have all that was written so far; raises `NotCopied`, `Unavailable`."""
        if not self._confirmed_min:
            return
        pipeline: Any = self._redis.pipeline(transaction=False)
        pipeline.set(self._keys.ready, 1, px=MARK_TTL_MS)
        pipeline.wait(self._confirmed_min, self._wait_ms)
        with translated():
            _, confirmed = await pipeline.execute()
        if confirmed < self._confirmed_min:
            raise NotCopied(
                f"{confirmed} of {self._confirmed_min} replicas have confirmed within {self._wait_ms} ms. The task was "
                "accepted and runs; the same request with its Idempotency-Key finds it."
            )
