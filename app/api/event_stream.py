"""
The response that stays open: pieces of a source as they come, in one of two forms.

    source ──► batch ──► filter ──► form ──► chunk ──► send          one task, which writes
    receive ──► client hung up ──► source.stop()                     one task, which waits
    timer ──► heartbeat, send timeout, end of life                   one handle of the loop

Whatever ends a stream, its source gives its place back. A stream that is not complete ends with `retry:`, so that a
client comes back to where it was: after its maximum age, so that load spreads over new processes and lost clients are
found, and when this process is about to end.

The library for this, sse-starlette, has three more tasks per stream and costs more CPU and memory
(benchmarks/README.md); above all it cannot let go of a client that never reads.
"""

import asyncio
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from app.api.accept import EVENT_STREAM, NDJSON
from app.draining import Draining
from app.events.sse import END, Piece, Source

#: Under which the shortest way for the body of an answer lies in a scope.
BODIES = "stepstream.bodies"
CHUNK_BYTES_MAX = 64 << 10
RETRY_MS = 2_000
#: How long a client may take for its last bytes when this process is about to end.
FAREWELL_S_MAX = 3.0
UNSENT_LOOK_S = 0.05


@dataclass(frozen=True, slots=True)
class Form:
    """How pieces look on the wire; `opening` is sent at once, `heartbeat` when there is nothing to say."""

    media_type: str
    opening: bytes
    heartbeat: bytes
    encode: Callable[[Piece], bytes]
    retry: bytes

    def farewell(self) -> bytes:
        """Asks the client to come back, each at a time of its own."""
        return self.retry % random.randint(RETRY_MS // 2, RETRY_MS * 3 // 2) if self.retry else b""


SSE: Final = Form(EVENT_STREAM, b"retry: %d\n\n" % RETRY_MS, b": heartbeat\n\n", attrgetter("frame"), b"retry: %d\n\n")
#: Blank lines between values are white space to a reader of JSON.
LINES: Final = Form(NDJSON, b"", b"\n", attrgetter("line"), b"")


@dataclass(frozen=True, slots=True)
class Pace:
    """The times of a stream in seconds: between heartbeats, for one send, and its whole life (+-20 %)."""

    heartbeat_s: float
    send_s_max: float
    stream_s_max: float


class EventStream(Response):
    """An open stream; a client that takes nothing for `send_s_max` is dropped and may come back to where it was."""

    def __init__(
        self, source: Source, form: Form, wanted: Callable[[Piece], bool], pace: Pace, draining: Draining
    ) -> None:
        super().__init__(headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"}, media_type=form.media_type)
        del self.headers["content-length"]
        self._source = source
        self._form = form
        self._wanted = wanted
        self._pace = pace
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            # What stands between looks at heads only, and would be called for each event.
            stream = _Stream(self._source, self._pace, receive, scope.get(BODIES, send))
            with self._draining.calling(stream.say_farewell):
                await stream.run(self._form, self._wanted)
        finally:
            self._source.close()


class _Stream:
    """The life of one open stream."""

    def __init__(self, source: Source, pace: Pace, receive: Receive, send: Send) -> None:
        self._source = source
        self._pace = pace
        self._receive = receive
        self._send = send
        self._loop = loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        # There is no word in ASGI for the connection, but uvicorn's `receive` belongs to what knows it.
        self._transport: Any = getattr(getattr(receive, "__self__", None), "transport", None)
        self._ends_at = loop.time() + pace.stream_s_max * random.uniform(0.8, 1.2)
        self._sending_since = 0.0  # 0 while nothing is being sent
        self._hung_up = False
        self._dropped = False
        # Streams that open together, as after a restart, need not beat together.
        self._timer = loop.call_later(pace.heartbeat_s * random.uniform(0.5, 1), self._on_time)

    async def run(self, form: Form, wanted: Callable[[Piece], bool]) -> None:
        watch = self._loop.create_task(self._await_hangup())
        try:
            await self._write(form, wanted)
        except asyncio.CancelledError:
            if not self._dropped or self._task is None:
                raise
            self._task.uncancel()
        finally:
            self._timer.cancel()
            watch.cancel()

    def say_farewell(self) -> None:
        """Ends the stream at once, and soon even if its client does not read."""
        self._source.stop()
        self._timer.cancel()
        self._timer = self._loop.call_later(FAREWELL_S_MAX, self._drop)

    async def _write(self, form: Form, wanted: Callable[[Piece], bool]) -> None:
        # In one piece with the first batch: each write is a call of the system.
        opening = [form.opening] if form.opening else []
        async for batch in self._source:
            if len(batch) == 1 and not opening:
                if wanted(batch[0]):
                    await self._put(form.encode(batch[0]))
                continue
            for chunk in chunks([*opening, *(form.encode(piece) for piece in batch if wanted(piece))]):
                await self._put(chunk)
            if not batch and not opening:
                await self._put(form.heartbeat)
            opening = []
        if not self._hung_up:
            await self._end(form.encode(END) if self._source.complete else form.farewell())

    async def _put(self, body: bytes, *, more: bool = True) -> None:
        self._sending_since = self._loop.time()
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
        self._sending_since = 0.0

    async def _end(self, last: bytes) -> None:
        """The last bytes; they are not left behind in the connection, where nobody would watch over them."""
        if self._unsent:
            await self._put(last)
            last = b""
            self._sending_since = self._loop.time()
        while self._unsent and not self._hung_up:  # noqa: ASYNC110  # the connection has no event for it
            await asyncio.sleep(UNSENT_LOOK_S)
        await self._put(last, more=False)

    @property
    def _unsent(self) -> bool:
        return self._transport is not None and self._transport.get_write_buffer_size() > 0

    async def _await_hangup(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self._hung_up = True
        self._source.stop()

    def _on_time(self) -> None:
        now = self._loop.time()
        if self._sending_since:
            if now - self._sending_since >= self._pace.send_s_max:
                self._drop()
                return
        elif now >= self._ends_at:
            self._source.stop()
        else:
            self._source.nudge()
        due = now + self._pace.heartbeat_s
        if self._sending_since:
            due = min(due, self._sending_since + self._pace.send_s_max)
        if now < self._ends_at:
            due = min(due, self._ends_at)
        self._timer = self._loop.call_at(due, self._on_time)

    def _drop(self) -> None:
        """Lets go of a client that does not read: to close its connection would be to wait until it has."""
        self._source.stop()
        if self._transport is not None:
            self._transport.abort()
        elif self._task is not None:
            self._dropped = True
            self._task.cancel()


def chunks(ready: list[bytes]) -> Iterator[bytes]:
    """Joins what is ready up to about `CHUNK_BYTES_MAX`; a single piece stays the shared object it is."""
    joined: list[bytes] = []
    size = 0
    for piece in ready:
        if joined and size + len(piece) > CHUNK_BYTES_MAX:
            yield b"".join(joined)
            joined, size = [], 0
        joined.append(piece)
        size += len(piece)
    if joined:
        yield joined[0] if len(joined) == 1 else b"".join(joined)
