"""A server, worker processes and a ledger for one measurement; ours and stock are treated exactly alike."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from app import local_redis
from app.redis_binary import find_binary

from .broker_actors import PADDING, RECORD, declare, make_broker

TIMEOUT_S = 240.0

Fleet = subprocess.Popen[bytes]


@dataclass(frozen=True, slots=True)
class Counters:
    """What a server has done so far."""

    commands: int
    reads: int
    cpu_s: float
    memory: int

    def __sub__(self, other: "Counters") -> "Counters":
        return Counters(
            self.commands - other.commands,
            self.reads - other.reads,
            self.cpu_s - other.cpu_s,
            self.memory - other.memory,
        )


@dataclass(frozen=True, slots=True)
class Record:
    """One line of the ledger; `end` is 0 in a mark of a start."""

    number: int
    pid: int
    start: float
    end: float


class Bench:
    """One broker kind on a server of its own."""

    def __init__(self, kind: str, folder: Path, url: str) -> None:
        self.kind = kind
        self.url = url
        self.ledger = folder / "ledger"
        self.client: redis.Redis = redis.Redis.from_url(url, protocol=2)
        self.broker: Any = make_broker(kind, url)
        self.actor: Any = declare(self.broker)

    def message(self, number: int, work_ms: int = 0) -> Any:
        return self.actor.message(number, work_ms, PADDING)

    def send(self, number: int, work_ms: int = 0, delay_ms: int | None = None) -> None:
        self.broker.enqueue(self.message(number, work_ms), delay=delay_ms)

    def send_many(self, numbers: Sequence[int], work_ms: int = 0) -> None:
        """In bulk where the broker can."""
        if self.kind == "ours":
            self.broker.enqueue_many([self.message(number, work_ms) for number in numbers])
            return
        for number in numbers:
            self.send(number, work_ms)

    def counters(self) -> Counters:
        info = self.client.info("everything")
        cpu_s = info["used_cpu_user"] + info["used_cpu_sys"]
        return Counters(info["total_commands_processed"], info["total_reads_processed"], cpu_s, info["used_memory"])

    def records(self) -> list[Record]:
        if not self.ledger.exists():
            return []
        raw = self.ledger.read_bytes()
        whole = len(raw) - len(raw) % RECORD.size
        return [Record(*values) for values in RECORD.iter_unpack(raw[:whole])]

    def count(self) -> int:
        return self.ledger.stat().st_size // RECORD.size if self.ledger.exists() else 0

    def forget(self) -> None:
        """An empty server and an empty ledger."""
        self.client.flushall()
        self.ledger.unlink(missing_ok=True)

    @contextmanager
    def workers(
        self, processes: int = 2, threads: int = 8, *, marks: bool = False
    ) -> Iterator["subprocess.Popen[bytes]"]:
        """Dramatiq's own command line; ended with all its children."""
        fleet = self.spawn(processes, threads, marks=marks)
        try:
            yield fleet
        finally:
            stop(fleet, signal.SIGTERM)

    def spawn(self, processes: int, threads: int, *, marks: bool = False) -> Fleet:
        environment = {
            **os.environ,
            "BENCH_BROKER": self.kind,
            "REDIS_URL": self.url,
            "BENCH_LEDGER": str(self.ledger),
            "BENCH_MARKS": "1" if marks else "0",
        }
        command = [
            sys.executable,
            "-m",
            "dramatiq",
            "benchmarks.broker_actors",
            "-p",
            str(processes),
            "-t",
            str(threads),
        ]
        return subprocess.Popen(
            command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )

    def close(self) -> None:
        self.broker.close()
        self.client.close()


@contextmanager
def bench(kind: str, binary: str | None = None) -> Iterator[Bench]:
    """A bench on a fresh server without files."""
    found = Path(binary) if binary else find_binary()
    if found is None:
        raise SystemExit(local_redis.NO_SERVER)
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        server = local_redis.start_server(found, Path(name), appendonly=False)
        made = Bench(kind, Path(name), server.url)
        try:
            yield made
        finally:
            made.close()
            server.stop()


def stop(fleet: Fleet, number: signal.Signals) -> None:
    """Signals the whole family, whose leader is a session of its own."""
    with suppress(ProcessLookupError):
        if number is signal.SIGKILL:
            os.killpg(fleet.pid, number)
        else:
            fleet.send_signal(number)
    try:
        fleet.wait(timeout=30)
    except subprocess.TimeoutExpired:
        os.killpg(fleet.pid, signal.SIGKILL)
        fleet.wait()


def wait_for(condition: Callable[[], bool], timeout_s: float = TIMEOUT_S, every_s: float = 0.005) -> bool:
    """Whether it came true in time."""
    give_up_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > give_up_s:
            return False
        time.sleep(every_s)
    return True


def memory_mb(fleet: Fleet) -> float:
    """Proportional memory of a family of processes."""
    total_kb = 0
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError, IndexError, ValueError):
            session = int(status.read_text().rpartition(")")[2].split()[3])
            if session == fleet.pid:
                lines = (status.parent / "smaps_rollup").read_text().splitlines()
                total_kb += next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))
    return total_kb / 1024


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else float("nan")


def show(title: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table in Markdown."""
    print(f"\n{title}\n")
    print("| " + " | ".join(head) + " |")
    print("|" + "---|" * len(head))
    for row in rows:
        print("| " + " | ".join(f"{cell:,.2f}" if isinstance(cell, float) else str(cell) for cell in row) + " |")
    sys.stdout.flush()
