"""A Redis with the configuration and the users of `deploy/redis`, and the way of each process into it."""

import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import pytest
import redis

from app.redis_binary import find_binary

SHIPPED = Path(__file__).parent.parent / "deploy" / "redis"
USERS = ("api", "worker", "operator", "metrics", "replica", "sentinel", "admin")
#: Set where tests run against such a Redis: then each process logs in as its own user, with this password.
PASSWORD_VARIABLE = "STEPSTREAM_TEST_REDIS_PASSWORD"


def as_user(url: str, user: str) -> str:
    """The url for a process of that kind: the same where the Redis of the tests has no users."""
    password = os.environ.get(PASSWORD_VARIABLE)
    return logged_in(url, user, password) if password else url


def logged_in(url: str, user: str, password: str) -> str:
    parts = urlsplit(url)
    where = parts.netloc.rpartition("@")[2]
    return urlunsplit(parts._replace(netloc=f"{user}:{quote(password, safe='')}@{where}"))


@dataclass(frozen=True)
class GuardedRedis:
    """A server that runs with what is shipped."""

    port: int
    password: str

    def url(self, user: str) -> str:
        return logged_in(f"redis://127.0.0.1:{self.port}/0", user, self.password)

    def client(self, user: str) -> "redis.Redis":
        client: redis.Redis = redis.Redis.from_url(self.url(user), protocol=2, socket_timeout=60)
        return client

    def denied(self) -> list[dict[str, object]]:
        """What users were refused, as the server's log has it."""
        with self.client("admin") as client:
            # A wrong password is no missing rule.
            return [entry for entry in client.acl_log() if entry["reason"] != "auth"]


def made_users(folder: Path, password: str, namespace: str) -> Path:
    """The shipped users with a password, as its script makes them."""
    passwords = {f"{user.upper()}_PASSWORD": password for user in USERS}
    made = subprocess.run(
        [SHIPPED / "set-passwords", SHIPPED / "users.acl"],
        env={**os.environ, **passwords, "STEPSTREAM_NAMESPACE": namespace},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    path = folder / "users.acl"
    path.write_text(made.stdout)
    return path


@contextmanager
def guarded_redis(
    binary: Path, folder: Path, port: int, namespace: str = "stepstream", options: Sequence[str] = ()
) -> Iterator[GuardedRedis]:
    """Runs `binary` with the shipped files and further options."""
    server = GuardedRedis(port, password="p:ss/w@rd")
    users = made_users(folder, server.password, namespace)
    # A copy: Sentinels have a server write its role into its configuration.
    conf = shutil.copy(SHIPPED / "redis.conf", folder)
    command = [str(binary), str(conf), "--port", str(port), "--bind", "127.0.0.1"]
    with (folder / "server.log").open("wb") as log:
        more = ["--aclfile", str(users), "--dir", str(folder), *options]
        process = subprocess.Popen([*command, *more], stdout=log, stderr=log)
    try:
        _wait_ready(server, process, folder / "server.log")
        yield server
    finally:
        process.terminate()
        process.wait(timeout=120)


def _wait_ready(server: GuardedRedis, process: "subprocess.Popen[bytes]", log: Path) -> None:
    from tests.deployment import wait_for  # it imports this module

    def answers() -> bool:
        assert process.poll() is None, log.read_text()
        try:
            with server.client("admin") as client:
                return bool(client.ping())
        except redis.ConnectionError:
            return False

    wait_for(answers, "the server does not answer")


def debian_redis() -> Path:
    """The `redis-server` of the system; CI must have it."""
    found = shutil.which("redis-server")
    if found is None:
        if os.environ.get("CI"):
            pytest.fail("CI must bring a redis-server")
        pytest.skip("no redis-server on PATH")
    return Path(found)


def bundled_valkey() -> Path:
    found = find_binary()
    if found is None:
        pytest.skip("no Redis server binary")
    return found
