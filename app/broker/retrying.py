"""Repeating calls that may be repeated, and saying so once."""

import time
from collections.abc import Callable
from random import Random
from typing import TypeVar

from redis.exceptions import RedisError

from .backoff import Backoff
from .errors import is_passing
from .reporting import reporter

T = TypeVar("T")

logger = reporter(__name__)

CALL_BACKOFF = Backoff(base_ms=10, max_ms=1_000)
JITTER = Random()


def retried(call: Callable[[], T], *, patience_ms: int, first: Exception | None = None) -> T:
    """
    The result of `call`, tried again while Redis is away, starting, busy, read-only or full.

    Only for calls that change nothing when they are repeated. After `patience_ms` the error comes through.
    `first` is the error of a try that the caller has already made.
    """
    give_up_s = time.monotonic() + patience_ms / 1000
    failures = 0
    while True:
        try:
            if first is not None:
                error, first = first, None
                raise error
            return call()
        except (RedisError, OSError) as error:
            if not is_passing(error) or time.monotonic() >= give_up_s:
                raise
        failures += 1
        time.sleep(min(CALL_BACKOFF.delay_ms(failures, JITTER) / 1000, max(0.0, give_up_s - time.monotonic())))


class Trouble:
    """One line in the log when something begins to fail, and one when it works again, however long it takes."""

    def __init__(self, what: str) -> None:
        self._what = what
        self.failures = 0
        self._since_s = 0.0

    def met(self, error: BaseException) -> int:
        """Counts a failure; returns how many there were in a row."""
        self.failures += 1
        if self.failures == 1:
            self._since_s = time.monotonic()
            logger.warning("trouble begins", extra={"what": self._what, "error": repr(error)})
        return self.failures

    def over(self) -> None:
        if self.failures:
            lasted_s = time.monotonic() - self._since_s
            logger.warning(
                "trouble is over",
                extra={"what": self._what, "failures": self.failures, "seconds": round(lasted_s, 1)},
            )
            self.failures = 0
