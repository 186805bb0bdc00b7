"""A fresh store for one measurement: Redis, PostgreSQL or an SQLite file; on the loopback, gone afterwards."""

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import redis

START_TIMEOUT_S = 20.0
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
#: None of the stores waits for a disk: Redis keeps no file, and PostgreSQL is told not to sync.
POSTGRES_OPTIONS = ("-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "max_connections=300")


class StoreMissing(Exception):
    """This machine has no such server."""


@dataclass(frozen=True, slots=True)
class Store:
    """Where the steps' state is; the process whose CPU counts, if there is one; and a client if it is a Redis."""

    url: str
    process: "subprocess.Popen[bytes] | None" = None
    client: "redis.Redis | None" = field(default=None, repr=False)

    def cpu_s(self) -> float | None:
        """CPU of the server, which is the whole family of a PostgreSQL."""
        if self.client is not None:
            info = self.client.info("cpu")
            return float(info["used_cpu_user"] + info["used_cpu_sys"])
        return family_cpu_s(self.process.pid) if self.process else None

    def memory(self) -> int | None:
        return int(self.client.info("memory")["used_memory"]) if self.client is not None else None


@contextmanager
def open_store(kind: str, folder: Path, redis_server: str) -> Iterator[Store]:
    """A new and empty one; raises `StoreMissing`."""
    if kind == "sqlite":
        yield Store(f"sqlite:///{folder}/bench.sqlite")
        return
    with _redis(folder, redis_server) if kind == "redis" else _postgres(folder) as store:
        yield store


@contextmanager
def _redis(folder: Path, binary: str) -> Iterator[Store]:
    port = free_port()
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with _running([*command, "--dir", str(folder)]) as process:
        url = f"redis://127.0.0.1:{port}/0"
        client: redis.Redis = redis.Redis(host="127.0.0.1", port=port, protocol=2)
        _wait_port(port)
        yield Store(url, process, client)
        client.close()


@contextmanager
def _postgres(folder: Path) -> Iterator[Store]:
    """Started as an ordinary user, because it refuses to run as root."""
    home, port = folder / "postgres", free_port()
    user = _ordinary_user(folder)
    initialise = [_postgres_program("initdb"), "-D", str(home), "-U", "bench", "--auth", "trust", "--no-sync"]
    subprocess.run([*user, *initialise], check=True, stdout=subprocess.DEVNULL, cwd=folder)
    options = ["-D", str(home), "-p", str(port), "-h", "127.0.0.1", "-k", "", *POSTGRES_OPTIONS]
    with _running([*user, _postgres_program("postgres"), *options]) as process:
        _wait_port(port)
        yield Store(f"postgresql://bench@127.0.0.1:{port}/postgres", process)


def _postgres_program(name: str) -> str:
    found = [shutil.which(name), *map(str, sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}")))]
    program = next((path for path in found if path), None)
    if program is None:
        raise StoreMissing(f"no {name} here; Debian's package is postgresql")
    return program


def _ordinary_user(folder: Path) -> list[str]:
    """The prefix of a command that gives up being root; the folder is made theirs."""
    if os.getuid() != 0:
        return []
    nobody = pwd.getpwnam("nobody")
    os.chown(folder, nobody.pw_uid, nobody.pw_gid)
    folder.chmod(0o755)
    return ["setpriv", f"--reuid={nobody.pw_uid}", f"--regid={nobody.pw_gid}", "--clear-groups"]


@contextmanager
def _running(command: list[str]) -> Iterator["subprocess.Popen[bytes]"]:
    process = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)  # PostgreSQL would wait for its clients at SIGTERM
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_port(port: int) -> None:
    give_up = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < give_up:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise StoreMissing("the server did not start")


def family_cpu_s(ancestor: int) -> float:
    """Of a process and all its living descendants, with what their ended children used."""
    statuses = dict(_statuses())
    family, ticks = {ancestor}, 0
    for pid in sorted(statuses, key=lambda pid: (int(statuses[pid][19]), pid)):  # parents start before their children
        if pid == ancestor or int(statuses[pid][1]) in family:
            family.add(pid)
            ticks += sum(map(int, statuses[pid][11:15]))
    return ticks / TICKS_PER_S


def _statuses() -> Iterator[tuple[int, list[str]]]:
    """Of every process, the words of its `stat` behind its name."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            yield int(path.parent.name), path.read_text().rpartition(")")[2].split()
