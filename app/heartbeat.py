"""
A worker's sign of life on its own machine, for who restarts it: systemd, Docker, the kubelet.

Liveness must not ask Redis, or an outage there would restart every worker. So the event loop in which agents run
touches a file again and again. The process holds a lock on it for as long as it lives; what a killed one left behind
is told from that. The file is named after the host, so containers may share a data directory.
"""

import asyncio
import fcntl
import os
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import structlog

BEAT_INTERVAL_S = 5.0
FOLDER = "alive"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Beat:
    """One worker process of this host that lives; `silent_s` is how long its loop has not come round."""

    pid: int
    silent_s: float


@asynccontextmanager
async def beating(data_dir: Path, interval_s: float = BEAT_INTERVAL_S) -> AsyncIterator[None]:
    """Inside, this process gives signs of life; where it can write none it says so in the log and works on."""
    path = data_dir / FOLDER / f"{socket.gethostname()}.{os.getpid()}"
    try:
        file = _claimed(path)
    except OSError as error:
        log.warning("heartbeat_not_written", path=str(path), error=str(error))
        yield
        return
    beats = asyncio.create_task(_beat(path, interval_s))
    try:
        yield
    finally:
        beats.cancel()
        path.unlink(missing_ok=True)
        file.close()


def beats(data_dir: Path) -> list[Beat]:
    """The living worker processes of this host that use this data directory."""
    found = sorted((data_dir / FOLDER).glob(f"{socket.gethostname()}.*"))
    return [beat for path in found if (beat := _read(path))]


def _claimed(path: Path) -> IO[bytes]:
    """Its lock ends with the process, however that ends."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("ab")
    fcntl.flock(file, fcntl.LOCK_SH)
    os.utime(path)
    return file


async def _beat(path: Path, interval_s: float) -> None:
    while True:
        await asyncio.sleep(interval_s)
        # A full or vanished disk is no reason to stop: who looks will find the process silent.
        with suppress(OSError):
            os.utime(path)


def _read(path: Path) -> Beat | None:
    try:
        with path.open("rb") as file:
            if not _held(file):
                return None
            silent_s = time.time() - path.stat().st_mtime
        return Beat(int(path.name.rpartition(".")[2]), max(0.0, silent_s))
    except (OSError, ValueError):
        return None


def _held(file: IO[bytes]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    return False
