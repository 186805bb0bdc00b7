"""A server, a dispatcher and worker processes for one measurement of whole tasks, through public interfaces only."""

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis

from app import local_redis
from app.bootstrap.api import api_services
from app.broker.keys import ShardKeys
from app.config import Settings
from app.dispatch.dispatcher import Dispatcher, Submission
from app.keys import Keys
from app.redis_binary import find_binary

from .broker_rig import stop, wait_for

#: Above everything that is measured.
LIMITS = {"STEPSTREAM_BACKLOG_MAX": "2000000", "STEPSTREAM_PLAN_STEPS_MAX": "1000"}
SUBMITTERS = 8
DONE_TIMEOUT_S = 600.0

RawPlan = list[dict[str, Any]]


def chain(agent: str, length: int = 3) -> RawPlan:
    """Steps one after the other."""
    return [_step(n, agent, [n - 1] if n > 1 else []) for n in range(1, length + 1)]


def fan(agent: str, width: int, *, join: bool = True) -> RawPlan:
    """Steps side by side and, with `join`, one more that waits for all of them; `width` steps in all."""
    leaves = width - 1 if join else width
    steps = [_step(n, agent, []) for n in range(1, leaves + 1)]
    return [*steps, _step(width, agent, list(range(1, width)))] if join else steps


def _step(number: int, agent: str, depends_on: list[int]) -> dict[str, Any]:
    return {"step_id": number, "agent": agent, "payload": "x", "depends_on": depends_on}


@dataclass(frozen=True, slots=True)
class TaskRig:
    """One fresh server; submissions from this process, steps in worker processes."""

    client: "redis.Redis"
    keys: Keys
    folder: Path

    def submit(self, plans: Sequence[RawPlan]) -> float:
        """Hands them all in, a few at a time; the seconds it took."""
        return asyncio.run(self._submit(plans))

    async def _submit(self, plans: Sequence[RawPlan]) -> float:
        waiting = iter(plans)
        async with api_services(Settings(data_dir=self.folder)) as services:
            began = time.perf_counter()
            async with asyncio.TaskGroup() as group:
                for _ in range(SUBMITTERS):
                    group.create_task(_submit_from(waiting, services.dispatcher))
            return time.perf_counter() - began

    @contextmanager
    def workers(self, queues: Sequence[str] = (), processes: int = 2, threads: int = 8) -> Iterator[int]:
        """Dramatiq's own command line, reading these queues or all; its process group, ended with all its children."""
        command = [sys.executable, "-m", "dramatiq", "actors", "-p", str(processes), "-t", str(threads)]
        if queues:
            command += ["-Q", *queues]
        with (self.folder / "workers.log").open("ab") as log:
            fleet = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        try:
            yield fleet.pid
        finally:
            stop(fleet, signal.SIGTERM)

    def open_tasks(self) -> int:
        return int(self.client.zcard(self.keys.open))

    def waiting(self, queue: str) -> int:
        """Messages in a queue, whatever their priority."""
        streams = ShardKeys(self.keys.tag).queue(queue).streams
        return sum(int(self.client.xlen(stream)) for stream in streams)

    def wait_done(self, open_max: int = 0) -> None:
        """Until no more than `open_max` tasks are open."""
        if not wait_for(lambda: self.open_tasks() <= open_max, DONE_TIMEOUT_S):
            raise SystemExit(f"{self.open_tasks()} tasks did not end")

    def drain(self, plans: Sequence[RawPlan], queues: Sequence[str] = ()) -> float:
        """Hands in, lets workers run until all of it is done; the seconds from the first completion on."""
        before = self.open_tasks()
        self.submit(plans)
        with self.workers(queues):
            return self.timed(lambda: self.wait_done(before))

    def timed(self, work: Callable[[], None]) -> float:
        """The seconds of it, once the first step has begun: starting processes is not measured."""
        cursor = self._last_event()
        wait_for(lambda: self._step_began(cursor))
        began = time.perf_counter()
        work()
        return time.perf_counter() - began

    def _last_event(self) -> str:
        last = self.client.xrevrange(self.keys.fire, count=1)
        return last[0][0].decode() if last else "0-0"

    def _step_began(self, cursor: str) -> bool:
        """Looks up the events that the firehose names; workers tell of themselves before."""
        told = [fields for _, fields in self.client.xrange(self.keys.fire, min=f"({cursor}", count=100)]
        return any(
            b'"type":"step.started"' in event[b"e"]
            for fields in told
            if b"t" in fields
            for _, event in self.client.xrange(
                self.keys.events(fields[b"t"].decode()), min=fields[b"s"], max=int(fields[b"s"]) + int(fields[b"n"]) - 1
            )
        )


async def _submit_from(waiting: Iterator[RawPlan], dispatcher: Dispatcher) -> None:
    for plan in waiting:
        await dispatcher.submit(Submission(task="Next to nothing", plan=plan))


def bundled_binary() -> str:
    """The server that `stepstream up` would start."""
    found = find_binary()
    if found is None:
        raise SystemExit(local_redis.NO_SERVER)
    return str(found)


def server_binary() -> str:
    """The server on PATH, where rivals meet it too; else the bundled one."""
    return shutil.which("redis-server") or bundled_binary()


@contextmanager
def task_rig(binary: str, *, appendonly: bool = False) -> Iterator[TaskRig]:
    """A rig on a fresh server; the settings reach this process and its children by environment."""
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        server = local_redis.start_server(Path(binary), folder, appendonly=appendonly)
        client: redis.Redis = redis.Redis.from_url(server.url, protocol=2)
        os.environ.update(
            LIMITS,
            REDIS_URL=server.url,
            STEPSTREAM_AGENT_MODULES="benchmarks.agents",
            STEPSTREAM_DATA_DIR=name,
            BENCH_LEDGER=str(folder / "ledger"),
        )
        try:
            yield TaskRig(client, Keys("stepstream"), folder)
        finally:
            client.close()
            server.stop()
