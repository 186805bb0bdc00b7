"""
How long does a three-step task of no-op agents take, where does the time go, and how many fit in a second?

    python -m benchmarks.task_latency [--tasks 300] [--drain 2000]

Starts a Redis of its own, one API and two worker processes of eight threads. Latency: one task at a time over
HTTP, read over SSE until the terminal event. Throughput: tasks are submitted by 50 concurrent clients while no
worker runs, then drained. Times between events come from the Redis server's clock (whole milliseconds, so shares
are means over all tasks). Only ratios within one run mean anything.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import orjson
import redis

from app import local_redis

PORT = 18_765
URL = f"http://127.0.0.1:{PORT}"
PLAN = [{"step_id": n, "agent": "noop", "payload": "x", "depends_on": [n - 1] if n > 1 else []} for n in (1, 2, 3)]
BODY = {"task": "Nothing, three times", "plan": PLAN}
CLIENTS = 50


@dataclass
class Timing:
    """One task: the client's wall clock at both ends and the server's event times, all epoch milliseconds."""

    began_ms: float
    ended_ms: float
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total_ms(self) -> float:
        return self.ended_ms - self.began_ms

    def at(self, kind: str, step: int | None = None) -> float:
        return float(next(e["ts"] for e in self.events if e["type"] == kind and e.get("step_id") == step))

    def stations(self) -> dict[str, float]:
        """Where the time went; the parts add up to the whole."""
        steps = (1, 2, 3)
        return {
            "accept: HTTP, plan, submit": self.at("task.submitted") - self.began_ms,
            "wait: queued to started, x3": sum(self.at("step.started", n) - self.at("step.queued", n) for n in steps),
            "run: started to completed, x3": sum(
                self.at("step.completed", n) - self.at("step.started", n) for n in steps
            ),
            "deliver: last event to client": self.ended_ms - self.at("task.completed"),
        }


@contextmanager
def program(folder: Path, url: str) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """The API, and room for workers; all are ended at the end."""
    environment = {
        **os.environ,
        "REDIS_URL": url,
        "STEPSTREAM_AGENT_MODULES": "benchmarks.agents",
        "STEPSTREAM_DATA_DIR": str(folder),
    }
    processes: list[subprocess.Popen[bytes]] = []

    def start(*command: str) -> None:
        binary = str(Path(sys.executable).parent / command[0])
        log = (folder / f"{command[0]}.log").open("wb")
        processes.append(subprocess.Popen([binary, *command[1:]], env=environment, stdout=log, stderr=log))

    start("uvicorn", "--factory", "app.main:create_app", "--port", str(PORT), "--log-level", "warning")
    wait_until(lambda: httpx2.get(f"{URL}/readyz").status_code == 200)
    program.start_workers = lambda: start("dramatiq", "actors", "-p", "2", "-t", "8")  # type: ignore[attr-defined]
    try:
        yield processes
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(timeout=30)


def wait_until(condition: Any, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            if condition():
                return
        except httpx2.HTTPError:
            pass
        time.sleep(0.05)
    raise SystemExit("the program did not get ready")


def run_one(client: httpx2.Client) -> Timing:
    """Submits a task and follows it to its end."""
    began_ms = time.time() * 1000
    task_id = client.post("/run-task", json=BODY).raise_for_status().json()["task_id"]
    events = []
    with client.stream("GET", f"/stream/{task_id}") as reply:
        for line in reply.iter_lines():
            if line.startswith("data: {"):
                events.append(orjson.loads(line[6:]))
                if events[-1].get("type") == "task.completed":
                    break
    return Timing(began_ms, time.time() * 1000, events)


def latency(tasks: int) -> None:
    with httpx2.Client(base_url=URL, timeout=30) as client:
        for _ in range(20):
            run_one(client)
        timings = [run_one(client) for _ in range(tasks)]
    totals = sorted(timing.total_ms for timing in timings)
    print(f"latency of one task, {tasks} tasks one after the other:")
    print(f"  p50 {totals[len(totals) // 2]:.1f} ms   p99 {totals[int(len(totals) * 0.99)]:.1f} ms")
    mean = statistics.fmean(totals)
    for name in timings[0].stations():
        value = statistics.fmean(timing.stations()[name] for timing in timings)
        print(f"  {name:32} {value:6.2f} ms  {value / mean:4.0%}")


def throughput(tasks: int, client: "redis.Redis", start_workers: Any) -> None:
    """Submission by many clients, then the drain; with what Redis did for it."""
    client.config_resetstat()
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool, httpx2.Client(base_url=URL, timeout=60) as api:
        list(pool.map(lambda _: api.post("/run-task", json=BODY).raise_for_status(), range(tasks)))
    submit_s = time.perf_counter() - began
    print(f"submission: {tasks / submit_s:.0f} tasks/s with {CLIENTS} clients")
    start_workers()
    while client.zcard("{stepstream:0}:open") == tasks:
        time.sleep(0.005)
    began = time.perf_counter()
    while client.zcard("{stepstream:0}:open"):
        time.sleep(0.01)
    drain_s = time.perf_counter() - began
    stats = client.info("commandstats")
    scripts_us = sum(stats.get(f"cmdstat_{name}", {"usec": 0})["usec"] for name in ("evalsha", "eval"))
    print(f"drain: {tasks / drain_s:.0f} tasks/s, {3 * tasks / drain_s:.0f} steps/s, two processes of eight threads")
    print(f"Redis time in scripts: {scripts_us / (3 * tasks):.0f} us per step, submission included")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--drain", type=int, default=2000)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        server = local_redis.ensure_server(folder)
        client = redis.Redis.from_url(server.url, protocol=2)
        try:
            with program(folder, server.url):
                throughput(arguments.drain, client, program.start_workers)  # type: ignore[attr-defined]
                latency(arguments.tasks)
        finally:
            client.close()
            server.stop()


if __name__ == "__main__":
    main()
