"""
What does a submission cost beside a bare route that does one XADD?

    python -m benchmarks.submissions [--rounds 8] [--seconds 2] [--clients 50] [--only text,plan,bare]

Both are uvicorn processes with the same options, on a server of their own, and are asked by the same client: so many
connections, each with its next request as soon as the last was answered. They take turns, so what disturbs one
disturbs all; each figure is the median of the rounds.

text: words, from which the server makes a plan of three steps. plan: three steps that the client has planned.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from app import local_redis

from .broker_rig import show, stop, wait_for
from .http_load import load, post
from .task_rig import LIMITS, chain, server_binary
from .viewers import Process

#: Different words in each request, so that nothing is remembered from the one before.
TASKS = [f"Summarize the risks of keeping the jobs of shop {number} in memory" for number in range(1000)]
OURS, BARE = "app.main:create_app", "benchmarks.submissions_bare:create_app"
WARM_UP_S = 1.0


@dataclass(frozen=True, slots=True)
class Case:
    """An application and what it is sent."""

    name: str
    application: str
    more: dict[str, object]

    def requests(self, port: int) -> list[bytes]:
        return [post(port, "/run-task", json.dumps({"task": task, **self.more}).encode()) for task in TASKS]


CASES = (Case("bare", BARE, {}), Case("text", OURS, {}), Case("plan", OURS, {"plan": chain("retriever")}))


@dataclass(frozen=True, slots=True)
class Round:
    """What one turn came to; CPU is that of the server process."""

    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


@contextmanager
def serving(case: Case, redis_url: str, options: Sequence[str]) -> Iterator[Process]:
    """uvicorn with its options, on a free port."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = int(found.getsockname()[1])
    command = [sys.executable, "-m", "uvicorn", "--factory", case.application, "--port", str(port), *options]
    lines = "0" if "--no-access-log" in options else "1"
    environment = {"REDIS_URL": redis_url, "STEPSTREAM_OPEN_TASKS_MAX": "2000000", "STEPSTREAM_ACCESS_LOG": lines}
    popen = subprocess.Popen(
        command, env=os.environ | LIMITS | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        if not wait_for(lambda: _answers(port), 30):
            raise SystemExit(f"{case.application} did not start")
        yield Process(popen, port)
    finally:
        stop(popen, signal.SIGTERM)


def _answers(port: int) -> bool:
    with socket.socket() as found:
        return found.connect_ex(("127.0.0.1", port)) == 0


def turn(case: Case, process: Process, clients: int, seconds: float) -> Round:
    requests = case.requests(process.port)
    before_s = process.cpu_s
    answers = load(process.port, requests, connections=clients, seconds=seconds, status=202)
    cpu_us = (process.cpu_s - before_s) * 1e6 / len(answers.latencies_s)
    return Round(answers.per_second, answers.percentile_ms(50), answers.percentile_ms(99), cpu_us)


def measure(url: str, options: argparse.Namespace, uvicorn: Sequence[str]) -> dict[str, list[Round]]:
    """The rounds of each case, in which they take turns."""
    client: redis.Redis = redis.Redis.from_url(url)
    cases = [case for case in CASES if case.name in options.only.split(",")]
    found: dict[str, list[Round]] = {case.name: [] for case in cases}
    with ExitStack() as stack:
        stack.callback(client.close)
        processes = [stack.enter_context(serving(case, url, uvicorn)) for case in cases]
        for case, process in zip(cases, processes, strict=True):
            turn(case, process, options.clients, WARM_UP_S)
        for _ in range(options.rounds):
            for case, process in zip(cases, processes, strict=True):
                client.flushall()
                found[case.name].append(turn(case, process, options.clients, options.seconds))
    return found


def report(title: str, found: dict[str, list[Round]]) -> None:
    middle = {
        name: {field: statistics.median(getattr(each, field) for each in rounds) for field in Round.__slots__}
        for name, rounds in found.items()
    }
    floor = middle.get("bare")
    rows: list[list[object]] = []
    for name, values in middle.items():
        ratios = [values["per_second"] / floor["per_second"], values["p99_ms"] / floor["p99_ms"]] if floor else ["", ""]
        rows.append([name, f"{values['per_second']:,.0f}", ratios[0], values["p50_ms"], values["p99_ms"], ratios[1],
                     f"{values['cpu_us']:.0f}"])  # fmt: skip
    show(title, ["case", "requests/s", "of bare", "p50 ms", "p99 ms", "times bare", "CPU us per request"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=50)
    parser.add_argument("--only", default="bare,text,plan")
    options = parser.parse_args()
    for title, uvicorn in (("with a log line per request", ()), ("without", ("--no-access-log",))):
        with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
            redis_server = local_redis.start_server(Path(server_binary()), Path(folder), appendonly=False)
            try:
                report(title, measure(redis_server.url, options, uvicorn))
            finally:
                redis_server.stop()


if __name__ == "__main__":
    main()
