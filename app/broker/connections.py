"""
Connections to Redis, made when first used and never shared over a fork.

redis-py repeats a command whose reply was lost, up to ten times by default; here it never does: the
broker repeats by itself, and only calls that change nothing the second time.
"""

from functools import cached_property
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

#: A blocking read must end well before its socket gives up.
BLOCK_MS_MAX = 2_000
SOCKET_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
POOL_SIZE_MAX = 4_096

DEFAULT_URL = "redis://127.0.0.1:6379/0"


class Connections:
    """
    Two clients, one for reads that block and one for everything else, of one process.

    A `client` given by the user is only asked for its connection settings. One whose pool is not a plain
    `redis.ConnectionPool` (Sentinel, say) is used as it is: it must not retry by itself, and its
    `socket_timeout` must be above two seconds.
    """

    def __init__(self, url: str | None = None, client: "redis.Redis | None" = None) -> None:
        self._url = url or DEFAULT_URL
        self._client = client

    @cached_property
    def commands(self) -> "redis.Redis":
        return self._connect()

    @cached_property
    def blocking(self) -> "redis.Redis":
        return self._connect()

    def close(self) -> None:
        for name in ("commands", "blocking"):
            client = self.__dict__.pop(name, None)
            if client is not None and client is not self._client:
                client.close()

    def _connect(self) -> "redis.Redis":
        settings: dict[str, Any] = {
            "protocol": 2,
            "decode_responses": False,
            "socket_timeout": SOCKET_TIMEOUT_S,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "retry": Retry(NoBackoff(), 0),
        }
        if self._client is None:
            pool = redis.ConnectionPool.from_url(self._url, max_connections=POOL_SIZE_MAX, **settings)
            return redis.Redis.from_pool(pool)
        theirs = self._client.connection_pool
        if type(theirs) is not redis.ConnectionPool:
            return self._client
        merged = {**theirs.connection_kwargs, **settings}
        merged.pop("maint_notifications_config", None)
        pool = redis.ConnectionPool(theirs.connection_class, max_connections=POOL_SIZE_MAX, **merged)
        return redis.Redis.from_pool(pool)
