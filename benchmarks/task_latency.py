"""
How long does a three-step task of agents that do nothing take, where does the time go, and how many fit in a second?

    python -m benchmarks.task_latency [--tasks 300] [--drain 2000]

Starts a Redis of its own, one API and two worker processes of eight threads. Throughput: tasks are submitted by 50
clients while no worker runs, then drained, timed from the first start on. Latency: one task at a time over HTTP, read
over SSE until the terminal event. Event times are whole milliseconds of the Redis server's clock and the agent's own
two come with its summary, so shares are means over all tasks. Only ratios within one run mean anything.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import httpx2
import orjson

from .broker_rig import quantile, show, wait_for
from .redis_work import measured
from .rival_stores import free_port
from .task_rig import TaskRig, bundled_binary, chain, task_rig

BODY = {"task": "Nothing, three times", "plan": chain("clock")}
STEPS = (1, 2, 3)
CLIENTS = 50
WARM_UP = 20
READY_S = 30.0
#: The server cuts its times off, so on average an event is half a millisecond later than it says.
CUT_MS = 0.5


@dataclass
class Timing:
    """One task: the client's wall clock at both ends and the events in between, all epoch milliseconds."""

    began_ms: float
    ended_ms: float
    events: list[dict[str, Any]] = field(default_factory=list)

    @property
    def total_ms(self) -> float:
        return self.ended_ms - self.began_ms

    def event(self, kind: str, step: int | None = None) -> dict[str, Any]:
        return next(e for e in self.events if e["type"] == kind and e.get("step_id") == step)

    def at(self, kind: str, step: int | None = None) -> float:
        return float(self.event(kind, step)["ts"]) + CUT_MS

    def called(self, step: int) -> tuple[float, float]:
        """When the agent was called and when it returned, as it says itself."""
        began, ended = self.event("step.completed", step)["data"]["summary"].split()
        return float(began), float(ended)

    def stations(self) -> dict[str, float]:
        """Where the time went; the parts add up to the whole."""
        calls = {n: self.called(n) for n in STEPS}
        return {
            "submit: HTTP, plan, script": self.at("task.submitted") - self.began_ms,
            "wait: queued to started, x3": sum(self.at("step.started", n) - self.at("step.queued", n) for n in STEPS),
            "start: started to the agent's call, x3": sum(calls[n][0] - self.at("step.started", n) for n in STEPS),
            "agent: call to return, x3": sum(calls[n][1] - calls[n][0] for n in STEPS),
            "complete: return to completed, x3": sum(self.at("step.completed", n) - calls[n][1] for n in STEPS),
            "event: last event to client": self.ended_ms - self.at("task.completed"),
        }


@contextmanager
def api(rig: TaskRig) -> Iterator[str]:
    """One API process; its URL."""
    url = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--log-level", "warning"]
    with (rig.folder / "api.log").open("wb") as log:
        process = subprocess.Popen([*command, "--port", url.rpartition(":")[2]], stdout=log, stderr=log)
    try:
        if not wait_for(lambda: is_ready(url), READY_S):
            raise SystemExit("the API did not get ready")
        yield url
    finally:
        process.terminate()
        process.wait(timeout=30)


def is_ready(url: str) -> bool:
    with suppress(httpx2.HTTPError):
        return httpx2.get(f"{url}/readyz").status_code == 200
    return False


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


def latency(rig: TaskRig, url: str, tasks: int) -> None:
    with httpx2.Client(base_url=url, timeout=30) as client, rig.workers(["clock"]):
        for _ in range(WARM_UP):
            run_one(client)
        timings = [run_one(client) for _ in range(tasks)]
    totals = [timing.total_ms for timing in timings]
    mean = statistics.fmean(totals)
    stations = [timing.stations() for timing in timings]
    means = {name: statistics.fmean(station[name] for station in stations) for name in stations[0]}
    show(f"Latency of one task, {tasks} one after the other", ["p50 ms", "p90 ms", "p99 ms", "mean ms"],
         [[*(quantile(totals, share) for share in (0.5, 0.9, 0.99)), mean]])  # fmt: skip
    show("Its stations", ["station", "mean ms", "share"],
         [[name, value, f"{value / mean:.0%}"] for name, value in means.items()])  # fmt: skip


def throughput(rig: TaskRig, url: str, tasks: int) -> None:
    """Submission by many clients, then the drain; with what Redis did for both."""
    with measured(rig.client) as work:
        began = time.perf_counter()
        with ThreadPoolExecutor(CLIENTS) as pool, httpx2.Client(base_url=url, timeout=60) as client:
            list(pool.map(lambda _: client.post("/run-task", json=BODY).raise_for_status(), range(tasks)))
        submit_s = time.perf_counter() - began
        with rig.workers(["clock"]):
            drain_s = rig.timed(rig.wait_done)
    show(
        f"Throughput, {tasks} tasks",
        [f"submitted/s, {CLIENTS} clients", "drained tasks/s", "steps/s", "Redis in scripts, us per step"],
        [[tasks / submit_s, tasks / drain_s, 3 * tasks / drain_s, work.scripts_us / (3 * tasks)]],
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", type=int, default=300)
    parser.add_argument("--drain", type=int, default=2000)
    parser.add_argument("--server", default=bundled_binary(), help="a redis-server or valkey-server")
    options = parser.parse_args()
    with task_rig(options.server, appendonly=True) as rig, api(rig) as url:
        throughput(rig, url, options.drain)
        latency(rig, url, options.tasks)


if __name__ == "__main__":
    main()
