"""
The one way to an asyncio Redis client, and from its errors to ours.

redis-py re-sends a command whose reply was lost, up to ten times by default; a script that is not
idempotent would run twice. So retries are off here, and whoever may repeat a call does so knowingly.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import redis.asyncio
from redis import exceptions
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.errors import Unavailable

SOCKET_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
POOL_SIZE_MAX = 256

#: Conditions that pass: the server is away, starting, busy, read-only or full.
TRANSIENT = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
)
TRANSIENT_PREFIXES = ("BUSY", "MISCONF", "NOREPLICAS", "LOADING", "OOM", "MASTERDOWN", "READONLY")


def connect(url: str, *, client_name: str = "stepstream") -> "redis.asyncio.Redis":
    """A client that never re-sends by itself and never waits without a limit."""
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        url,
        protocol=2,
        client_name=client_name,
        socket_timeout=SOCKET_TIMEOUT_S,
        socket_connect_timeout=CONNECT_TIMEOUT_S,
        max_connections=POOL_SIZE_MAX,
        retry=Retry(NoBackoff(), 0),
    )
    return client


def is_transient(error: BaseException) -> bool:
    """Whether the same call may succeed later."""
    if isinstance(error, TRANSIENT):
        return True
    return isinstance(error, exceptions.ResponseError) and str(error).startswith(TRANSIENT_PREFIXES)


@contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's passing errors into `Unavailable`, so that upper levels know one family."""
    try:
        yield
    except (exceptions.RedisError, OSError) as error:
        if is_transient(error) or isinstance(error, OSError):
            raise Unavailable("Redis cannot be reached or does not accept writes at the moment.") from error
        raise
