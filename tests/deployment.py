"""The whole program as processes: uvicorn, `dramatiq actors`, a real Redis."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import redis

from tests.free_ports import free_port
from tests.redis_users import as_user

__all__ = ["free_port"]

#: What takes two seconds on a quiet machine takes a minute on one that ten programs share.
START_TIMEOUT_S = 180.0
REPLY_TIMEOUT_S = 60.0
#: How long a process may take to end once it was asked to.
EXIT_TIMEOUT_S = 180.0
#: Short, since tests wait for it to lapse: who has it must stand that a living worker of two lost it in a pause.
LEASE_MS = 1000
#: For workers that nobody kills: their steps are run once, however slow the machine is.
LASTING_LEASE = {"STEPSTREAM_LEASE_MS": "120000"}
LINE = [
    {"step_id": 1, "agent": "noop", "payload": "a"},
    {"step_id": 2, "agent": "noop", "payload": "b", "depends_on": [1]},
    {"step_id": 3, "agent": "noop", "payload": "c", "depends_on": [2]},
]


def wait_for(condition: Callable[[], object], what: str, timeout_s: float = START_TIMEOUT_S) -> None:
    """Waits until another process has done something; fails with `what` when it takes too long."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


@dataclass
class Stack:
    """The processes of one deployment, and a client of its API."""

    folder: Path
    environment: dict[str, str]
    port: int = field(default_factory=free_port)
    #: Of a web server on this machine that tasks may read, once a test has started it.
    pages_port: int = 0
    #: The folder whose program is run; else that of these tests.
    home: Path | None = None
    processes: list["subprocess.Popen[bytes]"] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def ledger(self) -> list[list[str]]:
        """What the test agents noted: words of each line."""
        path = self.folder / "ledger"
        return [line.split() for line in path.read_text().splitlines()] if path.exists() else []

    def api(self) -> "subprocess.Popen[bytes]":
        """Starts an API process and waits until it answers."""
        process = self._start("uvicorn", "--factory", "app.main:create_app", "--port", str(self.port), user="api")
        wait_for(lambda: self.answers("/healthz"), "the API did not start")
        return process

    def worker(self, *arguments: str) -> "subprocess.Popen[bytes]":
        """Starts `dramatiq actors` and waits until its workers are at work."""
        log = self.folder / f"worker-{len(self.processes)}.log"
        process = self._start(
            "dramatiq", "actors", "--processes", "1", "--threads", "4", *arguments, log=log, user="worker"
        )
        wait_for(lambda: b"Worker process is ready" in log.read_bytes(), "the workers did not start")
        return process

    def answers(self, path: str) -> bool:
        try:
            return httpx2.get(self.url + path, timeout=10).status_code == 200
        except httpx2.HTTPError:
            return False

    def submit(self, plan: list[dict[str, Any]] | None = None, **body: Any) -> str:
        """Submits a task; returns its id."""
        asked = {"task": "Do it", **({"plan": plan} if plan else {}), **body}
        reply = httpx2.post(f"{self.url}/run-task", json=asked, timeout=REPLY_TIMEOUT_S)
        assert reply.status_code == 202, reply.text
        task_id: str = reply.json()["task_id"]
        return task_id

    def get(self, path: str) -> Any:
        reply = httpx2.get(self.url + path, timeout=REPLY_TIMEOUT_S)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def kill(self, process: "subprocess.Popen[bytes]") -> None:
        """kill -9 of a process and all its children."""
        os.killpg(process.pid, signal.SIGKILL)
        process.wait(timeout=EXIT_TIMEOUT_S)

    def stop_workers(self) -> None:
        """kill -9 of every worker; the API stays."""
        for process in self.processes:
            if process.poll() is None and "dramatiq" in str(process.args):
                self.kill(process)

    def stop(self) -> None:
        for process in self.processes:
            if process.poll() is None:
                self.kill(process)

    def _start(self, *command: str, user: str = "worker", log: Path | None = None) -> "subprocess.Popen[bytes]":
        output = (log or self.folder / f"{command[0]}-{len(self.processes)}.log").open("wb")
        with output:
            process = subprocess.Popen(
                [str(Path(sys.executable).parent / command[0]), *command[1:]],
                env={**os.environ, **self.environment, "REDIS_URL": as_user(self.environment["REDIS_URL"], user)},
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=self.home,
            )
        self.processes.append(process)
        return process


def deployment(folder: Path, redis_url: str, namespace: str, **settings: str) -> Stack:
    """One with nothing started yet; `settings` are further variables of its processes."""
    pages_port = free_port()
    return Stack(
        folder,
        {
            "REDIS_URL": redis_url,
            "STEPSTREAM_NAMESPACE": namespace,
            "STEPSTREAM_AGENT_MODULES": "tests.e2e.agents",
            "STEPSTREAM_LEASE_MS": str(LEASE_MS),
            "STEPSTREAM_SHUTDOWN_GRACE_MS": "200",
            "STEPSTREAM_METRICS": "false",
            "STEPSTREAM_DATA_DIR": str(folder / "data"),
            "STEPSTREAM_WEB_ALLOW": f"127.0.0.1:{pages_port}",
            "STEPSTREAM_SEARXNG_URL": f"http://127.0.0.1:{pages_port}",
            "E2E_LEDGER": str(folder / "ledger"),
            **settings,
        },
        pages_port=pages_port,
    )


@contextmanager
def running(folder: Path, redis_url: str, **settings: str) -> Iterator[Stack]:
    """A deployment in a namespace of its own, with an API; afterwards it leaves nothing in Redis."""
    namespace = f"test-{uuid4().hex[:12]}"
    stack = deployment(folder, redis_url, namespace, **settings)
    stack.api()
    yield stack
    stack.stop()
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        for key in client.scan_iter(match=f"{{{namespace}:*", count=1000):
            client.delete(key)
