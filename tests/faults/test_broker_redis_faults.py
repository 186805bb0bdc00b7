"""What can happen to a Redis server under an idle worker: it goes on by itself, and is quiet again afterwards."""

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
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import local_redis
from app.broker import RedisStreamsBroker

RECOVERY_S = 60.0
LOADED_KEYS = 400
#: Per key: so long that the server is seen while it loads, however slow the machine is; then it may hurry.
LOAD_DELAY_US = 20_000
LOADING_S = 0.8
#: Over half a second of idleness: one blocking read, its look beforehand, a sweep, a beat; a busy loop makes thousands.
IDLE_S = 0.5
IDLE_COMMANDS_MAX = 30
IDLE_CPU_S_MAX = 0.1
#: What follows a fault may still be under way when the first of them begins.
IDLE_LOOKS = 20


class Server:
    """A server that a test may harm: append-only, so that it forgets nothing over a kill."""

    def __init__(self, home: Path) -> None:
        binary = local_redis.find_binary()
        if binary is None:
            pytest.skip("no Redis server binary")
        self.url = f"unix://{home}/redis.sock?db=0"
        self._command = [
            str(binary), "--port", "0", "--unixsocket", f"{home}/redis.sock", "--dir", str(home), "--appendonly",
            "yes", "--appendfsync", "always", "--save", "", "--maxmemory-policy", "noeviction",
        ]  # fmt: skip
        self.client = redis.Redis.from_url(self.url, retry=Retry(NoBackoff(), 0))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, *options: str) -> None:
        self._process = subprocess.Popen([*self._command, *options], stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def await_answer(self, expected: type[Exception] | None = None) -> None:
        """Until PING is answered, or refused in the expected way."""
        give_up_s = time.monotonic() + RECOVERY_S
        while time.monotonic() < give_up_s:
            try:
                self.client.ping()
            except redis.RedisError as error:
                if expected and isinstance(error, expected):
                    return
            else:
                assert expected is None, "it was too quick to be seen"
                return
            threading.Event().wait(0.005)
        raise AssertionError("the server did not come up")

    def calls(self) -> int:
        return sum(row["calls"] for row in self.client.info("commandstats").values())


@pytest.fixture
def server() -> Iterator[Server]:
    # A path under pytest's own directory may be too long for a socket.
    with tempfile.TemporaryDirectory(prefix="stepstream-faults-") as home:
        server = Server(Path(home))
        server.start()
        server.await_answer()
        yield server
        server.client.close()
        server.kill()


def restart(server: Server) -> None:
    server.kill()
    server.start()
    server.await_answer()


def load_slowly(server: Server) -> None:
    """Answers LOADING for most of a second before it is there again."""
    pipeline = server.client.pipeline(transaction=False)
    for number in range(LOADED_KEYS):
        pipeline.set(f"ballast:{number}", "x" * 2_000)
    pipeline.execute()
    server.client.bgrewriteaof()
    give_up_s = time.monotonic() + RECOVERY_S
    while (
        server.client.info("persistence")["aof_rewrite_in_progress"]
        or (server.client.info("persistence")["aof_rewrite_scheduled"])
    ):
        assert time.monotonic() < give_up_s
        threading.Event().wait(0.01)
    server.kill()
    server.start("--key-load-delay", str(LOAD_DELAY_US), "--loading-process-events-interval-bytes", "1024")
    server.await_answer(redis.BusyLoadingError)
    threading.Event().wait(LOADING_S)
    server.client.config_set("key-load-delay", 0)
    server.await_answer()


def read_only(server: Server) -> None:
    """A replica for a while, as after a failover that went the other way."""
    server.client.replicaof("127.0.0.1", 1)
    threading.Event().wait(0.5)
    server.client.replicaof("NO", "ONE")


def destroy_groups(server: Server) -> None:
    for key in server.client.scan_iter(match="*:q:*"):
        server.client.xgroup_destroy(key, "default")


def cut_everyone(server: Server) -> None:
    for kind in ("normal", "pubsub"):
        server.client.client_kill_filter(_type=kind, skipme=True)


def flush_everything(server: Server) -> None:
    server.client.flushall()


def forget_scripts(server: Server) -> None:
    server.client.script_flush()


def drop_streams(server: Server) -> None:
    for key in server.client.scan_iter(match="*:q:*"):
        server.client.delete(key)


FAULTS = [
    restart,
    load_slowly,
    read_only,
    destroy_groups,
    cut_everyone,
    flush_everything,
    forget_scripts,
    drop_streams,
]


@pytest.fixture
def ran() -> Any:
    return threading.Semaphore(0)


@pytest.fixture
def working(server: Server, ran: Any) -> Iterator[Any]:
    """A worker at rest that has done some work, and the actor it works for."""
    broker = RedisStreamsBroker(server.url, namespace="faults", lease_ms=3_000)
    actor = dramatiq.actor(ran.release, actor_name="act", broker=broker)
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=500)
    worker.start()
    for delay in (None, 20):
        actor.send_with_options(delay=delay)
        assert ran.acquire(timeout=RECOVERY_S)
    broker.join("default", timeout=int(RECOVERY_S * 1000))
    yield actor
    with suppress(redis.RedisError):
        worker.stop(timeout=60_000)
    broker.close()


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_a_worker_gets_over_it(server: Server, working: Any, ran: Any, fault: Callable[[Server], None]) -> None:
    """After the fault, new messages and delayed ones are run as before, and an idle worker asks for next to nothing."""
    fault(server)

    working.send()
    assert ran.acquire(timeout=RECOVERY_S)
    working.send_with_options(delay=50)
    assert ran.acquire(timeout=RECOVERY_S)

    working.broker.join("default", timeout=int(RECOVERY_S * 1000))
    assert any(at_rest(server) for _ in range(IDLE_LOOKS)), "it does not come to rest"
    assert not ran.acquire(blocking=False)


def at_rest(server: Server) -> bool:
    """Whether server and worker had next to nothing to do for a moment."""
    calls, cpu_s = server.calls(), time.process_time()
    threading.Event().wait(IDLE_S)
    return server.calls() - calls <= IDLE_COMMANDS_MAX and time.process_time() - cpu_s <= IDLE_CPU_S_MAX


SLOW = [pytest.param(fault, marks=pytest.mark.full) for fault in (load_slowly, read_only)]


@pytest.mark.parametrize("fault", [restart, cut_everyone, forget_scripts, *SLOW])
def test_messages_under_way_survive_it(server: Server, ran: Any, fault: Callable[[Server], None]) -> None:
    """Messages wait, are delayed, run and fail while it happens: each is done in the end, and nothing is left."""
    broker = RedisStreamsBroker(server.url, namespace="faults", lease_ms=3_000)
    began, gate, failed = threading.Semaphore(0), threading.Event(), set()

    def work(number: int) -> None:
        if number not in failed:
            failed.add(number)
            began.release()
            gate.wait(RECOVERY_S)
            raise RuntimeError("the first run fails")
        ran.release()

    actor = dramatiq.actor(work, actor_name="work", broker=broker, min_backoff=1, max_backoff=5)
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=200)
    worker.start()
    for number in range(10):
        actor.send_with_options(args=(number,), delay=300 if number > 6 else None)
    assert began.acquire(timeout=RECOVERY_S)
    assert began.acquire(timeout=RECOVERY_S)

    harm = threading.Thread(target=fault, args=(server,))
    harm.start()
    gate.set()
    harm.join()

    assert all(ran.acquire(timeout=RECOVERY_S) for _ in range(10))
    broker.join("default", timeout=int(RECOVERY_S * 1000))
    assert not ran.acquire(blocking=False)
    worker.stop(timeout=60_000)
    broker.close()
