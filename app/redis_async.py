"""
The one way to an asyncio Redis client, and from its errors to ours.

redis-py re-sends a command whose reply was lost, up to ten times by default; a script that is not
idempotent would run twice. So retries are off here, and whoever may repeat a call does so knowingly.
"""

import random
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import anyio
import redis.asyncio
from redis import exceptions

from app import redis_urls
from app.broker.backoff import Backoff
from app.broker.errors import is_passing
from app.errors import Unavailable

SOCKET_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
POOL_SIZE_MAX = 256
AWAY = "Redis cannot be reached or does not accept writes at the moment."
BACKOFF = Backoff(base_ms=20, max_ms=2000)
JITTER = random.Random()

T = TypeVar("T")


def connect(url: str, *, client_name: str = "stepstream") -> "redis.asyncio.Redis":
    """A client that never re-sends by itself and never waits without a limit."""
    return redis_urls.async_client(
        url,
        timeout_s=SOCKET_TIMEOUT_S,
        connect_timeout_s=CONNECT_TIMEOUT_S,
        client_name=client_name,
        max_connections=POOL_SIZE_MAX,
    )


@contextmanager
def translated() -> Iterator[None]:
    """Turns the driver's passing errors into `Unavailable`, so that upper levels know one family."""
    try:
        yield
    except (exceptions.RedisError, OSError) as error:
        if is_passing(error):
            raise Unavailable(AWAY) from error
        raise


def untold() -> None:
    """For whom nobody counts."""


async def patient(call: Callable[[], Awaitable[T]], retry_ms_max: int, on_retry: Callable[[], None] = untold) -> T:
    """
    Calls again after a passing fault, with backoff and jitter, for at most `retry_ms_max`.

    Only for calls that may take effect twice without harm. `on_retry` is called before each further try. Raises
    `Unavailable` when time is up.
    """
    give_up = time.monotonic() + retry_ms_max / 1000
    failures = 0
    while True:
        # Without the context manager: this is on the way of every transition.
        try:
            return await call()
        except (exceptions.RedisError, OSError) as error:
            failures += 1
            delay_s = BACKOFF.delay_ms(failures, JITTER) / 1000
            if not is_passing(error):
                raise
            if time.monotonic() + delay_s >= give_up:
                raise Unavailable(AWAY) from error
            await anyio.sleep(delay_s)
            on_retry()
