"""
Ten thousand viewers in one process, on bare sockets: `python -m benchmarks.viewers_client PORT IDS_FILE`.

Reads commands as lines of JSON and answers each with one line: `open`, `reset`, `report`, `drop`.
A viewer proves that it missed nothing: each event has the number that follows on the one before it.
"""

import json
import os
import re
import select
import socket
import struct
import sys
import time
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: What is asked of a stream: its number, the other half of its id, and when it was written (monotonic, ns).
FRAME = re.compile(rb'id: (\d+)-(\d+)\r?\n[^\n]*\n[^\n]*"at":(\d+)[^\n]*\n\r?\n')
STALL_S = 60.0


@dataclass(eq=False)
class Viewer:
    """One connection, and what came over it."""

    task_id: str
    sock: socket.socket | None = None
    asked: bool = False
    answered: bool = False
    rest: bytes = b""
    seq: int = 0
    last_id: str = ""


@dataclass
class Crowd:
    """All viewers and their one loop."""

    port: int
    viewers: list[Viewer]
    by_fd: dict[int, Viewer] = field(default_factory=dict)
    poll: Any = field(default_factory=select.epoll)
    latencies_ns: list[int] = field(default_factory=list)
    events: int = 0
    lost: int = 0
    refused: int = 0

    def open(self, window: int, seq: int) -> float:
        """Connects all, `window` at a time; the seconds until each is answered and has reached `seq`."""
        began = time.monotonic()
        waiting = deque(viewer for viewer in self.viewers if viewer.sock is None)
        pending: set[Viewer] = set()
        while waiting or pending:
            while waiting and len(pending) < window:
                pending.add(self._connect(waiting.popleft()))
            for viewer in self.turn(1.0):
                if viewer.sock is None:
                    pending.discard(viewer)
                    waiting.append(viewer)
                elif viewer.answered and viewer.seq >= seq:
                    pending.discard(viewer)
            if time.monotonic() - began > STALL_S:
                raise SystemExit(f"{len(pending)} viewers are not answered after {STALL_S:.0f} s")
        return time.monotonic() - began

    def drop(self) -> None:
        """Cuts all connections at once, without a farewell."""
        for viewer in self.viewers:
            self._close(viewer)

    def turn(self, timeout_s: float) -> list[Viewer]:
        """Reads what has come; the viewers that got something or were cut."""
        ready = [self.by_fd[fd] for fd, _ in self.poll.poll(timeout_s) if fd in self.by_fd]
        for viewer in ready:
            self._read(viewer)
        return ready

    def report(self) -> dict[str, Any]:
        waits = sorted(self.latencies_ns) or [0]
        at = lambda share: round(waits[min(len(waits) - 1, int(len(waits) * share))] / 1e6, 1)  # noqa: E731
        return {
            "events": self.events, "lost": self.lost, "refused": self.refused,
            "p50_ms": at(0.5), "p99_ms": at(0.99), "max_ms": at(1.0),
        }  # fmt: skip

    def reset(self) -> None:
        self.latencies_ns.clear()
        self.events = self.lost = self.refused = 0

    def _connect(self, viewer: Viewer) -> Viewer:
        viewer.sock = sock = socket.socket()
        sock.setblocking(False)
        sock.connect_ex(("127.0.0.1", self.port))
        viewer.rest, viewer.asked, viewer.answered = b"", False, False
        self.by_fd[sock.fileno()] = viewer
        self.poll.register(sock.fileno(), select.EPOLLOUT)
        return viewer

    def _close(self, viewer: Viewer) -> None:
        if viewer.sock is None:
            return
        del self.by_fd[viewer.sock.fileno()]
        # A reset instead of an orderly end: nobody waits for the port afterwards.
        viewer.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        viewer.sock.close()
        viewer.sock = None

    def _read(self, viewer: Viewer) -> None:
        assert viewer.sock is not None
        try:
            data = viewer.sock.recv(65536) if viewer.asked else self._ask(viewer)
        except OSError:
            data = b""
        if data == b"":
            self._close(viewer)
        elif data:
            self._take(viewer, viewer.rest + data)

    def _ask(self, viewer: Viewer) -> None:
        assert viewer.sock is not None
        position = f"Last-Event-ID: {viewer.last_id}\r\n" if viewer.last_id else ""
        viewer.sock.send(f"GET /stream/{viewer.task_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n{position}\r\n".encode())
        viewer.asked = True
        self.poll.modify(viewer.sock.fileno(), select.EPOLLIN)

    def _take(self, viewer: Viewer, data: bytes) -> None:
        if not viewer.answered:
            if b"\r\n\r\n" not in data:
                viewer.rest = data
                return
            if b" 200 " not in data[:20]:
                self.refused += 1
                self._close(viewer)
                return
            viewer.answered = True
        end = 0
        now = time.monotonic_ns()
        for match in FRAME.finditer(data):
            seq = int(match[1])
            self.lost += viewer.seq != seq - 1
            viewer.seq, viewer.last_id = seq, f"{seq}-{match[2].decode()}"
            self.events += 1
            self.latencies_ns.append(now - int(match[3]))
            end = match.end()
        viewer.rest = data[end:][-65536:]


def main() -> None:
    crowd = Crowd(int(sys.argv[1]), [Viewer(line) for line in Path(sys.argv[2]).read_text().split()])
    commands = select.epoll()
    commands.register(0, select.EPOLLIN)
    commands.register(crowd.poll.fileno(), select.EPOLLIN)
    while True:
        ready = {fd for fd, _ in commands.poll()}
        if crowd.poll.fileno() in ready:
            crowd.turn(0)
        if 0 in ready:
            line = os.read(0, 65536)
            if not line:
                return
            print(json.dumps(answer(crowd, json.loads(line))), flush=True)


def answer(crowd: Crowd, command: dict[str, Any]) -> dict[str, Any]:
    if command["do"] == "report":
        return crowd.report() | {"cpu_s": sum(os.times()[:2])}
    if command["do"] == "reset":
        crowd.reset()
    if command["do"] == "drop":
        crowd.drop()
    if command["do"] == "open":
        seconds = crowd.open(command["window"], command["seq"])
        return {"seconds": seconds, "refused": crowd.refused, "lost": crowd.lost}
    return {}


if __name__ == "__main__":
    main()
