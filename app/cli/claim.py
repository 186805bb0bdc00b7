"""
Who runs in a data directory: a lock that dies with its holder, and `up.json` with what it runs.

`{"kind": "up" or "run", "pid": …, "api_url": …, "pids": {…}}`; without `api_url` it is still starting.
"""

import fcntl
import json
import os
import time
from pathlib import Path
from typing import IO, Any, Self

from app.errors import StepstreamError

LOCK_TIMEOUT_S = 0.5  # outlasts the moment in which `running_api` tries the lock
POLL_S = 0.02


class InUse(StepstreamError):
    """Another process holds this data directory."""


class Claim:
    """
    The lock and the file that show other processes what runs in a data directory.

    `before` is what the file said when the lock was taken: something only if its last holder was killed.
    """

    def __init__(self, data_dir: Path, kind: str) -> None:
        self._path = data_dir / "up.json"
        self._kind = kind
        self.before: dict[str, Any] = {}
        self._ready = False
        self._lock: IO[str] = (data_dir / "up.lock").open("a")

    def __enter__(self) -> Self:
        deadline = time.monotonic() + LOCK_TIMEOUT_S
        while not _locked(self._lock):
            if time.monotonic() > deadline:
                self._lock.close()
                raise InUse(_in_use(self._path))
            time.sleep(POLL_S)
        self.before = _read_state(self._path)
        self.write()
        return self

    def __exit__(self, *_: object) -> None:
        if left_behind(self.before) and not self._ready:
            self._replace(self.before)  # the next attempt has the same obstacle
        else:
            self._path.unlink(missing_ok=True)
        self._lock.close()

    def write(self, **found: object) -> None:
        self._ready = bool(found)
        self._replace({"kind": self._kind, "pid": os.getpid(), **found})

    def _replace(self, state: dict[str, Any]) -> None:
        partial = self._path.with_suffix(".tmp")
        partial.write_text(json.dumps(state))
        partial.replace(self._path)


def running_api(data_dir: Path) -> str | None:
    """The address of the API that `up` runs in this data directory, if it does."""
    try:
        lock = (data_dir / "up.lock").open("a")
    except FileNotFoundError:
        return None
    with lock:
        if _locked(lock):
            return None
    state = _read_state(data_dir / "up.json")
    return state.get("api_url") if state.get("kind") == "up" else None


def left_behind(state: dict[str, Any]) -> str:
    """A sentence about the processes of a killed holder that live on, but Redis, which is used on; else nothing."""
    pids = state.get("pids")
    pids = pids if isinstance(pids, dict) else {}
    living = [f"{name} (process {pid})" for name, pid in pids.items() if name != "redis" and _leads_a_session(pid)]
    if not living:
        return ""
    return f"A `stepstream {state.get('kind')}` that was killed left behind: {', '.join(living)}; they may be ending."


def _leads_a_session(pid: object) -> bool:
    """Children do; so most of the strangers that a number was given to since are told from them."""
    try:
        return isinstance(pid, int) and pid > 0 and os.getsid(pid) == pid
    except OSError:
        return False


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read_state(path: Path) -> dict[str, Any]:
    try:
        state = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def _in_use(path: Path) -> str:
    state = _read_state(path)
    command, where = state.get("kind", "up"), state.get("api_url")
    whose = f"in {path.parent} (process {state.get('pid', 'unknown')})"
    another = "or set STEPSTREAM_DATA_DIR to another folder."
    if command == "run":
        return (
            f"A task of `stepstream run` or `demo` is under way {whose}: wait for its end, {another} "
            "Tasks run side by side where `stepstream up` runs before them."
        )
    how = f", its API is {where}" if where else " and still starting"
    return f"`stepstream up` is already running {whose}{how}. For other settings or agents, end it first, {another}"
