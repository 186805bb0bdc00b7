"""
Connections to Redis, made when first used and never shared over a fork.

redis-py repeats a command whose reply was lost, up to ten times by default; here it never does: the
broker repeats by itself, and only calls that change nothing the second time.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.exceptions import NoScriptError, ReadOnlyError, ResponseError
from redis.retry import Retry

from .scripts import Script, ScriptArgument

#: A blocking read must end well before its socket gives up.
BLOCK_MS_MAX = 3_000
SOCKET_TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 2.0
POOL_SIZE_MAX = 4_096

DEFAULT_URL = "redis://127.0.0.1:6379/0"


class Line:
    """One connection out of a client's pool, for one thread at a time and without the driver's detours."""

    def __init__(self, client: "redis.Redis") -> None:
        self._pool: Any = client.connection_pool
        self._connection: Any = None

    def call(self, *args: str | bytes | float) -> Any:
        """One command, its reply as the protocol has it. Raises what the driver raises."""
        return self.exchange([pack(*args)])

    def exchange(self, packed: Sequence[bytes]) -> Any:
        if self._connection is None:
            self._connection = self._pool.get_connection()
        try:
            self._connection.send_packed_command(packed, check_health=False)
            return self._connection.read_response()
        except ReadOnlyError:
            # After a failover the old address may lead to a replica.
            self.hang_up()
            raise
        except ResponseError:
            # A complete answer: the connection is clean.
            raise
        # A reply may still be under way, also after an interrupt; nobody must read it as its own.
        except BaseException:
            self.hang_up()
            raise

    def script(self, script: Script, keys: Sequence[str], args: Sequence[ScriptArgument]) -> Any:
        """Calls a script by its hash, and by its text where the server does not know it yet."""
        try:
            return self.call("EVALSHA", script.sha1, len(keys), *keys, *args)
        except NoScriptError:
            return self.call("EVAL", script.source, len(keys), *keys, *args)

    def exchange_all(self, commands: Sequence[bytes]) -> list[Any]:
        """One write for all commands; their replies, an error among them where there was one."""
        if self._connection is None:
            self._connection = self._pool.get_connection()
        try:
            self._connection.send_packed_command([b"".join(commands)], check_health=False)
            replies = [self._reply() for _ in commands]
        # As in `exchange`.
        except BaseException:
            self.hang_up()
            raise
        if any(isinstance(reply, ReadOnlyError) for reply in replies):
            self.hang_up()
        return replies

    def _reply(self) -> Any:
        try:
            return self._connection.read_response()
        except ResponseError as error:
            return error

    def hang_up(self) -> None:
        """Gives the connection back, without what may still come over it."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.disconnect()
            self._pool.release(connection)


def pack(*parts: str | bytes | float) -> bytes:
    """A command in the protocol of Redis."""
    return b"*%d\r\n%b" % (len(parts), pack_parts(*parts))


def pack_parts(*parts: str | bytes | float) -> bytes:
    encoded = [part if isinstance(part, bytes) else str(part).encode() for part in parts]
    return b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in encoded])


class Connections:
    """
    Two clients, one for reads that block and one for everything else, of one process.

    A `client` given by the user is only asked for its connection settings. One whose pool is not a plain
    `redis.ConnectionPool` (Sentinel, say) is used as it is: it must not retry by itself, and its
    `socket_timeout` must be above three seconds.
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
