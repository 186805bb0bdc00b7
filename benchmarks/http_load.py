"""A client that costs little: so many connections to a server, each asking again as soon as it was answered."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import cycle

import uvloop

CONNECT_PATIENCE_S = 10.0


@dataclass(slots=True)
class Answers:
    """How long each answer took, in seconds, and the time they took together."""

    seconds: float = 0.0
    latencies_s: list[float] = field(default_factory=list)

    @property
    def per_second(self) -> float:
        return len(self.latencies_s) / self.seconds

    def percentile_ms(self, percent: float) -> float:
        ordered = sorted(self.latencies_s)
        return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))] * 1000


class _Connection(asyncio.Protocol):
    def __init__(self, requests: Iterator[bytes], status: int, end_s: float, answers: Answers) -> None:
        self.closed = asyncio.get_running_loop().create_future()
        self._requests = requests
        self._expected = f"HTTP/1.1 {status} ".encode()
        self._end_s = end_s
        self._answers = answers
        self._received = b""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as asyncio calls it
        self._transport = transport
        self._ask()

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found or len(body) < int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]):
            return
        if not head.startswith(self._expected):
            self.closed.set_exception(RuntimeError(self._received.decode()))
            self._transport.close()
            return
        now_s = time.perf_counter()
        self._answers.latencies_s.append(now_s - self._asked_s)
        self._received = b""
        if now_s < self._end_s:
            self._ask()
        else:
            self._transport.close()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  # as asyncio calls it
        if not self.closed.done():
            self.closed.set_result(None)

    def _ask(self) -> None:
        self._asked_s = time.perf_counter()
        self._transport.write(next(self._requests))


def post(port: int, path: str, body: bytes) -> bytes:
    """The bytes of a request with a JSON body."""
    head = f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\naccept: */*\r\n\r\n".encode() + body


def load(port: int, requests: Sequence[bytes], *, connections: int, seconds: float, status: int) -> Answers:
    """Sends the requests in turn for so many seconds; raises `RuntimeError` for an answer with another status."""
    return uvloop.run(_load(port, cycle(requests), connections, seconds, status))


async def _load(port: int, requests: Iterator[bytes], connections: int, seconds: float, status: int) -> Answers:
    answers = Answers()
    began_s = time.perf_counter()
    loop = asyncio.get_running_loop()
    opened = [
        loop.create_connection(lambda: _Connection(requests, status, began_s + seconds, answers), "127.0.0.1", port)
        for _ in range(connections)
    ]
    protocols = [protocol for _, protocol in await asyncio.wait_for(asyncio.gather(*opened), CONNECT_PATIENCE_S)]
    await asyncio.gather(*(protocol.closed for protocol in protocols))
    answers.seconds = time.perf_counter() - began_s
    return answers
