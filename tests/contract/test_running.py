"""Workers while they run and when they stop: async actors, rate limits, shutdown."""

import asyncio
import threading
from typing import Any

import dramatiq
import redis
from dramatiq.middleware import AsyncIO, CurrentMessage, ShutdownNotifications
from dramatiq.middleware.shutdown import Shutdown
from dramatiq.rate_limits import ConcurrentRateLimiter
from dramatiq.rate_limits.backends import RedisBackend as RateLimits

from tests.contract.subjects import JOIN_MS, Eventually, StartWorker, Subjects


def test_async_actors_run_on_one_loop(broker: Any, start_worker: StartWorker) -> None:
    """Two coroutines wait for each other, which only works on one event loop; a failing one is retried."""
    broker.add_middleware(AsyncIO())
    ran: list[str] = []
    met = [asyncio.Event(), asyncio.Event()]

    @dramatiq.actor(broker=broker, min_backoff=1, max_backoff=1)
    async def meet(here: int) -> None:
        met[here].set()
        await asyncio.wait_for(met[1 - here].wait(), 10)
        ran.append("met")
        if len(ran) == 1:
            raise RuntimeError("again")

    start_worker(broker, threads=2)
    meet.send(0)
    meet.send(1)
    broker.join("default", timeout=JOIN_MS)

    assert ran == ["met"] * 3


def test_an_actor_sees_its_message(broker: Any, start_worker: StartWorker) -> None:
    """`CurrentMessage` hands out the message that runs, and None elsewhere."""
    broker.add_middleware(CurrentMessage())
    seen: list[Any] = []

    @dramatiq.actor(broker=broker)
    def look() -> None:
        seen.append(CurrentMessage.get_current_message().message_id)

    start_worker(broker)
    sent = look.send()
    broker.join("default", timeout=JOIN_MS)

    assert seen == [sent.message_id]
    assert CurrentMessage.get_current_message() is None


def test_a_rate_limit_holds_messages_back(
    broker: Any, ledger: "redis.Redis", namespace: str, subjects: Subjects, start_worker: StartWorker
) -> None:
    """At most one at a time; those refused are retried until all have run."""
    mutex = ConcurrentRateLimiter(RateLimits(client=ledger), f"{{{namespace}:limit}}", limit=1)
    inside, most, ran = [0], [0], []

    @dramatiq.actor(broker=broker, min_backoff=5, max_backoff=20, max_retries=1_000)
    def alone(number: int) -> None:
        with mutex.acquire():
            inside[0] += 1
            most[0] = max(most[0], inside[0])
            threading.Event().wait(0.01)
            inside[0] -= 1
        ran.append(number)

    start_worker(broker, threads=4)
    for number in range(6):
        alone.send(number)
    broker.join("default", timeout=JOIN_MS)

    assert sorted(ran) == list(range(6))
    assert (most, subjects.dead(broker)) == ([1], 0)


def test_stopping_lets_the_running_message_end(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """`stop` waits for what runs and acknowledges it."""
    began, ended = threading.Event(), threading.Event()

    @dramatiq.actor(broker=broker)
    def slow() -> None:
        began.set()
        threading.Event().wait(0.2)
        ended.set()

    worker = start_worker(broker)
    slow.send()
    began.wait(60)
    worker.stop()

    assert ended.is_set()
    assert subjects.unfinished(broker) == 0


def test_what_a_stopped_worker_did_not_begin_runs_elsewhere(subjects: Subjects, start_worker: StartWorker) -> None:
    """Fetched and not begun: handed back at once, run by another worker, each message exactly once."""
    one, other = subjects.make(), subjects.make()
    began, gate = threading.Event(), threading.Event()
    ran: list[int] = []

    def work(number: int) -> None:
        began.set()
        gate.wait(60)
        ran.append(number)

    actors = [dramatiq.actor(work, actor_name="work", broker=broker) for broker in (one, other)]
    worker = start_worker(one, threads=1)
    for number in range(5):
        actors[0].send(number)
    began.wait(60)
    stopper = threading.Thread(target=worker.stop)
    stopper.start()
    gate.set()
    stopper.join(10)
    start_worker(other, threads=1)
    other.join("default", timeout=JOIN_MS)

    assert sorted(ran) == list(range(5))


def test_delayed_messages_survive_a_stop(subjects: Subjects, start_worker: StartWorker) -> None:
    """What waits for its time when a worker stops is run by the next one."""
    one, other = subjects.make(), subjects.make()
    ran: list[str] = []
    actors = [dramatiq.actor(ran.append, actor_name="put", broker=broker) for broker in (one, other)]
    worker = start_worker(one)

    actors[0].send("now")
    actors[0].send_with_options(args=("later",), delay=300)
    while not ran:
        threading.Event().wait(0.01)
    worker.stop()
    start_worker(other)
    other.join("default", timeout=JOIN_MS)

    assert ran == ["now", "later"]


def test_a_running_actor_hears_of_the_shutdown(
    subjects: Subjects, start_worker: StartWorker, eventually: Eventually
) -> None:
    """`notify_shutdown` interrupts it; the message is retried by the next worker."""
    options = [ShutdownNotifications(notify_shutdown=True), dramatiq.middleware.Retries(min_backoff=1, max_backoff=1)]
    one, other = (subjects.make(middleware=list(options)) for _ in range(2))
    began, ended = threading.Event(), []

    def work() -> None:
        if began.is_set():
            ended.append("done")
            return
        began.set()
        try:
            for _ in range(10_000):
                threading.Event().wait(0.001)
        except Shutdown:
            ended.append("interrupted")
            raise

    actors = [dramatiq.actor(work, actor_name="work", broker=broker) for broker in (one, other)]
    worker = start_worker(one, threads=1)
    actors[0].send()
    began.wait(60)
    worker.stop()
    start_worker(other)
    other.join("default", timeout=JOIN_MS)

    assert ended == ["interrupted", "done"]
    assert subjects.dead(other) == 0
