"""The way between a client and the API processes: a TCP proxy that can be told to misbehave."""

import re
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

EVENT = re.compile(rb"id: [^\n]+\nevent: [^\n]+\ndata: [^\n]*\n\n")
CHUNK = 16 << 10
PART_BYTES = 9


@dataclass
class Weather:
    """How the road is today; may be changed at any time."""

    #: Each trip is cut behind so many events and a part of the next one.
    events_per_trip: int | None = None
    #: Bytes per second towards the client.
    bytes_per_s: int | None = None
    #: Nothing is taken from the server any more.
    blocked: bool = False


class Road:
    """Leads each connection to the first server that lives."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = list(ports)
        self.weather = Weather()
        self.trips = 0  # how often a stream was asked for, over new connections or old
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self._open: set[socket.socket] = set()
        self._closing = threading.Event()
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()
        self.port: int = self._listener.getsockname()[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self.weather.blocked = False
        self._closing.set()
        for one in (self._listener, *self._open):
            _hang_up(one)
        for thread in self._threads:
            thread.join(10)
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listener.accept()
                self._threads.append(threading.Thread(target=self._serve, args=(near,), daemon=True))
                self._threads[-1].start()

    def _serve(self, near: socket.socket) -> None:
        with near, suppress(OSError), self._reach() as far:
            self._open |= {near, far}
            there = threading.Thread(target=self._there, args=(near, far), daemon=True)
            there.start()
            with suppress(OSError):
                self._back(far, near)
            # An orderly end, so that what is on its way arrives; then nothing more.
            _hang_up(near)
            _hang_up(far)
            there.join(10)
            self._open -= {near, far}

    def _reach(self) -> socket.socket:
        for port in self.ports:
            with suppress(ConnectionError):
                return socket.create_connection(("127.0.0.1", port))
        raise ConnectionRefusedError

    def _there(self, near: socket.socket, far: socket.socket) -> None:
        with suppress(OSError):
            while data := near.recv(CHUNK):
                self.trips += data.count(b"GET /stream/")
                far.sendall(data)
        # A client that has hung up wants no more of the answer.
        _hang_up(far)

    def _back(self, far: socket.socket, near: socket.socket) -> None:
        passed, events = b"", 0
        while data := far.recv(CHUNK):
            wanted = self.weather.events_per_trip
            if wanted is not None:
                end = _end_of(passed + data, wanted - events)
                if end is not None:
                    near.sendall(data[: max(0, end - len(passed)) + PART_BYTES])
                    return
                events, passed = _counted(passed + data, events)
            near.sendall(data)
            if self.weather.bytes_per_s:
                self._closing.wait(len(data) / self.weather.bytes_per_s)
            while self.weather.blocked:
                self._closing.wait(0.01)


def _hang_up(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _end_of(data: bytes, count: int) -> int | None:
    """Where the `count`-th event ends, if it does."""
    ends = [match.end() for match in EVENT.finditer(data)]
    return ends[count - 1] if len(ends) >= count else None


def _counted(data: bytes, events: int) -> tuple[int, bytes]:
    """How many events have passed by now, and the beginning of one that has not."""
    ends = [match.end() for match in EVENT.finditer(data)]
    return events + len(ends), data[ends[-1] :] if ends else data
