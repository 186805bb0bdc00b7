"""
Where the two brokers differ on purpose: by name, with the reason, each shown by a test of both.

Everything else in this folder is the same behaviour run twice.
"""

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import BrokerError, ConnectionClosed
from dramatiq.middleware import Middleware

from app.broker import Release
from tests.contract.subjects import JOIN_MS, KINDS, Eventually, StartWorker, Subjects

DIFFERENCES = {
    "no delay queue": "Delays wait on the server; there is no queue `.DQ`, and none of its signals and threads.",
    "delayed copy": "A delayed message is written in its final form: the copy has neither an eta nor another queue.",
    "place in the queue": "A message that is handed back keeps its place; the stock broker puts it behind all others.",
    "failing after-hook": "A hook that raises after a message leaves it undecided: it is run again, where the stock "
    "broker acknowledges what may have no successor.",
    "redis away": "`enqueue` repeats for a while and raises Dramatiq's `ConnectionClosed`, not an error of the driver.",
    "large message": "A message above `message_bytes_max` is refused when it is sent; the stock broker takes any.",
    "message priority": "`broker_priority` chooses among three levels on the server; the stock broker has one list.",
    "handing back": "An actor that raises `Release` gives its message back uncounted; stock counts a retry.",
}

Observe = Callable[[Subjects, StartWorker, Eventually], Any]
SHOWN: dict[str, tuple[Observe, Any, Any]] = {}


def shows(name: str, *, stock: Any, streams: Any) -> Callable[[Observe], Observe]:
    """Registers what is observed on each broker for one named difference."""

    def register(observe: Observe) -> Observe:
        SHOWN[name] = (observe, stock, streams)
        return observe

    return register


@shows("no delay queue", stock={"default.DQ"}, streams=set())
def delay_queues(subjects: Subjects, _worker: StartWorker, _eventually: Eventually) -> Any:
    return subjects.make().get_declared_delay_queues()


@shows("delayed copy", stock=("default.DQ", True), streams=("default", False))
def delayed_copy(subjects: Subjects, _worker: StartWorker, _eventually: Eventually) -> Any:
    broker = subjects.make()
    sent = dramatiq.actor(lambda: None, actor_name="put", broker=broker).send_with_options(delay=60_000)
    return sent.queue_name, "eta" in sent.options


@shows("place in the queue", stock=[2, 0, 1], streams=[0, 1, 2])
def place_after_requeue(subjects: Subjects, _worker: StartWorker, eventually: Eventually) -> Any:
    broker = subjects.make()
    put = dramatiq.actor(lambda _: None, actor_name="put", broker=broker)
    for number in range(3):
        put.send(number)
    consumer = broker.consume("default", prefetch=2, timeout=20)
    fetched = [eventually(lambda: next(consumer)) for _ in range(2)]
    consumer.requeue(fetched)
    consumer.close()
    other = subjects.make().consume("default", prefetch=3, timeout=20)
    return [eventually(lambda: next(other)).args[0] for _ in range(3)]


@shows("failing after-hook", stock=1, streams=2)
def runs_with_a_failing_hook(subjects: Subjects, start_worker: StartWorker, _eventually: Eventually) -> Any:
    class FailsOnce(Middleware):
        failed = False

        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            if not self.failed:
                self.failed = True
                raise RuntimeError("a bug")

    broker = subjects.make(lease_ms=300)
    broker.add_middleware(FailsOnce())
    runs: list[str] = []
    put = dramatiq.actor(runs.append, actor_name="put", broker=broker)
    start_worker(broker)
    put.send("run")
    broker.join("default", timeout=JOIN_MS)
    return len(runs)


@shows("redis away", stock="ConnectionError", streams="ConnectionClosed")
def error_while_redis_is_away(subjects: Subjects, _worker: StartWorker, _eventually: Eventually) -> Any:
    options = {} if subjects.is_stock else {"send_patience_ms": 50}
    away = Subjects(subjects.kind, "redis://127.0.0.1:1/0", subjects.namespace)
    broker = away.make(**options)
    if subjects.is_stock:
        type(broker)._max_unpack_size_val = type(broker)._max_unpack_size_val or 4_000
    put = dramatiq.actor(lambda: None, actor_name="put", broker=broker)
    try:
        put.send()
    except (ConnectionClosed, OSError, dramatiq.brokers.redis.redis.RedisError) as error:
        return type(error).__name__
    finally:
        away.close()


@shows("large message", stock="sent", streams="MessageTooLarge")
def fate_of_two_megabytes(subjects: Subjects, _worker: StartWorker, _eventually: Eventually) -> Any:
    put = dramatiq.actor(lambda _: None, actor_name="put", broker=subjects.make())
    try:
        put.send("x" * 2_000_000)
    except BrokerError as error:
        return type(error).__name__
    return "sent"


@shows("message priority", stock=["low", "high"], streams=["high", "low"])
def order_of_two_priorities(subjects: Subjects, start_worker: StartWorker, _eventually: Eventually) -> Any:
    broker = subjects.make()
    ran: list[str] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)
    put.send_with_options(args=("low",), broker_priority=9)
    put.send_with_options(args=("high",), broker_priority=0)
    start_worker(broker, threads=1)
    broker.join("default", timeout=JOIN_MS)
    return ran


@shows("handing back", stock=[0, 1], streams=[0, 0])
def retries_counted_for_a_release(subjects: Subjects, start_worker: StartWorker, _eventually: Eventually) -> Any:
    broker = subjects.make()
    broker.add_middleware(dramatiq.middleware.CurrentMessage())
    counts: list[int] = []

    @dramatiq.actor(broker=broker, min_backoff=1, max_backoff=1)
    def hand_back() -> None:
        counts.append(dramatiq.middleware.CurrentMessage.get_current_message().options.get("retries", 0))
        if len(counts) == 1:
            raise Release

    start_worker(broker)
    hand_back.send()
    broker.join("default", timeout=JOIN_MS)
    return counts


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", DIFFERENCES)
def test_each_named_difference_is_there(
    name: str,
    kind: str,
    subjects_of: Callable[[str], Subjects],
    start_worker: StartWorker,
    eventually: Eventually,
) -> None:
    """What the table says is what one observes, on both brokers."""
    observe, stock, streams = SHOWN[name]

    seen = observe(subjects_of(kind), start_worker, eventually)

    assert seen == (stock if kind == "stock" else streams)
    assert threading.active_count() < 100
