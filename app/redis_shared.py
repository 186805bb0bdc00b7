"""
One connection for all commands of a loop: what is asked in the same moment travels together.

A pool gives each caller a connection of its own, and each command its own write and its own read. Here the
commands of one turn of the loop are one write, and their replies are read as they come, in order, so a busy
process pays a fraction of the system calls (https://redis.io/docs/latest/develop/using-commands/pipelining/).
While replies are owed, new commands wait for the last of them and then go out together, so the busier a process
is, the fewer writes it makes; an idle one sends at once. Nothing that blocks on the server may come this way: it
would hold up everybody.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Any

import redis.asyncio
from hiredis import pack_command
from redis import exceptions

REPLY_S_MAX = 5.0
PENDING_MAX = 10_000

Word = str | bytes | int | float


class SharedConnection:
    """
    Sends commands over one connection of the client's pool settings, made when first needed and again after
    every loss.

    A loss fails all commands under way with `ConnectionError`; whether they took effect is unknown.
    """

    def __init__(self, client: "redis.asyncio.Redis", *, reply_s_max: float = REPLY_S_MAX) -> None:
        self._client = client
        self._reply_s_max = reply_s_max
        self._connecting = asyncio.Lock()
        self._wire: _Wire | None = None

    async def execute_command(self, *words: Word) -> Any:
        """The reply; raises what the driver raises."""
        return await (await self._live()).ask(words)

    async def execute_many(self, commands: Sequence[tuple[Word, ...]]) -> list[Any]:
        """The replies of all, asked in one write; raises what the driver raises for the first that fails."""
        wire = await self._live()
        return await asyncio.gather(*(wire.ask(words) for words in commands))

    async def aclose(self) -> None:
        if self._wire is not None:
            await self._wire.close()

    async def _live(self) -> "_Wire":
        wire = self._wire
        return await self._connect() if wire is None or wire.lost else wire

    async def _connect(self) -> "_Wire":
        async with self._connecting:
            if self._wire is not None and not self._wire.lost:
                return self._wire
            connection = self._client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            await connection.connect()
            # With a socket timeout redis-py reads through `wait_for` each time; the wire has a limit of its own.
            connection.socket_timeout = None
            self._wire = _Wire(connection, self._reply_s_max)
            return self._wire


class _Wire:
    """A live connection, the commands that wait for their turn to be sent, and those that wait for a reply."""

    def __init__(self, connection: "redis.asyncio.Connection", reply_s_max: float) -> None:
        self.lost = False
        self._connection = connection
        self._reply_s_max = reply_s_max
        self._loop = asyncio.get_running_loop()
        self._unsent: list[bytes] = []
        self._owed = 0
        self._waiting: deque[asyncio.Future[Any]] = deque()
        #: When the server last answered, or was asked after it had answered everything.
        self._silent_since_s = self._loop.time()
        self._reader = self._loop.create_task(self._read())
        self._watch = self._loop.call_later(reply_s_max, self._look)

    def ask(self, words: tuple[Word, ...]) -> "asyncio.Future[Any]":
        if len(self._waiting) >= PENDING_MAX:
            raise exceptions.ConnectionError(f"{PENDING_MAX} commands wait for a reply already")
        if not self._unsent and not self._owed:
            self._loop.call_soon(self._send)
        self._unsent.append(pack_command(words))  # type: ignore[arg-type]  # its stub knows one word only
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self._waiting:
            self._silent_since_s = self._loop.time()
        self._waiting.append(future)
        return future

    async def close(self) -> None:
        self._lose(exceptions.ConnectionError("the connection was closed"))
        await self._connection.disconnect(nowait=True)

    def _send(self) -> None:
        packed = b"".join(self._unsent)
        self._owed += len(self._unsent)
        self._unsent.clear()
        writer = self._connection._writer  # its own method waits for each write to drain
        if writer is None:
            self._lose(exceptions.ConnectionError("the connection was closed"))
            return
        writer.write(packed)

    async def _read(self) -> None:
        try:
            while True:
                self._answer(*await self._reply())
        # Whatever ended the reading ended the connection, and with it all that was under way.
        except Exception as error:  # noqa: BLE001
            self._lose(error)
        finally:
            await self._connection.disconnect(nowait=True)

    async def _reply(self) -> tuple[Any, Exception | None]:
        try:
            return await self._connection.read_response(disconnect_on_error=False), None
        except exceptions.ReadOnlyError:
            # This is no master any more: all shall look for the new one.
            raise
        except exceptions.ResponseError as error:
            return None, error

    def _answer(self, reply: Any, error: Exception | None) -> None:
        self._silent_since_s = self._loop.time()
        self._owed -= 1
        if not self._owed and self._unsent:
            # Not at once: what these replies set off shall come along.
            self._loop.call_soon(self._send)
        future = self._waiting.popleft()
        # A caller may have been cancelled while it waited.
        if future.done():
            return
        if error is None:
            future.set_result(reply)
        else:
            future.set_exception(error)

    def _look(self) -> None:
        """A server that has owed a reply for too long is as good as gone."""
        if self.lost:
            return
        left_s = self._reply_s_max
        if self._waiting:
            left_s -= self._loop.time() - self._silent_since_s
        if left_s <= 0:
            self._lose(exceptions.TimeoutError(f"no reply for {self._reply_s_max:.0f} s"))
            return
        self._watch = self._loop.call_later(left_s, self._look)

    def _lose(self, error: Exception) -> None:
        if self.lost:
            return
        self.lost = True
        self._watch.cancel()
        if asyncio.current_task(self._loop) is not self._reader:
            self._reader.cancel()
        waiting, self._waiting = self._waiting, deque()
        for future in waiting:
            if not future.done():
                future.set_exception(exceptions.ConnectionError(f"the connection was lost: {error}"))
