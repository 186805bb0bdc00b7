"""Redis, API and workers under one roof: started together, watched, ended in order."""

import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest

from app import local_redis
from app.cli.claim import InUse, running_api
from app.cli.up import PortTaken, Shape, Stack, StackError
from app.config import Settings
from app.errors import Unavailable

SMALL = Shape("127.0.0.1", 0, processes=1, threads=2)


class Log:
    """What the children said, in order."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str]] = []
        self._changed = threading.Condition()

    def __call__(self, name: str, line: str) -> None:
        with self._changed:
            self.lines.append((name, line))
            self._changed.notify_all()

    def position(self, name: str, text: str) -> int:
        return next(index for index, (who, line) in enumerate(self.lines) if who == name and text in line)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    if local_redis.find_binary() is None:
        pytest.skip("no Redis server binary")
    return Settings(redis_url=None, data_dir=tmp_path / "state", shutdown_grace_ms=500)


@pytest.fixture
def log() -> Log:
    return Log()


@pytest.fixture
def stack(settings: Settings, log: Log) -> Iterator[Stack]:
    with Stack(settings, SMALL, log) as running:
        yield running
        running.hurry.set()


def state(settings: Settings) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((settings.data_dir / "up.json").read_bytes())
    return found


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_all_is_ready_inside_and_gone_behind(settings: Settings, log: Log) -> None:
    """The API answers as soon as the block begins; behind it no process, no socket and no state is left."""
    with Stack(settings, SMALL, log) as stack:
        assert httpx2.get(f"{stack.api_url}/readyz").status_code == 200
        assert running_api(settings.data_dir) == stack.api_url
        found = state(settings)
        assert found["api_url"] == stack.api_url
        assert all(map(alive, found["pids"].values()))

    assert not any(map(alive, found["pids"].values()))
    assert running_api(settings.data_dir) is None
    assert local_redis.running_server(settings.data_dir) is None
    assert not (settings.data_dir / "up.json").exists()
    assert log.position("api", "Finished server process") < log.position("workers", "Stopping worker process")


def test_a_second_one_in_the_same_directory_is_refused(settings: Settings, stack: Stack) -> None:
    """It says where the first one listens, and leaves it alone."""
    with pytest.raises(InUse, match=f"already running in .* its API is {stack.api_url}"):
        Stack(settings, SMALL, Log()).__enter__()

    assert httpx2.get(f"{stack.api_url}/healthz").status_code == 200


@pytest.mark.parametrize("victim", ["api", "workers", "redis"])
def test_a_dead_child_ends_the_watch_with_its_name(settings: Settings, stack: Stack, victim: str) -> None:
    """A crash of any part is reported as such; the rest is ended by leaving the block."""
    os.kill(state(settings)["pids"][victim], signal.SIGKILL)

    name = {"redis": "Redis server"}.get(victim, victim)
    with pytest.raises(StackError, match=f"The {name} ended with exit code -9"):
        stack.watch()


def test_a_stop_that_was_asked_for_is_no_error(stack: Stack) -> None:
    """The watch simply ends."""
    stack.ask_to_stop()

    stack.watch()


def test_a_redis_of_somebody_else_is_used_and_left_running(
    settings: Settings, log: Log, redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a url nothing is started and nothing of Redis is ended."""
    monkeypatch.setenv("STEPSTREAM_NAMESPACE", namespace)
    with Stack(settings.model_copy(update={"redis_url": redis_url}), SMALL, log):
        assert state(settings)["pids"]["redis"] is None

    local_redis.require_floor(redis_url)
    assert not (settings.data_dir / "redis").exists()


def test_a_redis_that_does_not_answer_is_said_at_once(settings: Settings, log: Log) -> None:
    """Nothing is started in front of a dead database, and its password is not shown."""
    dead = settings.model_copy(update={"redis_url": "redis://:secret@127.0.0.1:1/0"})

    with pytest.raises(Unavailable, match=r"^No Redis answers at redis://127\.0\.0\.1:1/0"):
        Stack(dead, SMALL, log).__enter__()
    assert log.lines == []
    assert running_api(settings.data_dir) is None


def test_a_taken_port_is_found_before_anything_starts(settings: Settings, log: Log) -> None:
    """The message names the port and the way out."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port} .* choose another with --port"):
            Stack(settings, Shape("127.0.0.1", port, 1, 2), log).__enter__()

    assert local_redis.running_server(settings.data_dir) is None


def test_workers_that_cannot_start_are_reported_with_their_log(
    settings: Settings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent module that does not exist ends the start, and the log says which."""
    monkeypatch.setenv("STEPSTREAM_AGENT_MODULES", "no_such_module")

    with pytest.raises(StackError, match="ended with exit code") as caught:
        Stack(settings, SMALL, log).__enter__()
    assert "no_such_module" in "\n".join(caught.value.log)
    assert local_redis.running_server(settings.data_dir) is None
