"""
The folder that the processes of one run of a supervisor share, and no others.

A run is from the start of `dramatiq` to its end; a SIGHUP, after which the same process begins anew, is another run.
Each process in it holds a lock on the folder, and the last one removes it. What a run left that was killed has no lock
any more and goes when the next run begins. Process ids, which come again, say nothing here.
"""

import fcntl
import hashlib
import os
import shutil
import stat
import tempfile
import time
from collections.abc import Iterable
from multiprocessing import current_process, parent_process
from pathlib import Path
from typing import IO

import structlog

LOCK = "lock"
TRIES = 100
PAUSE_S = 0.01

log = structlog.get_logger(__name__)


def run_name() -> str | None:
    """
    What this run is called, in all its processes alike; `None` in a process that no supervisor has started.

    A supervisor hands a random key to all its children, however they are started, and has another one after a restart.
    """
    if parent_process() is None:
        return None
    return hashlib.sha256(b"folder of a run" + current_process().authkey).hexdigest()[:16]


def places(data_dir: Path) -> tuple[Path, ...]:
    """Where folders of runs may lie, the best first: the second is for a data directory that is read-only."""
    return data_dir / "metrics", Path(tempfile.gettempdir()) / f"stepstream-metrics-{os.geteuid()}"


class RunFolder:
    """This process's part in its run's folder, until `leave` or its end."""

    def __init__(self, path: Path, lock: IO[bytes]) -> None:
        self.path = path
        self._lock = lock

    @classmethod
    def enter(cls, bases: Iterable[Path], name: str) -> "RunFolder":
        """In the first place that can be written; raises the `OSError` of the last when there is none."""
        failure = OSError("there is no place for the folder of a run")
        for base in bases:
            try:
                _private(base)
                _sweep(base, name)
                return cls(base / name, _locked(base / name))
            except OSError as error:
                failure = error
        raise failure

    def leave(self) -> None:
        """The last one to leave removes the folder."""
        fcntl.lockf(self._lock, fcntl.LOCK_UN)
        if _taken(self._lock):
            shutil.rmtree(self.path, ignore_errors=True)
        self._lock.close()


def _private(base: Path) -> None:
    """Makes the place where it is not; raises `PermissionError` for one that others can write, or made."""
    base.parent.mkdir(parents=True, exist_ok=True)
    base.mkdir(mode=0o700, exist_ok=True)
    found = base.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise PermissionError(f"{base} is not a folder of ours alone")


def _locked(folder: Path) -> IO[bytes]:
    """The lock that all in the folder hold; whoever removes it meanwhile is outlasted."""
    for _ in range(TRIES):
        folder.mkdir(mode=0o700, exist_ok=True)
        try:
            lock = (folder / LOCK).open("a+b")
            fcntl.lockf(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            if (folder / LOCK).stat().st_ino == os.fstat(lock.fileno()).st_ino:
                return lock
        except (FileNotFoundError, BlockingIOError, PermissionError):
            time.sleep(PAUSE_S)
    raise OSError(f"the folder {folder} cannot be locked")


def _sweep(base: Path, own: str) -> None:
    """Removes the folders whose processes are all gone; a process's own it must not touch, or it loses its lock."""
    for folder in base.iterdir():
        if folder.name != own:
            _remove_if_left(folder)


def _remove_if_left(folder: Path) -> None:
    try:
        with (folder / LOCK).open("r+b") as lock:
            if _taken(lock):
                shutil.rmtree(folder, ignore_errors=True)
                log.info("metrics_folder_removed", folder=folder.name)
    except FileNotFoundError:
        _remove_empty(folder)
    except OSError as error:
        log.debug("metrics_folder_kept", folder=folder.name, error=str(error))


def _remove_empty(folder: Path) -> None:
    """One that its maker did not get to lock; a maker that is only slow makes it again."""
    try:
        folder.rmdir()
    except OSError as error:
        log.debug("metrics_folder_kept", folder=folder.name, error=str(error))


def _taken(lock: IO[bytes]) -> bool:
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
