"""Redis, API and workers under one roof: started together, watched, ended in order."""

import os
import re
import select
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx2
import orjson
import pytest
from typer.testing import CliRunner

from app import local_redis
from app.cli.claim import Claim, InUse, running_api
from app.cli.doors import DoorOpen, PortTaken
from app.cli.keeper import StackError
from app.cli.main import cli
from app.cli.up import Shape, Stack
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

    def wait_for(self, name: str, text: str, since: int) -> None:
        """Until a child has said it, behind so many lines."""
        with self._changed:
            said = self._changed.wait_for(
                lambda: any(who == name and text in line for who, line in self.lines[since:]), 180
            )
        assert said, (name, text)

    def position(self, name: str, text: str) -> int:
        return next(index for index, (who, line) in enumerate(self.lines) if who == name and text in line)


def settings_in(folder: Path) -> Settings:
    if local_redis.find_binary() is None:
        pytest.skip("no Redis server binary")
    return Settings(redis_url=None, data_dir=folder / "state", shutdown_grace_ms=500)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture
def log() -> Log:
    return Log()


@dataclass(frozen=True, slots=True)
class Standing:
    """A stack that several tests share; each finds it whole and leaves it so."""

    settings: Settings
    stack: Stack
    log: Log


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Standing]:
    settings, log = settings_in(tmp_path_factory.mktemp("up")), Log()
    with Stack(settings, SMALL, log) as stack:
        yield Standing(settings, stack, log)
        stack.hurry.set()


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
        assert httpx2.get(f"{stack.api_url}/readyz", timeout=60).status_code == 200
        assert running_api(settings.data_dir) == stack.api_url
        found = state(settings)
        assert found["api_url"] == stack.api_url
        assert all(map(alive, found["pids"].values()))
        stack.ask_to_stop()
        # A stop that was asked for is no error.
        stack.watch()

    assert not any(map(alive, found["pids"].values()))
    assert running_api(settings.data_dir) is None
    assert local_redis.running_server(settings.data_dir) is None
    assert not (settings.data_dir / "up.json").exists()
    assert log.position("api", "Finished server process") < log.position("workers", "Stopping worker process")


def test_a_second_one_in_the_same_directory_is_refused(standing: Standing) -> None:
    """It says where the first one listens, and leaves it alone."""
    with pytest.raises(InUse, match=f"already running in .* its API is {standing.stack.api_url}"):
        Stack(standing.settings, SMALL, Log()).__enter__()

    assert httpx2.get(f"{standing.stack.api_url}/healthz", timeout=60).status_code == 200


def ready_again(settings: Settings, name: str, before: int) -> int:
    """The new process of a child, as soon as the state file names it; three minutes at most."""
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        pid: int = state(settings)["pids"][name]
        if pid != before:
            return pid
        select.select([], [], [], 0.05)
    raise TimeoutError(name)


@pytest.mark.parametrize("victim", ["api", "workers"])
def test_a_dead_child_is_started_again_and_the_rest_stays(standing: Standing, victim: str) -> None:
    """One line tells it, the new process answers in the old one's place, and nobody else is touched."""
    log, since = standing.log, len(standing.log.lines)
    before = state(standing.settings)["pids"]
    os.kill(before[victim], signal.SIGKILL)

    assert alive(ready_again(standing.settings, victim, before[victim]))
    after = state(standing.settings)["pids"]
    assert {name for name in before if before[name] != after[name]} == {victim}
    (told,) = [line for name, line in log.lines[since:] if name == "up"]
    ended = f"The {victim} ended with exit code -9; the next start is in "
    assert re.fullmatch(ended + r"\d\.\d s \(\d of at most 5 restarts within 60 s\)", told)
    log.wait_for(victim, {"workers": "Worker process is ready", "api": "Uvicorn running on"}[victim], since)
    assert httpx2.get(f"{standing.stack.api_url}/readyz", timeout=60).status_code == 200


def test_a_killed_worker_process_does_not_end_the_stack(standing: Standing) -> None:
    """Dramatiq ends all of its workers when one dies; they are started again."""
    log, since = standing.log, len(standing.log.lines)
    before = state(standing.settings)["pids"]
    ready = [line for name, line in log.lines if name == "workers" and "Worker process is ready" in line]
    os.kill(orjson.loads(ready[-1])["pid"], signal.SIGKILL)

    assert alive(ready_again(standing.settings, "workers", before["workers"]))
    log.wait_for("workers", "Worker process is ready", since)
    assert standing.stack.keeper.failure is None


def test_a_dead_redis_ends_the_watch_and_the_block_with_its_name(settings: Settings, log: Log) -> None:
    """What holds the work is not replaced behind anybody's back."""
    gave_up = threading.Event()
    stack = Stack(settings, SMALL, log)
    stack.keeper.gave_up = gave_up.set
    stack.__enter__()
    os.kill(state(settings)["pids"]["redis"], signal.SIGKILL)
    dead = "The Redis server ended with exit code -9"

    with pytest.raises(StackError, match=dead):
        stack.watch()
    assert gave_up.wait(60)
    stack.hurry.set()
    with pytest.raises(StackError, match=dead):
        stack.__exit__(None)
    assert all(child.exit_code is not None for child in stack.keeper.children)


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


def test_an_api_alone_is_not_started_where_another_listens(tmp_path: Path) -> None:
    """One sentence and exit code 2, as from `up`; not the log of a server that begins and ends."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        refused = CliRunner(env={"STEPSTREAM_DATA_DIR": str(tmp_path)}).invoke(cli, ["api", "--port", str(port)])

    assert refused.exit_code == 2
    assert re.fullmatch(rf"Port {port} of 127.0.0.1 cannot be used \(.*\); choose another.*\n", refused.stderr)


@pytest.mark.parametrize(("kind", "said"), [("run", "wait for its end"), ("up", "still starting. For other settings")])
def test_whoever_holds_the_folder_is_named_with_the_way_out(tmp_path: Path, kind: str, said: str) -> None:
    """A run ends by itself; an `up` has to be ended, or begins elsewhere."""
    with Claim(tmp_path, kind), pytest.raises(InUse) as refused, Claim(tmp_path, "up"):
        pass

    assert f"`stepstream {kind}`" in str(refused.value)
    assert f"process {os.getpid()}" in str(refused.value)
    assert said in str(refused.value)
    assert "or set STEPSTREAM_DATA_DIR to another folder" in str(refused.value)


@pytest.mark.parametrize("command", ["api", "worker"])
def test_a_part_alone_says_when_it_can_only_guess_where_redis_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """An `up` that begins later starts another one, and the two would never meet."""
    for name in ("REDIS_URL", "STEPSTREAM_REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STEPSTREAM_DATA_DIR", str(tmp_path))
    become: list[list[str]] = []
    monkeypatch.setattr(os, "execv", lambda _, arguments: become.append(arguments))
    arguments = [command, *(["--port", "0"] if command == "api" else [])]

    guessed = CliRunner().invoke(cli, arguments)
    monkeypatch.setenv("STEPSTREAM_REDIS_URL", "redis://127.0.0.1:1/0")
    told = CliRunner().invoke(cli, arguments)

    assert guessed.stderr.startswith(f"No REDIS_URL is set and none runs in {tmp_path}")
    assert (told.stderr, len(become)) == ("", 2)


def test_workers_that_cannot_start_are_reported_with_their_log(
    settings: Settings, log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent module that does not exist ends the start, and the log says which."""
    monkeypatch.setenv("STEPSTREAM_AGENT_MODULES", "no_such_module")

    with pytest.raises(StackError, match="ended with exit code") as caught:
        Stack(settings, SMALL, log).__enter__()
    assert "no_such_module" in "\n".join(caught.value.log)
    assert local_redis.running_server(settings.data_dir) is None


def test_it_listens_to_other_machines_only_with_a_key(settings: Settings, log: Log) -> None:
    """Without one neither API nor workers are started, and the Redis that was is ended again."""
    with pytest.raises(DoorOpen, match="stepstream keys create"), Stack(settings, replace(SMALL, host="0.0.0.0"), log):
        pytest.fail("it was started")

    assert log.lines == []
    assert local_redis.running_server(settings.data_dir) is None
