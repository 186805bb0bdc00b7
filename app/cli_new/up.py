"""
Everything on one machine: Redis, the API and workers as children of one process.

They end in the order API, workers, Redis, the last only if it was started here.
"""

import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

import httpx2

from app import local_redis
from app.children import POLL_S, Child, Sink
from app.claim import Claim
from app.config import Settings
from app.errors import StepstreamError

READY_TIMEOUT_S = 60.0
API_DRAIN_S = 5
API_STOP_S = API_DRAIN_S + 5.0
WORKER_STOP_MARGIN_S = 10.0
WORKER_READY = "is ready for action"  # Dramatiq says so once per worker process


class StackError(StepstreamError):
    """Something could not be started or has ended; `log` holds the last lines it wrote."""

    def __init__(self, message: str, log: tuple[str, ...] = ()) -> None:
        self.log = log
        super().__init__(message)


class PortTaken(StackError):
    """The API cannot listen where it should."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How much to start, and where the API listens; port 0 takes a free one."""

    host: str
    port: int
    processes: int
    threads: int
    kind: str = "up"


class Stack:
    """A context manager: all is ready inside the block, and all has ended behind it."""

    def __init__(self, settings: Settings, shape: Shape, sink: Sink) -> None:
        self.shape = shape
        self.api_url = ""
        self.redis_said = ""
        self.asked_to_stop = threading.Event()
        self.hurry = threading.Event()
        self._settings = settings
        self._sink = sink
        self._exit = ExitStack()
        self._children: list[Child] = []
        self._server: local_redis.LocalServer | None = None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self._exit.close)
            self._start()
            undo.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._exit.close()

    def ask_to_stop(self) -> None:
        """The first time: end in order. The second time: end at once."""
        if self.asked_to_stop.is_set():
            self.hurry.set()
        self.asked_to_stop.set()

    def watch(self) -> None:
        """Waits until it is asked to stop; raises `StackError` when a child has ended before."""
        while not self.asked_to_stop.wait(POLL_S):
            self._check_children()

    def _start(self) -> None:
        settings, shape = self._settings, self.shape
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        claim = self._exit.enter_context(Claim(settings.data_dir, shape.kind))
        port = _free_port(shape.host, shape.port)
        env = self._environment(self._start_redis())
        self.api_url = f"http://{f'[{shape.host}]' if ':' in shape.host else shape.host}:{port}"
        self._add("workers", _worker_command(shape), env, settings.shutdown_grace_ms / 1000 + WORKER_STOP_MARGIN_S)
        self._add("api", _api_command(shape.host, port), env, API_STOP_S)
        self._await("the API", self._api_ready)
        self._await("the workers", lambda: self._children[0].marks >= shape.processes)
        pids = {child.name: child.pid for child in self._children}
        claim.write(api_url=self.api_url, pids=pids | {"redis": self._server.pid if self._server else None})

    def _start_redis(self) -> str:
        url = self._settings.redis_url
        if url:
            self.redis_said = local_redis.without_password(url)
        else:
            self._server = local_redis.ensure_server(self._settings.data_dir)
            self._exit.callback(self._server.stop)
            url = self._server.url
            found = "started here" if self._server.owned else "found running"
            self.redis_said = f"{url} ({self._server.flavour}, {found})"
        local_redis.require_floor(url)
        return url

    def _environment(self, redis_url: str) -> dict[str, str]:
        return os.environ | {
            "REDIS_URL": redis_url,
            "STEPSTREAM_REDIS_URL": redis_url,
            "STEPSTREAM_DATA_DIR": str(self._settings.data_dir.resolve()),
            "PYTHONUNBUFFERED": "1",
        }

    def _add(self, name: str, command: list[str], env: dict[str, str], stop_s: float) -> None:
        child = Child(name, command, env, self._sink, WORKER_READY)
        self._children.append(child)
        self._exit.callback(child.stop, stop_s, self.hurry)

    def _await(self, what: str, ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + READY_TIMEOUT_S
        while not ready():
            self._check_children()
            if time.monotonic() > deadline:
                raise StackError(f"Gave up on {what}: not ready within {READY_TIMEOUT_S:.0f} s.", self._log())
            if self.asked_to_stop.wait(POLL_S):
                raise KeyboardInterrupt

    def _api_ready(self) -> bool:
        try:
            return httpx2.get(f"{self.api_url}/readyz", timeout=2.0, trust_env=False).status_code == 200
        except httpx2.TransportError:
            return False

    def _check_children(self) -> None:
        for child in self._children:
            if child.exit_code is not None:
                raise StackError(f"The {child.name} ended with exit code {child.exit_code}.", tuple(child.tail))
        if self._server and self._server.process and self._server.process.poll() is not None:
            raise StackError(f"The Redis server ended with exit code {self._server.process.returncode}.")

    def _log(self) -> tuple[str, ...]:
        return tuple(line for child in self._children for line in child.tail)


def _free_port(host: str, port: int) -> int:
    """The port itself, checked before anything is started, or a free one for 0."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortTaken(
                f"Port {port} of {host} cannot be used ({error.strerror}); choose another with --port."
            ) from error
        return int(probe.getsockname()[1])


def _api_command(host: str, port: int) -> list[str]:
    return [
        sys.executable, "-m", "uvicorn", "app.main:create_app", "--factory", "--host", host, "--port", str(port),
        "--timeout-graceful-shutdown", str(API_DRAIN_S), "--no-access-log",
    ]  # fmt: skip


def _worker_command(shape: Shape) -> list[str]:
    return [
        sys.executable, "-m", "dramatiq", "actors",
        "--processes", str(shape.processes), "--threads", str(shape.threads),
    ]  # fmt: skip
