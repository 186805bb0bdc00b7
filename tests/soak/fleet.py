"""Processes of a soak, each in a session of its own, and what is done to them."""

import os
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from random import Random
from types import TracebackType
from typing import IO, Self

STOP_TIMEOUT_S = 30.0

Process = subprocess.Popen[bytes]


class Fleet:
    """
    Keeps one process per command alive: whoever dies is replaced at once. Its children die with it.

    A context manager: whatever happens, no process is left behind.
    """

    def __init__(
        self, commands: Sequence[Sequence[str]], log_file: Path, environment: Mapping[str, str] | None = None
    ) -> None:
        self._commands = commands
        self._environment = {**os.environ, **(environment or {})}
        self._log: IO[bytes] = log_file.open("wb")
        self._members: list[Process | None] = [None for _ in commands]
        self._frozen: set[int] = set()
        self._ending: set[int] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="soak-keeper", daemon=True)

    def __enter__(self) -> Self:
        self._keeper.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self._stopped.is_set():
            self._end_keeper()
            for process in self._alive():
                _signal_group(process, signal.SIGKILL)
                process.wait()
        self._log.close()

    def kill(self, random: Random) -> int:
        """kill -9 of one that is not frozen; which, or 0 when there is none."""
        return self._strike(random, signal.SIGKILL)

    def terminate(self, random: Random) -> int:
        """Asks one to stop that was not asked before: Dramatiq takes a second SIGTERM for a kill."""
        return self._strike(random, signal.SIGTERM)

    def freeze(self, random: Random) -> int:
        """Stops one, so long as another goes on; which, or 0."""
        with self._lock:
            awake = self._awake()
            if len(awake) < min(2, len(self._commands)):
                return 0
            chosen = random.choice(awake)
            self._frozen.add(chosen.pid)
            _signal_group(chosen, signal.SIGSTOP)
            return chosen.pid

    def thaw(self, pid: int) -> None:
        with self._lock:
            self._frozen.discard(pid)
            for process in self._alive():
                if process.pid == pid:
                    _signal_group(process, signal.SIGCONT)

    def stop(self) -> bool:
        """Asks all to stop; False when one of them had to be killed."""
        self._end_keeper()
        for process in self._alive():
            _signal_group(process, signal.SIGCONT)
            if process.pid not in self._ending:
                process.terminate()
        reaped = [self._reap(process) for process in self._alive()]
        return all(reaped)

    def _end_keeper(self) -> None:
        self._stopped.set()
        self._keeper.join()

    def _strike(self, random: Random, number: signal.Signals) -> int:
        with self._lock:
            polite = number is signal.SIGTERM
            awake = [process for process in self._awake() if not (polite and process.pid in self._ending)]
            if not awake:
                return 0
            chosen = random.choice(awake)
            if polite:
                self._ending.add(chosen.pid)
                chosen.send_signal(number)
            else:
                _signal_group(chosen, number)
            return chosen.pid

    def _alive(self) -> list[Process]:
        return [process for process in self._members if process is not None and process.poll() is None]

    def _awake(self) -> list[Process]:
        return [process for process in self._alive() if process.pid not in self._frozen]

    def _keep(self) -> None:
        while True:
            with self._lock:
                self._members = [
                    process if process is not None and process.poll() is None else self._start(command, process)
                    for process, command in zip(self._members, self._commands, strict=True)
                ]
            if self._stopped.wait(0.1):
                return

    def _start(self, command: Sequence[str], before: Process | None) -> Process:
        if before is not None:
            # A master that died of its worker's death may have left others.
            _signal_group(before, signal.SIGKILL)
        return subprocess.Popen(
            command, env=self._environment, stdout=self._log, stderr=self._log, start_new_session=True
        )

    @staticmethod
    def _reap(process: Process) -> bool:
        try:
            process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            _signal_group(process, signal.SIGKILL)
            process.wait()
            return False
        return True


def _signal_group(process: Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, number)
