"""Interrupts, crashes and bad messages: defects of the stock broker that end workers, double or strand messages."""

import subprocess
import sys
import threading
import time
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.middleware import Middleware, TimeLimitExceeded
from dramatiq.middleware.threading import raise_thread_exception
from redis.crc import key_slot

from tests.contract.subjects import JOIN_MS, Eventually, StartWorker, Subjects

LEASE_MS = 400
CRASHES = 5


def interrupt_here() -> None:
    """A time limit that strikes this thread at this place, exactly as Dramatiq's watcher strikes."""
    raise_thread_exception(threading.get_ident(), TimeLimitExceeded)
    give_up_s = time.monotonic() + 60
    while time.monotonic() < give_up_s:
        threading.get_ident()


class LateInterrupt(Middleware):
    """Interrupts the first messages at one signal after their actor has returned."""

    def __init__(self, signal: str, times: int) -> None:
        self._left = times
        self._lock = threading.Lock()
        setattr(self, signal, self._strike)

    def _strike(self, broker: Any, message: Any, **_outcome: Any) -> None:
        # The stock broker acknowledges in a consumer thread too, what it had delayed.
        if not isinstance(threading.current_thread(), dramatiq.worker.WorkerThread):
            return
        with self._lock:
            self._left -= 1
            strikes = self._left >= 0
        if strikes:
            interrupt_here()


@pytest.fixture
def _quiet_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thread that dies of an interrupt is what these tests are about; it is no accident of the test."""
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)


@pytest.mark.usefixtures("_quiet_threads")
@pytest.mark.parametrize("signal", ["after_process_message", "before_ack"])
def test_a_late_interrupt_costs_neither_message_nor_thread(
    subjects: Subjects, start_worker: StartWorker, eventually: Eventually, signal: str
) -> None:
    """Two time limits strike after the actor: stock's two threads end, and nobody runs the next message."""
    broker = subjects.make(lease_ms=LEASE_MS)
    broker.add_middleware(LateInterrupt(signal, times=2))
    ran: list[str] = []

    @dramatiq.actor(actor_name="act", broker=broker, min_backoff=1, max_backoff=1)
    def act(name: str) -> None:
        ran.append(name)
        if ran.count(name) == 1 and name != "next":
            raise RuntimeError("once")

    worker = start_worker(broker, threads=2)
    act.send("one")
    act.send("two")
    eventually(lambda: {"one", "two"} <= set(ran))
    if subjects.is_stock:
        eventually(lambda: not any(thread.is_alive() for thread in worker.workers))
    act.send("next")

    if subjects.is_stock:
        threading.Event().wait(0.5)
        assert sorted(ran) == ["one", "two"]
    else:
        broker.join("default", timeout=JOIN_MS)
        assert set(ran) == {"one", "two", "next"}
        assert min(ran.count("one"), ran.count("two")) >= 2
        assert sum(thread.is_alive() for thread in worker.workers) == 2


class Crash(BaseException):
    """Stands for the death of the process: nothing after it is executed."""


class CrashBeforeAck(Middleware):
    """Dies between what the hooks enqueued and the acknowledgement."""

    def before_ack(self, broker: Any, message: Any) -> None:
        raise Crash


class _NoQueue:
    def task_done(self) -> None:
        return


class _Post:
    """The part of Dramatiq's consumer thread that a worker thread calls when it is done."""

    def __init__(self, broker: Any) -> None:
        self.broker = broker

    def post_process_message(self, message: Any) -> None:
        self.broker.emit_before("ack", message)


def run_and_crash(broker: Any, eventually: Eventually) -> None:
    """Takes one message, runs it and dies before it is acknowledged."""
    consumer = broker.consume("default", prefetch=1, timeout=20)
    message = eventually(lambda: next(consumer))
    thread = dramatiq.worker.WorkerThread(
        broker=broker, consumers={"default": _Post(broker)}, work_queue=_NoQueue(), worker_timeout=1
    )
    with pytest.raises(Crash):
        thread.process_message(message)


def test_a_crash_between_retry_and_acknowledgement_doubles_nothing(
    subjects: Subjects, start_worker: StartWorker, eventually: Eventually
) -> None:
    """Stock writes the retry, then acknowledges: after a crash between the two there are two messages."""
    one, other = subjects.make(lease_ms=LEASE_MS), subjects.make(lease_ms=LEASE_MS)
    one.add_middleware(CrashBeforeAck())
    ended: list[str] = []
    failing = [True]

    def act() -> None:
        if failing[0]:
            raise RuntimeError("once")
        ended.append("done")

    actors = [dramatiq.actor(act, actor_name="act", broker=b, min_backoff=1, max_backoff=1) for b in (one, other)]
    actors[0].send()
    run_and_crash(one, eventually)
    failing[0] = False

    start_worker(other)
    other.join("default", timeout=JOIN_MS)
    if subjects.is_stock:
        eventually(lambda: len(ended) == 2)

    assert len(ended) == (2 if subjects.is_stock else 1)


def test_a_message_that_kills_its_workers_is_put_aside(
    subjects: Subjects, ledger: "redis.Redis", namespace: str
) -> None:
    """Stock gives it to the next worker for ever; here its third death makes it a dead letter."""
    broker = subjects.make(lease_ms=LEASE_MS)
    kill = dramatiq.actor(lambda: None, actor_name="kill", broker=broker)
    kill.send()
    deaths = 0
    command = [sys.executable, "-m", "tests.contract.crash_program"]
    for _ in range(CRASHES):
        worker = subprocess.Popen([*command, subjects.kind, subjects.url, namespace, str(LEASE_MS)])
        deaths += wait_for_end(worker, until=lambda: subjects.dead(broker))
        if subjects.dead(broker):
            break

    assert deaths == (CRASHES if subjects.is_stock else 3)
    assert subjects.dead(broker) == (0 if subjects.is_stock else 1)
    assert subjects.unfinished(broker) == (1 if subjects.is_stock else 0)


def wait_for_end(worker: "subprocess.Popen[bytes]", until: Any) -> bool:
    """Whether the process died of its message; it is ended when there is nothing to die of any more."""
    give_up_s = time.monotonic() + 120
    pause = threading.Event()
    while worker.poll() is None and not until() and time.monotonic() < give_up_s:
        pause.wait(0.02)
    died = worker.poll() == 9
    worker.kill()
    worker.wait()
    return died


def test_no_script_walks_through_all_keys(
    subjects: Subjects, ledger: "redis.Redis", start_worker: StartWorker, eventually: Eventually
) -> None:
    """Looking for dead workers, stock calls KEYS, which blocks the server for as long as it has keys."""
    one, other = subjects.make(lease_ms=100), subjects.make(lease_ms=100)
    actors = [dramatiq.actor(lambda: None, actor_name="act", broker=broker) for broker in (one, other)]
    actors[0].send()
    consumer = one.consume("default", prefetch=1, timeout=20)
    eventually(lambda: next(consumer))
    before = calls_of(ledger, "keys")

    start_worker(other)
    other.join("default", timeout=JOIN_MS)
    if subjects.is_stock:
        eventually(lambda: calls_of(ledger, "keys") > before)

    assert (calls_of(ledger, "keys") > before) is subjects.is_stock


def calls_of(client: "redis.Redis", command: str) -> int:
    return int(client.info("commandstats").get(f"cmdstat_{command}", {}).get("calls", 0))


def test_every_key_lies_in_one_cluster_slot(
    subjects: Subjects, start_worker: StartWorker, ledger: "redis.Redis"
) -> None:
    """Stock builds keys in its script from an untagged name: they lie in many slots, which no cluster accepts."""
    broker = subjects.make()
    if subjects.is_stock:
        broker.namespace = f"{subjects.namespace}-stock"
    act = dramatiq.actor(lambda: None, actor_name="act", broker=broker)
    act.send()
    act.send_with_options(delay=3_600_000)
    broker.enqueue(act.message().copy(actor_name="nobody"))
    start_worker(broker)
    pause = threading.Event()
    while not subjects.dead(broker):
        pause.wait(0.02)

    keys = [key.decode() for key in ledger.scan_iter(match=f"*{subjects.namespace}*", count=1000)]
    broker.flush_all()

    assert len(keys) >= 5
    assert (len({key_slot(key.encode()) for key in keys}) == 1) is not subjects.is_stock
