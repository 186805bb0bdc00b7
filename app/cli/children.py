"""Processes that `stepstream up` starts: their output line by line, their orderly end."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress

from app.cli.programs import our_module

Sink = Callable[[str, str], None]  # (name of the child, one line it said)

LINE_BYTES_MAX = 64 << 10
TAIL_LINES_MAX = 40
KILL_TIMEOUT_S = 5.0
POLL_S = 0.05


class Child:
    """
    One process in a group of its own, so that a Ctrl-C in the terminal reaches only its parent.

    On Linux it gets a SIGTERM when the thread that started it ends, be it by a SIGKILL of the whole process.
    `sink` gets what it writes, from a thread; `tail` keeps the last lines for the case that it dies.
    """

    def __init__(self, name: str, command: Sequence[str], env: Mapping[str, str], sink: Sink, mark: str) -> None:
        self.name = name
        self.tail: deque[str] = deque(maxlen=TAIL_LINES_MAX)
        self.marks = 0
        self._mark = mark
        self._sink = sink
        self._process = subprocess.Popen(  # noqa: S603  # nosec B603  # our own commands, built by the caller
            _tied(command), env=dict(env), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, name=f"log of {name}", daemon=True)
        self._reader.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        return self._process.poll()

    def stop(self, timeout_s: float, hurry: threading.Event) -> None:
        """Asks it to end, and ends its whole group when it takes too long or `hurry` is set."""
        try:
            if self.exit_code is None:
                self._process.terminate()
            deadline = time.monotonic() + timeout_s
            while self.exit_code is None and time.monotonic() < deadline and not hurry.is_set():
                time.sleep(POLL_S)
        finally:
            self._kill_group()
            self._process.wait(KILL_TIMEOUT_S)
            self._reader.join(KILL_TIMEOUT_S)

    def _kill_group(self) -> None:
        """Also after an orderly end: a worker whose master died must not go on alone."""
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return

    def _read(self) -> None:
        assert self._process.stdout is not None  # noqa: S101  # asked for above; this is for the type checker
        with self._process.stdout as output:
            while raw := output.readline(LINE_BYTES_MAX):
                line = raw.decode("utf-8", "replace").rstrip("\r\n")
                self.tail.append(line)
                self.marks += self._mark in line
                # A closed terminal must not stop the reading: the child would block on a full pipe.
                with suppress(OSError):
                    self._sink(self.name, line)


def _tied(command: Sequence[str]) -> list[str]:
    """The command, started in a way that ends it with this process where the system can do that."""
    if not sys.platform.startswith("linux"):
        return list(command)
    return our_module("app.cli.child", str(os.getpid()), *command)
