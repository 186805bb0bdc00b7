"""
What do metrics, logs and the middleware that tells of workers cost a drain of steps that do nothing?

    python -m benchmarks.observability_cost [--tasks 4000] [--rounds 5] [--ways off on]

A worker process of eight threads each way, all at the same time on one Redis: whatever else the machine does meets all
alike. Queues of chains of three steps are filled and paused until all processes are ready, those that serve the metrics
too. It is counted what each way gets done from when all have begun until the first one is through.

`on` is the default: metrics are counted and served, and scraped every five seconds; logs are written at `info` to a
file; the event bus writes what becomes of each batch to the firehose. `off` has none of the three, other ways have one.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import urllib.request
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from app.broker.admin import QueueAdmin
from app.heartbeat import beats
from app.keys import Keys

from .broker_rig import show, stop, wait_for
from .task_rig import TaskRig, chain, server_binary, task_rig

QUIET = {"STEPSTREAM_METRICS": "false", "STEPSTREAM_LOG_LEVEL": "critical"}
#: What each way sets, and the module with its workers.
WAYS = {
    "off": (QUIET, "benchmarks.unwatched_workers"),
    "metrics": ({**QUIET, "STEPSTREAM_METRICS": "true"}, "benchmarks.unwatched_workers"),
    "logs": ({"STEPSTREAM_METRICS": "false"}, "benchmarks.unwatched_workers"),
    "event-bus": (QUIET, "actors"),
    "on": ({}, "actors"),
}
WITH_METRICS = ("metrics", "on")
STEPS = 3
PORT = 19_191
SCRAPE_S = 5.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Figures:
    """One drain: steps per second, and CPU per step of the worker process and of what serves its metrics."""

    steps_per_s: float
    cpu_us: float


class Side:
    """One way: its namespace, its queue, its processes."""

    def __init__(self, rig: TaskRig, way: str, tasks: int) -> None:
        self.way = way
        self.port = PORT + list(WAYS).index(way)
        self._rig = TaskRig(rig.client, Keys(way), rig.folder)
        self._admin = QueueAdmin(rig.client, way)
        self._process: subprocess.Popen[bytes] | None = None
        os.environ["STEPSTREAM_NAMESPACE"] = way
        self._rig.submit([chain("noop", STEPS)] * tasks)
        self._admin.pause("noop")

    @contextmanager
    def workers(self) -> Iterator[None]:
        settings, module = WAYS[self.way]
        own = {"STEPSTREAM_NAMESPACE": self.way, "STEPSTREAM_METRICS_PORT": str(self.port)}
        command = [sys.executable, "-m", "dramatiq", module, "-p", "1", "-t", "8"]
        with (self._rig.folder / f"{self.way}.log").open("ab") as log:
            self._process = subprocess.Popen(
                command, stdout=log, stderr=log, start_new_session=True, env={**os.environ, **settings, **own}
            )
        try:
            yield
        finally:
            stop(self._process, signal.SIGTERM)

    def begin(self) -> None:
        self._admin.resume("noop")

    @property
    def open(self) -> int:
        return self._rig.open_tasks()

    @property
    def cpu_s(self) -> float:
        """CPU time of all its processes so far."""
        assert self._process is not None
        return sum(cpu_of(path, self._process.pid) for path in Path("/proc").glob("[0-9]*/stat"))


def cpu_of(path: Path, group: int) -> float:
    """CPU time of a process, if it is one of the group."""
    with suppress(OSError):
        fields = path.read_text().rpartition(")")[2].split()
        if int(fields[2]) == group:
            return (int(fields[11]) + int(fields[12])) / TICKS_PER_S
    return 0.0


def side_by_side(server: str, ways: Sequence[str], tasks: int) -> dict[str, Figures]:
    """What each way gets done in the same time."""
    with task_rig(server) as rig, ExitStack() as running:
        sides = [Side(rig, way, tasks) for way in ways]
        for side in sides:
            running.enter_context(side.workers())
        ports = [side.port for side in sides if side.way in WITH_METRICS]
        running.enter_context(scraped(ports))
        require(wait_for(lambda: len(beats(rig.folder)) == len(sides)), "the workers did not start")
        for side in sides:
            side.begin()
        require(wait_for(lambda: all(side.open < tasks for side in sides)), "not all began")
        began_s, before = time.perf_counter(), [(side.open, side.cpu_s) for side in sides]
        require(wait_for(lambda: not all(side.open for side in sides)), "none was through")
        seconds = time.perf_counter() - began_s
        after = [(side.open, side.cpu_s) for side in sides]
    return {side.way: figures(one, two, seconds) for side, one, two in zip(sides, before, after, strict=True)}


def figures(before: tuple[int, float], after: tuple[int, float], seconds: float) -> Figures:
    steps = (before[0] - after[0]) * STEPS
    return Figures(steps / seconds, (after[1] - before[1]) / steps * 1e6)


def require(came_true: bool, otherwise: str) -> None:
    if not came_true:
        raise SystemExit(otherwise)


@contextmanager
def scraped(ports: Sequence[int]) -> Iterator[None]:
    """Waits until all metrics are served, and asks for them as Prometheus would."""
    over = threading.Event()
    require(wait_for(lambda: all(scrape(port) for port in ports)), "metrics were not served")

    def ask() -> None:
        while not over.wait(SCRAPE_S):
            for port in ports:
                scrape(port)

    thread = threading.Thread(target=ask)
    thread.start()
    yield
    over.set()
    thread.join()


def scrape(port: int) -> int:
    """The bytes of one scrape; 0 when nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=SCRAPE_S) as reply:
            return len(reply.read())
    except OSError:
        return 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=["off", "on"])
    parser.add_argument("--server", default=server_binary(), help="a redis-server or valkey-server")
    options = parser.parse_args()
    results: dict[str, list[Figures]] = defaultdict(list)
    for number in range(options.rounds):
        # Whoever is started first has no advantage of it twice.
        ways = options.ways if number % 2 == 0 else options.ways[::-1]
        for way, found in side_by_side(options.server, ways, options.tasks).items():
            results[way].append(found)
            print(number, way, found, file=sys.stderr)
    show(
        f"{options.tasks} tasks of {STEPS} steps each way, medians of {options.rounds} rounds",
        ["way", "steps/s", f"steps of {options.ways[0]}'s", "CPU us per step", f"CPU of {options.ways[0]}'s"],
        [row(way, results[way], results[options.ways[0]]) for way in options.ways],
    )


def row(way: str, found: list[Figures], first: list[Figures]) -> list[object]:
    pairs = list(zip(found, first, strict=True))
    return [
        way,
        f"{statistics.median(one.steps_per_s for one in found):,.0f}",
        statistics.median(one.steps_per_s / base.steps_per_s for one, base in pairs),
        f"{statistics.median(one.cpu_us for one in found):.0f}",
        statistics.median(one.cpu_us / base.cpu_us for one, base in pairs),
    ]


if __name__ == "__main__":
    main()
