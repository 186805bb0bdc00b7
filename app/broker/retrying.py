"""Repeating calls that may be repeated."""

import time
from collections.abc import Callable
from random import Random
from typing import TypeVar

from redis.exceptions import RedisError

from .backoff import Backoff
from .errors import is_passing

T = TypeVar("T")

CALL_BACKOFF = Backoff(base_ms=10, max_ms=1_000)
JITTER = Random()


def retried(call: Callable[[], T], *, patience_ms: int, backoff: Backoff = CALL_BACKOFF) -> T:
    """
    The result of `call`, tried again while Redis is away, starting, busy, read-only or full.

    Only for calls that change nothing when they are repeated. After `patience_ms` the error comes through.
    """
    give_up_s = time.monotonic() + patience_ms / 1000
    failures = 0
    while True:
        try:
            return call()
        except (RedisError, OSError) as error:
            if not is_passing(error) or time.monotonic() >= give_up_s:
                raise
        failures += 1
        time.sleep(min(backoff.delay_ms(failures, JITTER) / 1000, max(0.0, give_up_s - time.monotonic())))
