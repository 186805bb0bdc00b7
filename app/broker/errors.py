"""
Errors of the broker, and which errors of Redis pass by themselves.

    dramatiq.errors.Retry
    └── Release                      raised by an actor: hand this message back, it was not worked on
    dramatiq.errors.BrokerError
    ├── QueueFull                    the queue holds as many messages as it may
    ├── MessageTooLarge              the encoded message is longer than allowed
    ├── WorkerDied                   why a message is buried whose process died again and again
    └── BrokerConnectionError
        ├── ServerTooOld             Redis or Valkey below the floor
        └── ConnectionClosed         Redis stays away
            └── RedisFull            Redis is over its `maxmemory`

Redis errors leave the broker as Dramatiq's `ConnectionClosed`, so that callers know one family.
"""

from collections.abc import Iterator
from contextlib import contextmanager

from dramatiq.errors import BrokerConnectionError, BrokerError, ConnectionClosed, Retry
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


QUEUE_FULL_PREFIX = "QUEUEFULL "


class QueueFull(BrokerError):
    """The queue holds `backlog_max` messages; nothing was added. What settles messages is never refused."""

    def __init__(self, queue: str, backlog_max: int) -> None:
        super().__init__(f"The queue {queue} is full: it may hold {backlog_max} messages.")  # type: ignore[no-untyped-call]
        self.queue = queue
        self.backlog_max = backlog_max


class MessageTooLarge(BrokerError):
    """The encoded message has more than `message_bytes_max` bytes; nothing was added."""

    def __init__(self, size: int, message_bytes_max: int) -> None:
        super().__init__(f"The message has {size} bytes encoded, {message_bytes_max} are allowed.")  # type: ignore[no-untyped-call]
        self.size = size


class WorkerDied(BrokerError):
    """The processes that ran this message died again and again."""

    def __init__(self, crashes: int) -> None:
        super().__init__(f"Worker processes died {crashes} times while they had this message.")  # type: ignore[no-untyped-call]
        self.crashes = crashes


class ServerTooOld(BrokerConnectionError):
    """The server lacks what this broker needs."""

    def __init__(self, found: str, floor: str) -> None:
        super().__init__(f"{found} is too old for this broker: it needs {floor} or newer.")  # type: ignore[no-untyped-call]


class RedisFull(ConnectionClosed):
    """Redis is over its `maxmemory` and takes no new messages; what it holds still runs."""

    def __init__(self) -> None:
        super().__init__("Redis is over its maxmemory and takes no new messages.")  # type: ignore[no-untyped-call]


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


def is_out_of_memory(error: BaseException) -> bool:
    """Whether the server refuses to grow; waiting a moment does not help whoever wants to add."""
    if isinstance(error, exceptions.OutOfMemoryError):
        return True
    return isinstance(error, exceptions.ResponseError) and str(error).startswith("OOM")


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
