"""
The wake channel, as one process hears it.

A connection that only listens never times out: when its other end is gone, it waits in silence for ever. So
the ear waits for the confirmation of its subscription, asks for a sign of life after each silence, and takes
a missing answer for the loss it is.
"""

import time
from contextlib import suppress
from typing import Any

import redis
from redis import exceptions

from . import connections

#: How long nothing may be heard before the server is asked whether it is still there.
SILENCE_S = 2.0


class Ear:
    """One subscription, for one thread."""

    def __init__(self, client: "redis.Redis", channel: str) -> None:
        self._client = client
        self._channel = channel
        self._line: Any = None
        self._heard_s = 0.0
        self._asked_s: float | None = None

    def listen(self) -> bool:
        """
        Subscribes; False when it is subscribed already.

        What is said after the return is heard. Raises what the driver raises, `TimeoutError` for silence.
        """
        if self._line is not None:
            return False
        self._line = self._client.pubsub()  # type: ignore[no-untyped-call]
        self._line.ssubscribe(self._channel)
        self._asked_s = time.monotonic()
        # Nothing else can come first.
        while self._next(connections.SOCKET_TIMEOUT_S) is None:
            pass
        return True

    def hear(self, timeout_s: float) -> str | None:
        """What is said within this time. Raises like `listen` when the connection is lost."""
        heard = self._next(timeout_s)
        if heard is None and self._asked_s is None and time.monotonic() - self._heard_s > SILENCE_S:
            self._asked_s = time.monotonic()
            self._line.ping()
        return heard["data"].decode() if heard is not None and heard["type"] == "smessage" else None

    def hang_up(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            with suppress(exceptions.RedisError, OSError):
                line.close()

    def _next(self, timeout_s: float) -> Any:
        heard = self._line.get_message(timeout=timeout_s)
        now_s = time.monotonic()
        if heard is not None:
            self._heard_s, self._asked_s = now_s, None
        elif self._asked_s is not None and now_s - self._asked_s >= connections.SOCKET_TIMEOUT_S:
            raise exceptions.TimeoutError(f"nothing heard on {self._channel}")
        return heard
