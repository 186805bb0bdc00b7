"""Connections that a test cuts at the moment it wants, for brokers of both kinds."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

NOT_REPEATED = Retry(NoBackoff(), 0)


class Line:
    """The wire between a broker and Redis: cut, or losing one reply."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        #: Names of queues and kinds of threads that were refused.
        self.refused: set[str] = set()
        self._lose_reply_with: bytes | None = None
        self.lost = threading.Event()

    def cut(self, error: Exception | None = None) -> None:
        self.refused = set()
        self.error = error or redis.ConnectionError("cut by the test")

    def mend(self) -> None:
        self.error = None

    @contextmanager
    def is_cut(self) -> Iterator[None]:
        self.cut()
        yield
        self.mend()

    def lose_reply_with(self, mark: bytes) -> None:
        """The first reply that holds these bytes is carried out by the server and never arrives."""
        self._lose_reply_with = mark

    def check(self) -> None:
        if self.error is not None:
            thread = threading.current_thread()
            self.refused |= {type(thread).__name__, str(getattr(thread, "queue_name", ""))}
            raise self.error

    def loses(self, reply: Any) -> bool:
        mark = self._lose_reply_with
        if mark is None or not holds(reply, mark):
            return False
        self._lose_reply_with = None
        self.lost.set()
        return True


def holds(reply: Any, mark: bytes) -> bool:
    if isinstance(reply, bytes):
        return mark in reply
    return isinstance(reply, list) and any(holds(part, mark) for part in reply)


class CutConnection(redis.UnixDomainSocketConnection):
    """Asks its line before each exchange."""

    line: Line

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        try:
            self.line.check()
        except Exception:
            self.disconnect()
            raise
        super().send_packed_command(command, check_health)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        reply = super().read_response(*args, **kwargs)
        if self.line.loses(reply):
            self.disconnect()
            raise redis.ConnectionError("the reply was lost")
        return reply


def client_over(line: Line, url: str) -> "redis.Redis":
    """A client whose connections obey the line; the server must listen on a unix socket."""
    connection = type("Connection", (CutConnection,), {"line": line})
    path = url.removeprefix("unix://").partition("?")[0]
    pool = redis.ConnectionPool(connection, path=path, protocol=2, socket_timeout=5, retry=NOT_REPEATED)
    return redis.Redis.from_pool(pool)
