"""A web server of a test's own: it says byte for byte what it is told to, and remembers what it was asked."""

import gzip
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.buffered import BufferedByteReceiveStream

Act = Callable[[ByteStream], Awaitable[None]]


@dataclass(frozen=True)
class Asked:
    """One request as it came in; header fields by lower-case name."""

    path: str
    headers: dict[str, str]


@dataclass
class Site:
    """Answers by path; what has none is a 404."""

    port: int = 0
    answers: dict[str, bytes | Act] = field(default_factory=dict)
    asked: list[Asked] = field(default_factory=list)
    #: Set when somebody has asked for anything but robots.txt.
    visited: anyio.Event = field(default_factory=anyio.Event)
    #: Set when a client has hung up before its answer was complete.
    left: anyio.Event = field(default_factory=anyio.Event)

    def url(self, path: str = "/", host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.port}{path}"

    def paths(self) -> list[str]:
        """What was asked for, robots.txt aside."""
        return [asked.path for asked in self.asked if asked.path != "/robots.txt"]

    async def serve(self, client: ByteStream) -> None:
        """One connection, one answer."""
        async with client:
            try:
                await self._answer(client)
            except (anyio.BrokenResourceError, anyio.IncompleteRead):
                self.left.set()

    async def _answer(self, client: ByteStream) -> None:
        head = await BufferedByteReceiveStream(client).receive_until(b"\r\n\r\n", 64 << 10)
        first, *lines = head.decode("latin-1").split("\r\n")
        fields = (line.split(": ", 1) for line in lines if line)
        asked = Asked(first.split(" ")[1], {name.lower(): value for name, value in fields})
        self.asked.append(asked)
        if asked.path != "/robots.txt":
            self.visited.set()
        answer = self.answers.get(asked.path, reply(b"", status="404 Not Found"))
        await (client.send(answer) if isinstance(answer, bytes) else answer(client))


def reply(body: bytes | str, *fields: str, status: str = "200 OK", kind: str = "text/html; charset=utf-8") -> bytes:
    """A whole answer that closes its connection."""
    content = body.encode() if isinstance(body, str) else body
    lines = [f"HTTP/1.1 {status}", f"content-length: {len(content)}", "connection: close", *fields]
    lines += [f"content-type: {kind}"] if kind else []
    return "\r\n".join([*lines, "", ""]).encode() + content


def redirect(location: str, status: str = "302 Found") -> bytes:
    return reply(b"", f"location: {location}", status=status)


def zipped(content: bytes, kind: str = "text/plain") -> bytes:
    return reply(gzip.compress(content), "content-encoding: gzip", kind=kind)


def endless(piece: bytes, *fields: str, kind: str = "text/plain") -> Act:
    """A body that never ends, until the client hangs up."""

    async def act(client: ByteStream) -> None:
        await client.send("\r\n".join(["HTTP/1.1 200 OK", f"content-type: {kind}", *fields, "", ""]).encode())
        while True:
            await client.send(piece)

    return act


async def trickling(client: ByteStream) -> None:
    """A body that comes as slowly as can be: a byte now and then until the client hangs up."""
    await client.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 10000\r\n\r\n")
    while True:
        await client.send(b"a")
        await anyio.sleep(0.02)


@asynccontextmanager
async def running_site() -> AsyncIterator[Site]:
    """A site at a free port of the loopback address."""
    site = Site()
    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    site.port = listener.extra(SocketAttribute.local_port)
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, site.serve)
        yield site
        group.cancel_scope.cancel()
