"""The local server: started once, shared, never doubled, its file kept."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from app import local_redis
from app.broker import floor
from app.config import Settings
from app.errors import Unavailable
from app.redis_binary import socket_path

STARTED = """
import sys
from pathlib import Path
from app.local_redis import ensure_server
server = ensure_server(Path(sys.argv[1]))
print(server.pid, server.owned, flush=True)
sys.stdin.read()
server.stop()
"""


@pytest.fixture
def binary() -> Path:
    found = local_redis.find_binary()
    if found is None:
        pytest.skip("no Redis server binary")
    return found


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    """A data directory whose server, whoever started it, does not outlive the test."""
    yield tmp_path
    server = local_redis.running_server(tmp_path)
    if server:
        os.kill(server.pid, signal.SIGKILL)


def connect(server: local_redis.LocalServer) -> "redis.Redis":
    client: redis.Redis = redis.Redis.from_url(server.url, protocol=2, socket_timeout=60)
    return client


def starter(home: Path) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", STARTED, str(home)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )


def test_a_server_is_started_found_again_and_ended_by_its_owner(binary: Path, home: Path) -> None:
    """The second caller gets the first one's server and cannot end it; the owner can."""
    first = local_redis.ensure_server(home)
    second = local_redis.ensure_server(home)

    assert first.owned
    assert (second.pid, second.owned) == (first.pid, False)
    assert local_redis.redis_url(Settings(redis_url=None, data_dir=home)) == first.url

    second.stop()
    assert local_redis.running_server(home)

    first.stop()
    assert local_redis.running_server(home) is None


def test_what_was_written_is_there_after_a_stop_and_a_start(binary: Path, home: Path) -> None:
    """The append-only file carries the content across an orderly restart."""
    server = local_redis.ensure_server(home)
    with connect(server) as client:
        client.set("kept", "1")
    server.stop()

    again = local_redis.ensure_server(home)
    with connect(again) as client:
        assert client.get("kept") == b"1"
    again.stop()


def test_processes_that_start_at_once_share_one_server(binary: Path, home: Path) -> None:
    """Of several starters exactly one owns the server; the others wait for it and use it."""
    starters = [starter(home) for _ in range(4)]

    said = [process.stdout.readline().split() for process in starters if process.stdout]
    assert len({pid for pid, _ in said}) == 1
    assert sorted(owned for _, owned in said) == ["False", "False", "False", "True"]

    for process in starters:
        process.communicate(timeout=180)
    assert local_redis.running_server(home) is None


def test_a_server_survives_the_death_of_its_starter_and_is_used_on(binary: Path, home: Path) -> None:
    """After a SIGKILL of the process that started it nobody starts a second one beside it."""
    process = starter(home)
    assert process.stdout
    pid = int(process.stdout.readline().split()[0])
    process.kill()
    process.communicate()

    found = local_redis.ensure_server(home)
    assert (found.pid, found.owned) == (pid, False)

    (home / "redis.json").unlink()
    with pytest.raises(local_redis.AlreadyRunning):
        local_redis.start_server(binary, home)
    os.kill(pid, signal.SIGKILL)


def test_only_the_owner_can_reach_the_server(binary: Path, home: Path) -> None:
    """Socket and folder are closed to other users, and no port is open."""
    server = local_redis.ensure_server(home)
    with connect(server) as client:
        assert client.config_get("port") == {"port": "0"}
        socket = Path(client.config_get("unixsocket")["unixsocket"])
    server.stop()

    assert (home / "redis").stat().st_mode & 0o077 == 0
    assert socket.is_relative_to(home)


def test_a_path_too_long_for_a_socket_is_worked_around(
    binary: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A deep data directory works: its socket has one short path in a folder of this user, at every start."""
    short = Path(tempfile.mkdtemp(prefix="s-"))
    monkeypatch.setattr(tempfile, "tempdir", str(short))
    deep = home / ("d" * 120)
    deep.mkdir()
    urls = set()
    for _ in range(2):
        server = local_redis.ensure_server(deep)
        assert local_redis.running_server(deep) is not None
        assert local_redis.redis_url(Settings(redis_url=None, data_dir=deep)) == server.url
        urls.add(server.url)
        server.stop()

    folder = short / f"stepstream-{os.getuid()}"
    assert len(urls) == 1
    assert list(short.iterdir()) == [folder]
    assert folder.stat().st_mode & 0o777 == 0o700
    shutil.rmtree(short)


@pytest.mark.parametrize("trap", ["link", "open", "file"])
def test_a_socket_folder_that_others_could_write_to_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trap: str
) -> None:
    """Whoever made the name first in a shared folder cannot get our socket."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / f"stepstream-{os.getuid()}"
    if trap == "link":
        (tmp_path / "elsewhere").mkdir(mode=0o700)
        folder.symlink_to(tmp_path / "elsewhere")
    elif trap == "open":
        folder.mkdir()
        folder.chmod(0o777)
    else:
        folder.touch()

    with pytest.raises(Unavailable, match="is not a folder of this user alone"):
        socket_path(Path("/" + "d" * 120))


def test_a_socket_folder_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when it is closed to the world: its owner could open it."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(os, "getuid", lambda: 12345)
    (tmp_path / "stepstream-12345").mkdir(mode=0o700)

    with pytest.raises(Unavailable, match="is not a folder of this user alone"):
        socket_path(Path("/" + "d" * 120))


@pytest.mark.parametrize("text", ["[]", "{", "{}", "7", '"x"', '{"url": null, "pid": null, "flavour": 1}', "\ud800"])
def test_a_state_file_that_says_nothing_is_no_server(tmp_path: Path, text: str) -> None:
    """Whatever the file holds, nothing is raised and the default is used."""
    (tmp_path / "redis.json").write_bytes(text.encode("utf-8", "surrogatepass"))

    assert local_redis.running_server(tmp_path) is None
    assert local_redis.redis_url(Settings(redis_url=None, data_dir=tmp_path)) == local_redis.DEFAULT_URL


def test_a_killed_server_does_not_count_though_its_files_and_its_number_are_there(binary: Path, home: Path) -> None:
    """After a SIGKILL the socket file stays, and the process number may be given to a stranger."""
    server = local_redis.ensure_server(home)
    os.kill(server.pid, signal.SIGKILL)
    assert server.process
    server.process.wait()
    state = json.loads((home / "redis.json").read_text())
    (home / "redis.json").write_text(json.dumps(state | {"pid": os.getpid()}))

    assert local_redis.redis_url(Settings(redis_url=None, data_dir=home)) == local_redis.DEFAULT_URL


def test_a_server_without_its_socket_does_not_count(binary: Path, home: Path) -> None:
    """It cannot be reached, so its address is not given out."""
    server = local_redis.ensure_server(home)
    Path(server.url.removeprefix("unix://").partition("?")[0]).unlink()

    assert local_redis.redis_url(Settings(redis_url=None, data_dir=home)) == local_redis.DEFAULT_URL
    server.stop()


def test_a_server_that_cannot_start_is_reported_with_its_log(home: Path, tmp_path: Path) -> None:
    """The message names the log file."""
    broken = tmp_path / "redis-server"
    broken.write_text("#!/bin/sh\n[ \"$1\" = --version ] && echo 'Redis server v=7.2.0' && exit 0\nexit 1\n")
    broken.chmod(0o755)

    with pytest.raises(Unavailable, match=r"ended at once; its log is .*server\.log"):
        local_redis.start_server(broken, home)


def test_an_old_server_on_the_path_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A 6.2 is never taken, even when it is the only one."""
    for name, version in (("redis-server", "6.2.14"), ("valkey-server", "none")):
        old = tmp_path / name
        old.write_text(f"#!/bin/sh\necho 'Redis server v={version} sha=0'\n")
        old.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)

    assert local_redis.find_binary() is None
    with pytest.raises(Unavailable, match="set REDIS_URL to a Redis"):
        local_redis.ensure_server(tmp_path / "home")


def test_the_floor_is_checked_on_the_server_itself(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server at the floor passes; a higher floor refuses it in one sentence; a dead address says so."""
    local_redis.require_floor(redis_url)

    monkeypatch.setattr(floor, "REDIS_FLOOR", (99, 0, 0))
    monkeypatch.setattr(floor, "VALKEY_FLOOR", (99, 0, 0))
    with pytest.raises(Unavailable, match="is too old for this broker"):
        local_redis.require_floor(redis_url)
    with pytest.raises(Unavailable, match=r"No Redis answers at redis://127\.0\.0\.1:1/0"):
        local_redis.require_floor("redis://:secret@127.0.0.1:1/0")
