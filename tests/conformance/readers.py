"""Clients of three kinds that follow a stream until they are told that they have it all."""

import json
import socket
import subprocess
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx2

from tests.deployment import wait_for

WAIT_S = 60.0
PAUSE_S = 0.05
PASSING = (502, 503)


@dataclass(frozen=True)
class Frame:
    """One event, or one word of the stream about itself (without an id of its own)."""

    id: str
    type: str
    data: str

    @property
    def body(self) -> dict[str, Any]:
        body: dict[str, Any] = json.loads(self.data)
        return body


class Over(Exception):
    """The server has answered 204."""


class Refused(Exception):
    """It has answered something else but 200."""


class Follower(ABC):
    """Follows one stream over as many connections as it takes; `seen` are its events, `resets` the times it forgot."""

    def __init__(self, url: str, headers: Mapping[str, str] | None = None) -> None:
        self.headers = dict(headers or {})
        self.seen: list[Frame] = []
        self.resets = 0
        self.failure: Exception | None = None
        self._url = url
        self._over = threading.Event()
        self._closing = threading.Event()
        self._last_id = ""
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    @property
    def count(self) -> int:
        return len(self.seen)

    @property
    def ids(self) -> list[str]:
        return [frame.id for frame in self.seen]

    @property
    def over(self) -> bool:
        """It was told to stay away, which ends a browser's EventSource for good."""
        assert self.failure is None, self.failure
        return self._over.is_set()

    def wait(self, condition: Callable[[], object], what: str) -> None:
        wait_for(lambda: self.failure or condition(), f"{what}; seen: {len(self.seen)}", WAIT_S)
        assert self.failure is None, self.failure

    def wait_over(self) -> None:
        self.wait(lambda: self.over, "the stream did not come to its end")

    def close(self) -> None:
        self._closing.set()
        self.cut()
        self._thread.join(10)

    def asking(self, last_id: str) -> dict[str, str]:
        """The headers of a request."""
        return self.headers | ({"Last-Event-ID": last_id} if last_id else {})

    @abstractmethod
    def trip(self, last_id: str) -> Iterator[Frame]:
        """The frames of one connection. Raises `Over`, `Refused`, or what the transport raises when it is cut."""

    @abstractmethod
    def cut(self) -> None:
        """Ends the connection under way."""

    def take(self, frame: Frame) -> None:
        if frame.type == "stream.reset":
            self.seen.clear()
            self._last_id = ""
            self.resets += 1
        elif not frame.type.startswith("stream.") and frame.data:
            self.seen.append(frame)
            self._last_id = frame.id

    def _follow(self) -> None:
        while not self._closing.is_set():
            try:
                for frame in self.trip(self._last_id):
                    self.take(frame)
            except Over:
                self._over.set()
                return
            except Refused as error:
                if not any(str(status) in str(error) for status in PASSING):
                    self.failure = error
                    return
            except (OSError, httpx2.TransportError, ValueError) as error:
                if self._closing.is_set():
                    return
                del error  # a cut, in one of its many forms
            # Whoever waits is told, rather than left to wait for a thread that is gone.
            except Exception as error:  # noqa: BLE001
                self.failure = error
                return
            self._closing.wait(PAUSE_S)


class RawFollower(Follower):
    """A socket, and the protocols by hand: HTTP/1.1 chunks (RFC 9112) and the frames of the HTML standard."""

    _socket: socket.socket | None = None

    def trip(self, last_id: str) -> Iterator[Frame]:
        parts = urlsplit(self._url)
        with socket.create_connection((parts.hostname, parts.port), timeout=WAIT_S) as self._socket:
            said = "".join(f"{name}: {value}\r\n" for name, value in self.asking(last_id).items())
            head = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nHost: {parts.hostname}\r\n{said}\r\n"
            self._socket.sendall(head.encode())
            with self._socket.makefile("rb") as stream:
                first, *fields = head_of(stream)
                status, headers = int(first.split()[1]), [line.lower() for line in fields]
                if status == 204:
                    raise Over
                if status != 200:
                    raise Refused(status)
                assert any(line.startswith(b"content-type: text/event-stream") for line in headers), headers
                assert not any(line.startswith(b"content-encoding") for line in headers), headers
                length = next((int(line[16:]) for line in headers if line.startswith(b"content-length: ")), None)
                yield from frames(lines(chunks(stream) if length is None else [stream.read(length)]))

    def cut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


def head_of(stream: Any) -> list[bytes]:
    """The lines of an answer's head; raises when it is cut off before its end."""
    found: list[bytes] = []
    while (line := stream.readline()) != b"\r\n":
        if not line.endswith(b"\n"):
            raise ConnectionError("cut within the head")
        found.append(line)
    return found


def chunks(stream: Any) -> Iterator[bytes]:
    """The pieces of a chunked body as they come; ends with its last chunk, raises when it ends before."""
    while size := int(stream.readline() or b"x", 16):
        while size:
            piece = stream.read1(size)
            if not piece:
                raise ConnectionError("cut within a chunk")
            size -= len(piece)
            yield piece
        if stream.readline() != b"\r\n":
            raise ConnectionError("cut behind a chunk")


def lines(pieces: Iterable[bytes]) -> Iterator[str]:
    """Lines without their ends; one that is not ended is none."""
    rest = b""
    for piece in pieces:
        *ready, rest = (rest + piece).split(b"\n")
        yield from (line.decode() for line in ready)


def frames(text: Iterable[str]) -> Iterator[Frame]:
    """As a browser reads a stream; a frame that is not ended by a blank line is none."""
    last_id, kind, data = "", "", list[str]()
    for line in text:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            last_id = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
        elif not line:
            if data:
                yield Frame(last_id, kind or "message", "\n".join(data))
            kind, data = "", []


class HttpxFollower(Follower):
    """The library that our own client is built on, and its own decoder."""

    _response: httpx2.Response | None = None

    def trip(self, last_id: str) -> Iterator[Frame]:
        with httpx2.Client(timeout=WAIT_S) as client, client.sse(self._url, headers=self.asking(last_id)) as source:
            self._response = source.response
            if source.response.status_code == 204:
                raise Over
            if source.response.status_code != 200:
                raise Refused(source.response.status_code)
            for event in source:
                yield Frame(event.id, event.event, event.data)

    def cut(self) -> None:
        if self._response is not None:
            stream = self._response.extensions.get("network_stream")
            if stream is not None:
                with suppress(OSError):
                    stream.get_extra_info("socket").shutdown(socket.SHUT_RDWR)


class CurlFollower(Follower):
    """curl, as people use it in a terminal; a subclass may say more to it."""

    options: tuple[str, ...] = ()
    _process: "subprocess.Popen[bytes] | None" = None

    def trip(self, last_id: str) -> Iterator[Frame]:
        fields = [word for name, value in self.asking(last_id).items() for word in ("-H", f"{name}: {value}")]
        command = ["curl", "--silent", "--no-buffer", "--include", *self.options, *fields, self._url]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as self._process:
            assert self._process.stdout
            output = self._process.stdout
            words = head_of(output)[0].split()
            if words[1] == b"204":
                raise Over
            if words[1] != b"200":
                raise Refused(words[1].decode())
            yield from frames(lines(iter(lambda: output.read1(4096), b"")))  # type: ignore[attr-defined]

    def cut(self) -> None:
        if self._process is not None:
            self._process.kill()
