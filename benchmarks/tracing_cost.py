"""
What do traces cost workers and submissions?

    python -m benchmarks.tracing_cost [--rounds 5] [--tasks 400] [--seconds 2]

Steps that do nothing, in chains of three, in two worker processes; then `POST /run-task` over 10 connections. off: no
endpoint is set. unsampled: traced, and the sampler keeps nothing. on: every span goes to a collector that throws it
away. The three take turns. Rates are medians. CPU is that of the workers, or of the API, alone, and the least of the
rounds: what else the machine does makes it more.
"""

import argparse
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from app.broker.admin import QueueAdmin

from .broker_rig import show, stop, wait_for
from .submissions import Case, Round, serving, turn
from .task_rig import TaskRig, bundled_binary, chain, task_rig

STEPS = 3
PROCESSES = 2
CLIENTS = 10
MODES = ("off", "unsampled", "on")


class _Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Quiet."""


@contextmanager
def sink() -> Iterator[str]:
    """A collector in a process of its own; its address."""
    command = [sys.executable, "-m", "benchmarks.tracing_cost", "--sink"]
    popen = subprocess.Popen(command, stdout=subprocess.PIPE, start_new_session=True)
    assert popen.stdout is not None
    try:
        yield popen.stdout.readline().decode().strip()
    finally:
        stop(popen, signal.SIGTERM)


def serve_sink() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Sink) as server:
        print(f"http://127.0.0.1:{server.server_address[1]}", flush=True)
        server.serve_forever()


@contextmanager
def traced(mode: str, url: str) -> Iterator[None]:
    """The variables that processes begun inside find."""
    wanted = {} if mode == "off" else {"OTEL_EXPORTER_OTLP_ENDPOINT": url}
    if mode == "unsampled":
        wanted["OTEL_TRACES_SAMPLER"] = "always_off"
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name in wanted:
            del os.environ[name]


def group_cpu_s(group: int) -> float:
    """CPU of all living processes of the group."""
    total = 0
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            words = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(words[2]) == group:
            total += int(words[11]) + int(words[12])
    return total / os.sysconf("SC_CLK_TCK")


def drain(rig: TaskRig, mode: str, url: str, tasks: int) -> tuple[float, float]:
    """(steps per second, CPU of the workers per step in us), once both processes are at work."""
    queues = QueueAdmin(rig.client, "stepstream")
    queues.pause("noop")
    rig.submit([chain("noop", STEPS)] * tasks)
    log = rig.folder / "workers.log"
    log.unlink(missing_ok=True)
    with traced(mode, url), rig.workers(["noop"], PROCESSES) as group:
        if not wait_for(lambda: log.read_bytes().count(b"Worker process is ready") == PROCESSES, 60):
            raise SystemExit("the workers did not start")
        before_s, began_s = group_cpu_s(group), time.perf_counter()
        queues.resume("noop")
        rig.wait_done()
        seconds = time.perf_counter() - began_s
        used_s = group_cpu_s(group) - before_s
    return tasks * STEPS / seconds, used_s * 1e6 / (tasks * STEPS)


def workers(rounds: int, tasks: int, url: str) -> None:
    found: dict[str, list[tuple[float, float]]] = {mode: [] for mode in MODES}
    with task_rig(bundled_binary()) as rig:
        for _ in range(rounds):
            for mode in MODES:
                found[mode].append(drain(rig, mode, url, tasks))
    rates = {mode: statistics.median(rate for rate, _ in each) for mode, each in found.items()}
    cpus = {mode: min(cpu for _, cpu in each) for mode, each in found.items()}
    rows = [
        [mode, f"{rates[mode]:,.0f}", rates[mode] / rates["off"], cpus[mode], cpus[mode] / cpus["off"]]
        for mode in MODES
    ]
    show(
        f"Workers, {rounds} rounds of {tasks} tasks",
        ["traces", "steps/s", "of off", "CPU us per step", "times off"],
        rows,
    )


def submissions(rounds: int, seconds: float, url: str) -> None:
    case = Case("plan", "app.main:create_app", {"plan": chain("noop")})
    found: dict[str, list[Round]] = {mode: [] for mode in MODES}
    with task_rig(bundled_binary()) as rig, ExitStack() as stack:
        processes = {}
        for mode in MODES:
            with traced(mode, url):
                processes[mode] = stack.enter_context(serving(case, os.environ["REDIS_URL"], ()))
        for number in range(rounds + 1):
            for mode in MODES:
                rig.client.flushall()
                measured = turn(case, processes[mode], CLIENTS, seconds)
                # The first round warms up.
                found[mode] += [measured] if number else []

    rates = {mode: statistics.median(each.per_second for each in each_round) for mode, each_round in found.items()}
    cpus = {mode: min(each.cpu_us for each in each_round) for mode, each_round in found.items()}
    rows = [
        [mode, f"{rates[mode]:,.0f}", rates[mode] / rates["off"], cpus[mode], cpus[mode] / cpus["off"]]
        for mode in MODES
    ]
    head = ["traces", "requests/s", "of off", "CPU us per request", "times off"]
    show(f"Submissions, {rounds} rounds of {seconds:g} s", head, rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--tasks", type=int, default=400)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--sink", action="store_true", help="be the collector")
    options = parser.parse_args()
    if options.sink:
        serve_sink()
        return
    with sink() as url:
        workers(options.rounds, options.tasks, url)
        submissions(options.rounds, options.seconds, url)


if __name__ == "__main__":
    main()
