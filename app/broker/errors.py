"""
Errors of the broker, and which errors of Redis pass by themselves.

    dramatiq.errors.Retry
    └── Release                      raised by an actor: hand this message back, it was not worked on

Redis errors leave the broker as Dramatiq's `ConnectionClosed`, so that callers know one family.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dramatiq.errors import ConnectionClosed, Retry
from redis import exceptions

_PASSING = (
    exceptions.ConnectionError,
    exceptions.TimeoutError,
    exceptions.BusyLoadingError,
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.TryAgainError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
    OSError,
)
_PASSING_PREFIXES = (
    "BUSY ",
    "MISCONF",
    "NOREPLICAS",
    "LOADING",
    "OOM",
    "MASTERDOWN",
    "READONLY",
    "TRYAGAIN",
    "UNBLOCKED",
)


class Release(Retry):
    """
    The message is handed back as it came, for another worker to take.

    No failure is counted and nothing is acknowledged. The entry keeps its place in the queue, unless
    `delay_ms` postpones it. It derives from `Retry` so that workers do not log it as an error.
    """

    def __init__(self, message: str = "The message is handed back.", *, delay_ms: int = 0) -> None:
        super().__init__(message, delay=delay_ms)
        self.delay_ms = delay_ms


def is_passing(error: BaseException) -> bool:
    """Whether the same call may succeed later: the server is away, starting, busy, read-only or full."""
    if isinstance(error, exceptions.AuthenticationError):
        return False
    if isinstance(error, _PASSING):
        return True
    return isinstance(error, exceptions.ResponseError) and str(error).startswith(_PASSING_PREFIXES)


def is_group_missing(error: BaseException) -> bool:
    """Whether the stream or its consumer group has vanished: 7.0 and later servers say it in two ways."""
    return isinstance(error, exceptions.ResponseError) and str(error).startswith(("NOGROUP", "UNBLOCKED"))


@contextmanager
def translated() -> Iterator[None]:
    """Turns passing errors of the driver into Dramatiq's `ConnectionClosed`."""
    try:
        yield
    except (exceptions.RedisError, OSError) as error:
        if is_passing(error):
            raise ConnectionClosed(error) from error  # type: ignore[no-untyped-call]
        raise
