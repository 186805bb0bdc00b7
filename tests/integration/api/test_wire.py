"""Requests byte by byte: what is too much, too slow, cut off, or no HTTP at all."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import orjson
import pytest
import uvicorn

from app import wire
from app.config import Settings
from app.main import create_app
from tests.integration.api.support import ThreadlessServer

pytestmark = pytest.mark.anyio

BODY_BYTES_MAX = 100_000
GET = b"GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n"


def post(*headers: str) -> bytes:
    lines = ["POST /plan HTTP/1.1", "host: localhost", "content-type: application/json", *headers]
    return "\r\n".join([*lines, "", ""]).encode()


@dataclass
class Answer:
    """What came back: the status and, for a problem, its name or else its title."""

    status: int
    problem: str = ""


class Wire:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def flood(self, data: bytes) -> None:
        """The same a hundred times."""
        for _ in range(100):
            await self.send(data)
            await asyncio.sleep(0)

    async def answer(self) -> Answer:
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
            body = await self.reader.readexactly(length)
        status = int(head.split(" ")[1])
        if "application/problem+json" not in head:
            return Answer(status)
        problem = orjson.loads(body)
        assert problem["status"] == status
        return Answer(status, problem["type"].rpartition(":")[2].replace("blank", problem["title"].lower()))

    async def is_closed(self) -> bool:
        """Whether the server ends it; what it still says does not count."""
        async with asyncio.timeout(60):
            try:
                while await self.reader.read(65_536):
                    pass
            except ConnectionError:
                pass
        return True


@pytest.fixture(scope="module")
async def port(redis_url: str, anyio_backend: object) -> AsyncIterator[int]:
    settings = Settings(
        redis_url=redis_url, namespace="test-wire", body_bytes_max=BODY_BYTES_MAX, body_s_max=1.0, auth="auto"
    )
    config = uvicorn.Config(create_app(settings), port=0, log_level="critical", http=wire.BoundedHttp)
    server = ThreadlessServer(config)
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.005)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    await serving


@asynccontextmanager
async def connected(port: int) -> AsyncIterator[Wire]:
    wire_ = Wire(*await asyncio.open_connection("127.0.0.1", port))
    try:
        yield wire_
    finally:
        wire_.writer.close()
        with suppress(ConnectionError):
            await wire_.writer.wait_closed()


@pytest.fixture
async def connection(port: int) -> AsyncIterator[Wire]:
    async with connected(port) as wire_:
        yield wire_


async def test_a_connection_serves_one_request_after_another(connection: Wire) -> None:
    """Bodies by length and in chunks, and requests that lie ready behind each other."""
    chunked = b'8\r\n{"task":\r\n4;x=y\r\n"x"}\r\n0\r\ntrailer: t\r\n\r\n'

    await connection.send(post("content-length: 12") + b'{"task":"x"}')
    assert await connection.answer() == Answer(200)
    await connection.send(post("transfer-encoding: chunked") + chunked + GET + GET)
    assert [await connection.answer() for _ in range(3)] == [Answer(200)] * 3


async def test_so_many_requests_may_wait_for_those_before_them(connection: Wire) -> None:
    """They are answered in their order and the connection is closed; the rest may be sent on another one."""
    await connection.send(GET * (10 * wire.AHEAD_MAX))

    async with asyncio.timeout(60):
        answered = await connection.reader.read()

    assert answered.count(b"HTTP/1.1 200 OK") == wire.AHEAD_MAX + 1
    assert answered.count(b"HTTP/1.1") == wire.AHEAD_MAX + 1
    assert b"connection: close" in answered[answered.rindex(b"HTTP/1.1") :]


async def test_a_declared_length_above_the_limit_is_refused_unread(connection: Wire) -> None:
    """The answer comes before the body; who sends it all the same may use the connection again."""
    await connection.send(post(f"content-length: {BODY_BYTES_MAX + 1}"))
    assert await connection.answer() == Answer(413, "body-too-large")

    await connection.send(b" " * (BODY_BYTES_MAX + 1) + GET)
    assert await connection.answer() == Answer(200)


async def test_a_body_in_chunks_is_read_to_the_limit(connection: Wire) -> None:
    """Nobody needs a declared length to be told that it is too much."""
    await connection.send(post("transfer-encoding: chunked"))
    await connection.send(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
    for _ in range(3):
        await connection.send(b"8000\r\n" + b" " * 0x8000 + b"\r\n")

    assert await connection.answer() == Answer(413, "body-too-large")


async def test_who_goes_on_after_an_answer_is_cut_off(connection: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body without an end keeps no connection for ever, however much or little of it comes."""
    monkeypatch.setattr(wire, "LINGER_S_MAX", 0.1)
    await connection.send(post("transfer-encoding: chunked"))
    for _ in range(4):
        await connection.send(b"8000\r\n" + b" " * 0x8000 + b"\r\n")
    assert await connection.answer() == Answer(413, "body-too-large")

    closed = asyncio.create_task(connection.is_closed())
    while not closed.done():
        try:
            await connection.send(b"1\r\n \r\n")
        except ConnectionError:
            break
        await asyncio.sleep(0.01)
    assert await closed


async def test_a_body_has_its_time(connection: Wire) -> None:
    """Dribbled, or not sent at all: 408, however long the sender would take."""
    await connection.send(post("content-length: 50"))
    answer = asyncio.create_task(connection.answer())
    while not answer.done():
        await connection.send(b" ")
        await asyncio.sleep(0.05)

    assert await answer == Answer(408, "body-too-slow")


async def test_a_body_that_is_shorter_than_declared_is_waited_for_and_no_longer(connection: Wire) -> None:
    """The length lied: the rest never comes."""
    await connection.send(post("content-length: 13") + b'{"task":"x"}')

    assert await connection.answer() == Answer(408, "body-too-slow")


async def test_a_body_that_is_longer_than_declared_ends_where_it_said(connection: Wire) -> None:
    """What follows is taken for the next request, and is none: the answer comes, and then the end."""
    await connection.send(post("content-length: 12") + b'{"task":"x"}, "priority": 1}')

    assert await connection.answer() == Answer(200)
    assert await connection.is_closed()


async def test_a_sender_that_hangs_up_harms_nobody(
    connection: Wire, port: int, caplog: pytest.LogCaptureFixture
) -> None:
    """In the middle of a body: nothing is logged as an error, and the next one is served."""
    await connection.send(post("content-length: 50") + b"{")
    connection.writer.close()
    await connection.writer.wait_closed()

    async with connected(port) as other:
        await other.send(GET)
        assert await other.answer() == Answer(200)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "CRITICAL")]


@pytest.mark.parametrize(
    "head",
    [
        post("content-length: -1"),
        post("content-length: 1e3"),
        post("content-length: 99999999999999999999999999"),
        post("content-length: 5", "content-length: 6"),
        post("content-length: 5", "transfer-encoding: chunked"),
        post("transfer-encoding: chunked, identity"),
        post("transfer-encoding: gzip"),
        post("no colon"),
        post("na me: x"),
        post("x: \x00"),
        b"BREW /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"GET /healthz HTTP/9.9\r\nhost: localhost\r\n\r\n",
        b"GET  HTTP/1.1\r\nhost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 100,
    ],
)
async def test_what_is_no_http_is_refused_and_closed(connection: Wire, head: bytes) -> None:
    """No second meaning of a length is tried out: 400 as a problem, and the end of the connection."""
    await connection.send(head)

    assert await connection.answer() == Answer(400, "bad request")
    assert await connection.is_closed()


@pytest.mark.parametrize(
    ("head", "more"),
    [
        (b"GET /", b"x" * 10_000),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\nx: ", b"x" * 10_000),
        (b"GET / HTTP/1.1\r\nhost: localhost\r\n", b"x: y\r\n" * 2_000),
        (GET[:-2] + b"x: " + b"x" * wire.HEAD_BYTES_MAX + b"\r\n\r\n", b""),
    ],
    ids=["path", "header", "headers", "at once"],
)
async def test_a_head_has_its_size(connection: Wire, head: bytes, more: bytes) -> None:
    """431, long before it could fill the memory."""
    await connection.send(head)
    await connection.flood(more)

    assert await connection.answer() == Answer(431, "request header fields too large")
    assert await connection.is_closed()


@pytest.mark.parametrize("rest", [b"1;x=", b"0\r\nx: "], ids=["extension", "trailer"])
async def test_what_comes_beside_a_body_has_its_size(connection: Wire, rest: bytes) -> None:
    """Extensions of a chunk and trailers are bytes that nobody reads; without an end they are refused."""
    await connection.send(post("transfer-encoding: chunked") + rest)
    await connection.flood(b"x" * 10_000)

    assert await connection.answer() == Answer(431, "request header fields too large")
    assert await connection.is_closed()


async def test_a_head_has_its_time(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """408 for half a head, also for one that comes by the letter; a connection that says nothing is just closed."""
    monkeypatch.setattr(wire, "HEAD_S_MAX", 0.2)
    async with connected(port) as silent, connected(port) as half:
        await half.send(b"GET / HTTP/1.1\r\nx: ")
        answer = asyncio.create_task(half.answer())
        while not answer.done():
            await half.send(b"x")
            await asyncio.sleep(0.02)

        assert await answer == Answer(408, "request timeout")
        assert await half.is_closed()
        assert await silent.is_closed()


async def test_rubbish_behind_a_body_in_chunks_spoils_it(connection: Wire) -> None:
    """A body that is no body is not waited for."""
    await connection.send(post("transfer-encoding: chunked") + b"5\r\nabcdeXX")

    assert await connection.answer() == Answer(400, "bad request")
    assert await connection.is_closed()


@pytest.mark.parametrize("host", ["", "[", "[::1", "localhost:x", "a b", "\u00e9", "localhost, evil", "a" * 5_000])
async def test_no_host_header_is_a_defect(connection: Wire, host: str) -> None:
    """Whatever a client calls us, it is served or refused, and never finds a defect."""
    for path in ("/healthz", "/agents", "/nowhere"):
        await connection.send(f"GET {path} HTTP/1.1\r\nhost: {host}\r\n\r\n".encode())

        assert (await connection.answer()).status in (200, 404, 421)
