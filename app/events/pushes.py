"""
One sharded pub/sub connection per process.

Redis forgets a subscriber together with its connection and keeps nothing for it. So this end remembers
the channels, subscribes again after every loss, and says when a channel is confirmed; whoever listens
reads from the log what was missed before that.
"""

import asyncio
import random
import time
from collections.abc import Callable, Iterable
from typing import Any

import hiredis
import redis.asyncio
import structlog
from redis import exceptions

CHUNK_MAX = 500
READ_BYTES = 256 << 10
PING_S = 5.0
SILENCE_S_MAX = 15.0
SEND_S_MAX = 5.0
BACKOFF_S = 0.05
BACKOFF_S_MAX = 2.0

log = structlog.get_logger(__name__)


class Pushes:
    """
    Keeps one connection subscribed to a changing set of channels.

    `on_push(channel, payload)` gets every message, `on_confirmed(channel)` every confirmed subscription
    and `on_lost()` every loss of the connection; all three must return at once.
    """

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        *,
        on_push: Callable[[bytes, bytes], None],
        on_confirmed: Callable[[bytes], None],
        on_lost: Callable[[], None],
    ) -> None:
        self._client = client
        self._on_push = on_push
        self._on_confirmed = on_confirmed
        self._on_lost = on_lost
        self._channels: set[str] = set()
        self._unsent: dict[str, str] = {}  # channel -> the command it needs, in order
        self._changed = asyncio.Event()
        self._heard_at = 0.0

    def subscribe(self, channel: str) -> None:
        self._channels.add(channel)
        self._change(channel, "SSUBSCRIBE")

    def unsubscribe(self, channel: str) -> None:
        self._channels.discard(channel)
        self._change(channel, "SUNSUBSCRIBE")

    async def run(self) -> None:
        """Connects, serves and reconnects until cancelled."""
        failures = 0
        while True:
            connection = self._client.connection_pool.make_connection()  # type: ignore[no-untyped-call]
            try:
                await connection.connect()
                # With a socket timeout redis-py sends through `wait_for`, which loses a cancellation on 3.11;
                # `_send` and `_receive` bring limits of their own.
                connection.socket_timeout = None
                failures = 0
                await self._serve(connection)
            # Whatever ends a connection, the viewers live on: the next one catches up.
            except Exception as error:  # noqa: BLE001
                self._report(error)
            finally:
                await connection.disconnect(nowait=True)
            self._on_lost()
            failures += 1
            await asyncio.sleep(min(BACKOFF_S_MAX, BACKOFF_S * 2 ** min(failures, 10)) * random.uniform(0.5, 1))

    async def _serve(self, connection: "redis.asyncio.Connection") -> None:
        self._unsent = dict.fromkeys(self._channels, "SSUBSCRIBE")
        self._heard_at = time.monotonic()
        async with asyncio.TaskGroup() as group:
            group.create_task(self._send(connection))
            group.create_task(self._receive(connection))

    async def _send(self, connection: "redis.asyncio.Connection") -> None:
        while True:
            while self._unsent:
                verb, channels = self._next_chunk()
                await _command(connection, verb, *channels)
            self._changed.clear()
            try:
                async with asyncio.timeout(PING_S):
                    await self._changed.wait()
            except TimeoutError:
                await _command(connection, "PING")
            self._check_silence()

    def _check_silence(self) -> None:
        """
        Pings and subscriptions are answered, so who says nothing is not there.

        Not a timeout of each read: there are many.
        """
        if time.monotonic() - self._heard_at > SILENCE_S_MAX:
            raise exceptions.ConnectionError(f"the server was silent for {SILENCE_S_MAX:.0f} s")

    async def _receive(self, connection: "redis.asyncio.Connection") -> None:
        # Past the driver, which reads reply by reply under a timeout of its own: pushes come in crowds, and nothing
        # else comes over this connection.
        stream, parser = connection._reader, hiredis.Reader()
        assert stream is not None  # noqa: S101  # there is one once it is connected; this is for the type checker
        while True:
            received = await stream.read(READ_BYTES)
            if not received:
                raise exceptions.ConnectionError("the server closed the connection")
            self._heard_at = time.monotonic()
            parser.feed(received)
            while (reply := parser.gets()) is not False:
                self._take(reply)

    def _take(self, reply: Any) -> None:
        if isinstance(reply, hiredis.ReplyError):
            raise exceptions.ResponseError(str(reply))
        if reply[0] == b"smessage":
            self._on_push(reply[1], reply[2])
        elif reply[0] == b"ssubscribe":
            self._on_confirmed(reply[1])

    def _next_chunk(self) -> tuple[str, list[str]]:
        """The next channels that need the same command, at most `CHUNK_MAX`, taken off the list."""
        verb = next(iter(self._unsent.values()))
        chunk: list[str] = []
        for channel, needed in self._unsent.items():
            if needed != verb or len(chunk) == CHUNK_MAX:
                break
            chunk.append(channel)
        for channel in chunk:
            del self._unsent[channel]
        return verb, chunk

    def _change(self, channel: str, verb: str) -> None:
        # Deleted first so that the command moves to the end: replies come in the order of the commands.
        self._unsent.pop(channel, None)
        self._unsent[channel] = verb
        self._changed.set()

    def _report(self, error: Exception) -> None:
        causes: Iterable[Exception] = error.exceptions if isinstance(error, ExceptionGroup) else (error,)
        for cause in causes:
            expected = isinstance(cause, exceptions.RedisError | OSError)
            log.warning("push_connection_lost", error=str(cause), exc_info=None if expected else cause)


async def _command(connection: "redis.asyncio.Connection", *words: str) -> None:
    async with asyncio.timeout(SEND_S_MAX):
        await connection.send_command(*words, check_health=False)
