"""The worker processes of a soak, and what is done to them."""

import signal
import subprocess
import sys
import threading
from pathlib import Path
from random import Random
from typing import IO

STOP_TIMEOUT_S = 30.0


class Fleet:
    """Keeps `size` workers alive: whoever dies is replaced at once."""

    def __init__(self, size: int, arguments: list[str], log_file: Path) -> None:
        self._size = size
        self._command = [sys.executable, "-m", "tests.soak.worker", *arguments]
        self._log: IO[bytes] = log_file.open("wb")
        self._workers: list[subprocess.Popen[bytes]] = []
        self._frozen: set[int] = set()
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._keeper = threading.Thread(target=self._keep, name="soak-keeper", daemon=True)

    def start(self) -> None:
        self._keeper.start()

    def kill(self, random: Random) -> bool:
        """kill -9 of one that is not frozen; False when there is none."""
        return self._strike(random, signal.SIGKILL)

    def terminate(self, random: Random) -> bool:
        return self._strike(random, signal.SIGTERM)

    def freeze(self, random: Random) -> "subprocess.Popen[bytes] | None":
        """Stops one, so long as two others go on."""
        with self._lock:
            awake = self._awake()
            if len(awake) < min(2, self._size):
                return None
            chosen = random.choice(awake)
            self._frozen.add(chosen.pid)
            chosen.send_signal(signal.SIGSTOP)
            return chosen

    def thaw(self, worker: "subprocess.Popen[bytes]") -> None:
        with self._lock:
            self._frozen.discard(worker.pid)
            worker.send_signal(signal.SIGCONT)

    def stop(self) -> bool:
        """Asks all to stop; False when one of them had to be killed."""
        self._stopped.set()
        self._keeper.join()
        for worker in self._workers:
            worker.send_signal(signal.SIGCONT)
            worker.terminate()
        reaped = [self._reap(worker) for worker in self._workers]
        self._log.close()
        return all(reaped)

    def _strike(self, random: Random, number: signal.Signals) -> bool:
        with self._lock:
            awake = self._awake()
            if not awake:
                return False
            random.choice(awake).send_signal(number)
            return True

    def _awake(self) -> list["subprocess.Popen[bytes]"]:
        return [worker for worker in self._workers if worker.poll() is None and worker.pid not in self._frozen]

    def _keep(self) -> None:
        while True:
            with self._lock:
                self._workers = [worker for worker in self._workers if worker.poll() is None]
                while len(self._workers) < self._size:
                    self._workers.append(subprocess.Popen(self._command, stderr=self._log))
            if self._stopped.wait(0.1):
                return

    @staticmethod
    def _reap(worker: "subprocess.Popen[bytes]") -> bool:
        try:
            worker.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            worker.kill()
            worker.wait()
            return False
        return True
