"""One measurement of one queue: chains of three steps on a fresh store, counted outside of it."""

import json
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from app.keys import Keys

from .broker_actors import RECORD
from .broker_rig import Fleet, stop, wait_for
from .rival_catalogue import THREADS, Rival
from .rival_stores import Store, family_cpu_s, open_store

PROGRAMS = Path(__file__).parent / "rivals"
WARM_UP = 40
TIMEOUT_S = 180.0
OPEN = Keys("stepstream").open


class RunFailed(Exception):
    """Not every chain came to its end."""


@dataclass(frozen=True, slots=True)
class Run:
    """A store, and what it takes to start a queue's programs on it."""

    rival: Rival
    store: Store
    folder: Path
    environment: dict[str, str]
    fleets: list[Fleet] = field(default_factory=list)

    @property
    def ledger(self) -> Path:
        return Path(self.environment["BENCH_LEDGER"])

    def submit(self, first: int, count: int) -> dict[str, float]:
        """From a process of its own; when the first call began, and the seconds of all."""
        command = ["python", "submit.py", self.rival.program, str(first), str(count)]
        done = subprocess.run(
            command, cwd=PROGRAMS, env=self.environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
        if done.returncode:
            raise RunFailed(done.stderr.strip()[-600:])
        report: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
        return report

    @contextmanager
    def workers(self) -> Iterator[None]:
        with ExitStack() as stack, (self.folder / "workers.log").open("ab") as log:
            for command in self.rival.workers:
                fleet = subprocess.Popen(
                    command, cwd=PROGRAMS, env=self.environment, stdout=log, stderr=log, start_new_session=True
                )
                self.fleets.append(fleet)
                stack.callback(stop, fleet, signal.SIGTERM)
            yield

    def worker_cpu_s(self) -> float:
        return sum(family_cpu_s(fleet.pid) for fleet in self.fleets)

    def wait_for_ends(self, count: int) -> float:
        """Until so many chains have ended, ours with their terminal event; the time of it."""
        wait_for(lambda: self._have_ended(count) or self._dead(), TIMEOUT_S)
        if not self._have_ended(count) or not wait_for(self._settled, TIMEOUT_S):
            raise RunFailed(f"{self._ended()} of {count} chains ended; {self._last_words()}")
        return max(end for _, _, _, end in self.records()) if self.rival.packages else time.time()

    def _dead(self) -> bool:
        return any(fleet.poll() is not None for fleet in self.fleets)

    def records(self) -> list[tuple[int, int, float, float]]:
        raw = self.ledger.read_bytes() if self.ledger.exists() else b""
        return list(RECORD.iter_unpack(raw[: len(raw) - len(raw) % RECORD.size]))

    def _have_ended(self, count: int) -> bool:
        """Asked often, so the size decides before anything is read; each chain has a record at either end."""
        size = self.ledger.stat().st_size if self.ledger.exists() else 0
        return size >= 2 * count * RECORD.size and self._ended() >= count

    def _ended(self) -> int:
        """A chain that ended twice counts once."""
        return len({number for number, _, _, end in self.records() if end})

    def _settled(self) -> bool:
        """Only ours has an event behind the last step, so only ours is kept waiting for it."""
        return bool(self.rival.packages) or self.store.client is None or not self.store.client.zcard(OPEN)

    def _last_words(self) -> str:
        return (self.folder / "workers.log").read_text(errors="replace")[-600:]


@contextmanager
def opened(rival: Rival, programs: Path, redis_server: str) -> Iterator[Run]:
    """A run in a folder of its own, in memory where the system has such a place."""
    place = "/dev/shm" if Path("/dev/shm").is_dir() else None
    with tempfile.TemporaryDirectory(prefix="bench-", dir=place, ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with open_store(rival.store, folder, redis_server) as store:
            environment = {
                **os.environ,
                **rival.environment,
                "PATH": f"{programs}:{os.environ['PATH']}",
                "PYTHONPATH": str(PROGRAMS.parent.parent),
                "BENCH_STORE": store.url,
                "BENCH_LEDGER": f"{name}/ledger",
                "BENCH_THREADS": str(THREADS),
                "REDIS_URL": store.url,
                "STEPSTREAM_DATA_DIR": name,
            }
            yield Run(rival, store, folder, environment)


def drain(run: Run, chains: int) -> dict[str, float]:
    """The queue is filled first; from the first step to the last, and what it cost the server."""
    memory, cpu_s = run.store.memory(), run.store.cpu_s()
    run.submit(0, chains)
    with run.workers():
        ended = run.wait_for_ends(chains)
        spent_s = run.store.cpu_s()
    began = min(start for _, _, start, _ in run.records())
    result = {"drain": chains / (ended - began)}
    if cpu_s is not None and spent_s is not None:
        result["cpu_us"] = (spent_s - cpu_s) / chains * 1e6
    time.sleep(0.5)  # connections of ended workers are freed a moment later
    kept = run.store.memory()
    if memory is not None and kept is not None:
        result["bytes"] = (kept - memory) / chains
    return result


def live(run: Run, chains: int) -> dict[str, float]:
    """Workers wait already; from the first call of the submitter to the last step, and the workers' CPU."""
    with run.workers():
        run.submit(0, WARM_UP)
        run.wait_for_ends(WARM_UP)
        cpu_s = run.worker_cpu_s()
        report = run.submit(WARM_UP, chains)
        ended = run.wait_for_ends(WARM_UP + chains)
        cpu_s = run.worker_cpu_s() - cpu_s
    return {
        "live": chains / (ended - report["began"]),
        "submit": chains / report["seconds"],
        "worker_us": cpu_s / chains * 1e6,
    }
