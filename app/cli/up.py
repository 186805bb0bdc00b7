"""
Everything on one machine: Redis, the API and workers as children of one process.

They end in the order API, workers, Redis, the last only if it was started here. API and workers that die are
started again. Both also end when this process is killed (on Linux); Redis does not: workers hand back what they
hold while they end, for which they need it, and the next start in the same data directory uses it and ends it.
"""

import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any, Self

import httpx2

from app import local_redis
from app.cli import adoption
from app.cli.children import POLL_S, Child, Sink
from app.cli.claim import Claim, left_behind
from app.cli.doors import address, free_port, require_key
from app.cli.keeper import Keeper, StackError
from app.cli.log_output import NOTICE, child_environment
from app.cli.programs import API_DRAIN_S, api_command, worker_command
from app.config import Settings

READY_TIMEOUT_S = 60.0
API_STOP_S = API_DRAIN_S + 5.0
WORKER_STOP_MARGIN_S = 10.0
WORKER_READY = "Worker process is ready"  # Dramatiq says so once for each


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
        self.keeper = Keeper(lambda line: sink(NOTICE, line), self._check_redis)
        self._server: local_redis.LocalServer | None = None

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.callback(self._exit.close)
            self._start()
            undo.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._exit.close()
        # Who waits for a task is interrupted when the stack fails; the reason is worth more than that.
        if self.keeper.failure and kind in (None, KeyboardInterrupt):
            raise self.keeper.failure

    def ask_to_stop(self) -> None:
        """The first time: end in order. The second time: end at once."""
        if self.asked_to_stop.is_set():
            self.hurry.set()
        self.asked_to_stop.set()

    def watch(self) -> None:
        """Waits until it is asked to stop; raises `StackError` when something has ended for good before."""
        while not self.asked_to_stop.wait(POLL_S):
            if self.keeper.failure:
                raise self.keeper.failure

    def _start(self) -> None:
        settings, shape, keeper = self._settings, self.shape, self.keeper
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        claim = self._exit.enter_context(Claim(settings.data_dir, shape.kind))
        port = free_port(shape.host, shape.port, left_behind(claim.before))
        redis_url = self._start_redis(claim.before)
        require_key(shape.host, redis_url, settings.namespace)
        env = self._environment(redis_url)
        self.api_url = address(shape.host, port)
        self._exit.callback(keeper.end)
        workers = worker_command("--processes", str(shape.processes), "--threads", str(shape.threads))
        self._add("workers", workers, env, settings.shutdown_grace_ms / 1000 + WORKER_STOP_MARGIN_S)
        self._add("api", api_command(shape.host, port), env, API_STOP_S)
        self._await("the API", self._api_ready)
        self._await("the workers", lambda: keeper.children[0].marks >= shape.processes)
        keeper.changed = lambda: claim.write(api_url=self.api_url, pids=self._pids())
        keeper.changed()
        self._exit.callback(keeper.rest)
        keeper.begin()

    def _pids(self) -> dict[str, int | None]:
        pids = {child.name: child.pid for child in self.keeper.children}
        return pids | {"redis": self._server.pid if self._server else None}

    def _start_redis(self, before: Mapping[str, Any]) -> str:
        url = self._settings.redis_url
        if url:
            self.redis_said = local_redis.without_password(url)
        else:
            server = self._server = local_redis.ensure_server(self._settings.data_dir)
            url, found = server.url, "started here" if server.owned else "found running"
            self._exit.callback(server.stop)
            if adoption.is_orphan(server, before):
                self._exit.callback(adoption.end, server, self._settings.data_dir)
                found = "left by one that was killed, ends with this one"
            self.redis_said = f"{url} ({server.flavour}, {found})"
        local_redis.require_floor(url)
        return url

    def _environment(self, redis_url: str) -> dict[str, str]:
        return (
            os.environ
            | child_environment(self._settings.log_level)
            | {
                "REDIS_URL": redis_url,
                "STEPSTREAM_REDIS_URL": redis_url,
                "STEPSTREAM_DATA_DIR": str(self._settings.data_dir.resolve()),
                "PYTHONUNBUFFERED": "1",
            }
            # Nobody scrapes what lives for one task.
            | ({"STEPSTREAM_METRICS": "false"} if self.shape.kind == "run" else {})
        )

    def _add(self, name: str, command: list[str], env: dict[str, str], stop_s: float) -> None:
        kept = self.keeper.add(lambda: Child(name, command, env, self._sink, WORKER_READY), stop_s)
        self._exit.callback(kept.stop, self.hurry)

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
        for child in self.keeper.children:
            if child.exit_code is not None:
                raise StackError(f"The {child.name} ended with exit code {child.exit_code}.", tuple(child.tail))
        self._check_redis()

    def _check_redis(self) -> None:
        server = self._server
        if server and server.process and server.process.poll() is not None:
            raise StackError(f"The Redis server ended with exit code {server.process.returncode}.")
        if server and not server.process and not local_redis.lives(server, self._settings.data_dir):
            raise StackError("The Redis server has ended.")

    def _log(self) -> tuple[str, ...]:
        return tuple(line for child in self.keeper.children for line in child.tail)
