"""Brokers and workers in a namespace of their own, and ways to make their connections fail."""

import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.broker import Consumer
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import local_redis
from app.broker import RedisStreamsBroker

WAIT_S = 60.0


def fetch(consumer: Consumer, timeout_s: float = WAIT_S) -> Any:
    """The next message. A consumer may answer None at any time, so that Dramatiq can look up."""
    give_up_s = time.monotonic() + timeout_s
    while (message := next(consumer)) is None:
        assert time.monotonic() < give_up_s, "no message came"
    return message


MakeBroker = Callable[..., RedisStreamsBroker]
StartWorker = Callable[..., dramatiq.Worker]
Eventually = Callable[..., Any]


@pytest.fixture
def make_broker(redis_url: str, namespace: str) -> Iterator[MakeBroker]:
    """Brokers of one namespace, as so many processes would have; closed afterwards."""
    brokers = []

    def make(**options: Any) -> RedisStreamsBroker:
        settings = {"url": redis_url, "namespace": namespace, "lease_ms": 10_000, **options}
        broker = RedisStreamsBroker(**settings)
        broker.declare_queue("default")
        brokers.append(broker)
        return broker

    yield make
    for broker in brokers:
        broker.close()


@pytest.fixture
def broker(make_broker: MakeBroker) -> RedisStreamsBroker:
    return make_broker()


@pytest.fixture
def rare_looks(monkeypatch: pytest.MonkeyPatch) -> int:
    """A lease, ms, of workers whose next look is so far away that whatever they notice was told to them."""
    lease_ms = 600_000
    monkeypatch.setattr("app.broker.leases.SWEEP_INTERVAL_MS_MAX", lease_ms)
    return lease_ms


@pytest.fixture
def start_worker() -> Iterator[StartWorker]:
    """Real Dramatiq workers, stopped afterwards."""
    workers = []

    def start(broker: RedisStreamsBroker, *, threads: int = 2, timeout_ms: int = 100) -> dramatiq.Worker:
        worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=timeout_ms)
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        worker.stop(timeout=60_000)


@pytest.fixture
def eventually() -> Eventually:
    """Asks again until the answer is true; for what only the server knows and no signal tells."""

    def ask(question: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
        give_up_s = time.monotonic() + timeout_s
        pause = threading.Event()
        while not (answer := question()):
            assert time.monotonic() < give_up_s, "it never came true"
            pause.wait(0.01)
        return answer

    return ask


class PrivateServer:
    """A server of one test alone, which it may fill, stop and start again with its files."""

    def __init__(self, binary: Path, home: Path) -> None:
        self._socket = home / "private.sock"
        self._command = [
            str(binary), "--port", "0", "--unixsocket", str(self._socket), "--dir", str(home),
            "--appendonly", "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        self.url = f"unix://{self._socket}?db=0"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL)
        client = redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0))
        give_up_s = time.monotonic() + WAIT_S
        while time.monotonic() < give_up_s:
            with suppress(redis.RedisError):
                client.ping()
                break
            threading.Event().wait(0.01)
        client.close()

    def stop(self) -> None:
        """kill -9; what was answered is in the append-only file."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()


@pytest.fixture
def private_server() -> Iterator[PrivateServer]:
    binary = local_redis.find_binary()
    if binary is None:
        pytest.skip("no Redis server binary")
    # A path under pytest's own directory may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="stepstream-private-") as home:
        server = PrivateServer(binary, Path(home))
        server.start()
        yield server
        server.stop()


class Faults:
    """Which command fails: counted over all connections of one client, before or after its effect."""

    def __init__(self) -> None:
        self.at: int | None = None
        self.when = "before"
        self.seen = 0
        self.struck = False
        self._lock = threading.Lock()

    def strike(self, n: int, when: str) -> None:
        self.at, self.when, self.seen, self.struck = n, when, 0, False

    def due(self, when: str) -> bool:
        with self._lock:
            if self.at is None or when != self.when:
                return False
            self.seen += 1
            hit = self.seen == self.at
            self.struck = self.struck or hit
            return hit


class FaultyConnection(redis.UnixDomainSocketConnection):
    """A connection that breaks off before a command leaves, or after it was carried out."""

    faults: Faults
    _told = False

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._told and self.faults.due("before"):
            self.disconnect()
            raise redis.ConnectionError("broken off before the command")
        super().send_packed_command(command, check_health)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().read_response(*args, **kwargs)
        if self._told and self.faults.due("after"):
            self.disconnect()
            raise redis.ConnectionError("broken off after the command")
        return response

    def on_connect_check_health(self, check_health: bool = True) -> None:
        # The greeting of a new connection is not counted.
        self._told = False
        super().on_connect_check_health(check_health)
        self._told = True


@pytest.fixture
def faults() -> Faults:
    return Faults()


@pytest.fixture
def faulty_client(redis_url: str, faults: Faults) -> Iterator["redis.Redis"]:
    """A client whose connections obey `faults`; needs the server on a unix socket."""
    if not redis_url.startswith("unix://"):
        pytest.skip("the server does not listen on a unix socket")

    class Connection(FaultyConnection):
        pass

    Connection.faults = faults
    path = redis_url.removeprefix("unix://").partition("?")[0]
    pool = redis.ConnectionPool(Connection, path=path, protocol=2, retry=Retry(NoBackoff(), 0))
    client = redis.Redis.from_pool(pool)
    yield client
    client.close()
