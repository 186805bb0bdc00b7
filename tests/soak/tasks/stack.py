"""The processes of a soak: two Redis servers, API processes, worker processes."""

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...free_ports import free_port
from ..fleet import Fleet
from ..servers import Server
from .ledger import URL_VARIABLE, Ledger, open_ledger

NAMESPACE = "soak"


@dataclass(frozen=True, slots=True)
class Size:
    """How many of what, and the lease they work with."""

    apis: int = 2
    workers: int = 3
    threads: int = 4
    lease_ms: int = 2_000
    grace_ms: int = 300


@dataclass(frozen=True, slots=True)
class Stack:
    """A deployment under test."""

    server: Server
    ledger: Ledger
    apis: Fleet
    workers: Fleet
    urls: list[str]


@contextmanager
def running(size: Size) -> Iterator[Stack]:
    """Starts everything but waits for nothing; at the end no process is left. SOAK_LOG=folder keeps the logs."""
    # A path under a deep directory may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="soak-", ignore_cleanup_errors=True) as name:
        home = Path(name)
        logs = Path(os.environ.get("SOAK_LOG") or home)
        server, ledger = Server(home, "work"), Server(home, "ledger")
        try:
            server.start()
            ledger.start()
            environment = _environment(size, home, server.url, ledger.url)
            ports = [free_port() for _ in range(size.apis)]
            with (
                Fleet([_api(port) for port in ports], logs / "apis.log", environment) as apis,
                Fleet([_worker(size)] * size.workers, logs / "workers.log", environment) as workers,
            ):
                urls = [f"http://127.0.0.1:{port}" for port in ports]
                yield Stack(server, open_ledger(ledger.url), apis, workers, urls)
        finally:
            server.close()
            ledger.close()


def _environment(size: Size, home: Path, redis_url: str, ledger_url: str) -> dict[str, str]:
    return {
        "REDIS_URL": redis_url,
        "STEPSTREAM_NAMESPACE": NAMESPACE,
        "STEPSTREAM_AGENT_MODULES": "tests.soak.tasks.agents",
        "STEPSTREAM_LEASE_MS": str(size.lease_ms),
        "STEPSTREAM_SHUTDOWN_GRACE_MS": str(size.grace_ms),
        "STEPSTREAM_HEARTBEAT_S": "1",
        "STEPSTREAM_DATA_DIR": str(home / "data"),
        URL_VARIABLE: ledger_url,
    }


def _api(port: int) -> list[str]:
    command = [_program("uvicorn"), "--factory", "app.main:create_app", "--port", str(port)]
    return [*command, "--no-access-log", "--timeout-graceful-shutdown", "5"]


def _worker(size: Size) -> list[str]:
    return [_program("dramatiq"), "actors", "--processes", "1", "--threads", str(size.threads)]


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)
