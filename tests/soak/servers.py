"""Redis servers that a soak may kill and start again with their files."""

import subprocess
import threading
import time
from contextlib import suppress
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app.local_redis import NO_SERVER
from app.redis_binary import find_binary

START_TIMEOUT_S = 20.0


class Server:
    """One server on a socket below `home`, with a file that holds whatever was answered."""

    def __init__(self, home: Path, name: str, binary: Path | None = None) -> None:
        found = binary or find_binary()
        if found is None:
            raise FileNotFoundError(NO_SERVER)
        folder = home / name
        folder.mkdir()
        self._command = [
            str(found), "--port", "0", "--unixsocket", str(home / f"{name}.sock"), "--dir", str(folder),
            "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        self.url = f"unix://{home / name}.sock?db=0"
        self.client: redis.Redis = redis.Redis.from_url(
            self.url, protocol=2, socket_timeout=10, retry=Retry(NoBackoff(), 0)
        )
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Starts it and waits until it answers. Raises `TimeoutError`."""
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        give_up_s = time.monotonic() + START_TIMEOUT_S
        pause = threading.Event()
        while time.monotonic() < give_up_s:
            with suppress(redis.RedisError):
                self.client.ping()
                return
            pause.wait(0.01)
        raise TimeoutError("the server did not answer")

    def limit_memory(self, limit: int) -> None:
        """Sets `maxmemory`, in bytes; 0 is no limit."""
        # The connection that lies ready may have been cut.
        with suppress(redis.ConnectionError):
            self.client.ping()
        self.client.config_set("maxmemory", limit)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def close(self) -> None:
        self.client.close()
        self.kill()
