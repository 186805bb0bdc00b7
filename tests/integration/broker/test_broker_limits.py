"""What is refused, and that refusing never stands in the way of what was accepted."""

import threading
import time
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import BrokerConnectionError

from app.broker import MessageTooLarge, QueueAdmin, QueueFull, RedisFull, RedisStreamsBroker
from tests.integration.broker.conftest import Faults, MakeBroker, PrivateServer, StartWorker


def nothing(broker: RedisStreamsBroker, **options: Any) -> Any:
    return dramatiq.actor(lambda *args: None, actor_name="nothing", broker=broker, **options)


def held(broker: RedisStreamsBroker) -> int:
    return broker.admin.stats("default").unfinished


def test_a_full_queue_refuses_and_says_so(make_broker: MakeBroker) -> None:
    """The message above `backlog_max` is not added, whatever its level or delay; it is no connection error."""
    broker = make_broker(backlog_max=3)
    actor = nothing(broker)
    actor.send_with_options(broker_priority=0)
    actor.send_with_options(broker_priority=9)
    actor.send_with_options(delay=60_000)

    for options in ({}, {"broker_priority": 0}, {"delay": 60_000}):
        with pytest.raises(QueueFull, match="default is full: it may hold 3 messages") as refused:
            actor.send_with_options(**options)

    assert not isinstance(refused.value, BrokerConnectionError)
    assert held(broker) == 3


def test_a_batch_that_does_not_fit_is_refused_as_a_whole(make_broker: MakeBroker) -> None:
    """Two places are left and three messages come: none is added, and two are taken afterwards."""
    broker = make_broker(backlog_max=5)
    actor = nothing(broker)
    broker.enqueue_many([actor.message() for _ in range(3)])

    with pytest.raises(QueueFull):
        broker.enqueue_many([actor.message() for _ in range(3)])
    broker.enqueue_many([actor.message() for _ in range(2)])

    assert held(broker) == 5


def test_one_full_queue_does_not_close_another(make_broker: MakeBroker) -> None:
    """Limits are per queue."""
    broker = make_broker(backlog_max=1)
    nothing(broker).send()
    other = dramatiq.actor(lambda: None, actor_name="other", queue_name="other", broker=broker)

    other.send()

    assert broker.admin.stats("other").waiting == 1


@pytest.mark.parametrize("when", ["before", "after"])
def test_the_call_that_fills_the_queue_may_be_repeated(
    make_broker: MakeBroker, faulty_client: "redis.Redis", faults: Faults, when: str
) -> None:
    """The reply of the last accepted message gets lost: sent again it is still accepted, and still one."""
    broker = make_broker(client=faulty_client, backlog_max=2)
    actor = nothing(broker)
    actor.send()

    faults.strike(1, when)
    actor.send()

    assert faults.struck
    assert held(broker) == 2


def test_a_retry_enters_a_full_queue(make_broker: MakeBroker, start_worker: StartWorker) -> None:
    """What follows from a message is never refused: the failed one is retried although others filled the queue."""
    broker = make_broker(backlog_max=2)
    filled, ran = threading.Event(), []

    def work(name: str) -> None:
        ran.append(name)
        if name == "fails" and ran.count(name) == 1:
            assert filled.wait(60)
            raise RuntimeError("again")

    actor = dramatiq.actor(work, actor_name="work", broker=broker, min_backoff=1, max_backoff=5)
    actor.send("fails")
    start_worker(broker, threads=1)
    while "fails" not in ran:
        threading.Event().wait(0.01)
    actor.send("other")
    with pytest.raises(QueueFull):
        actor.send("refused")
    filled.set()
    broker.join("default", timeout=60_000)

    assert sorted(ran) == ["fails", "fails", "other"]


def test_a_message_that_is_too_large_is_refused(make_broker: MakeBroker) -> None:
    """Counted as encoded; nothing of a batch is added when one member is too large."""
    broker = make_broker(message_bytes_max=1_000)
    actor = nothing(broker)
    actor.send("x" * 500)

    with pytest.raises(MessageTooLarge, match="1000 are allowed"):
        actor.send("x" * 1_000)
    with pytest.raises(MessageTooLarge):
        broker.enqueue_many([actor.message("x"), actor.message("x" * 1_000)])

    assert held(broker) == 1


def test_a_redis_over_its_memory_limit_refuses_at_once(private_server: PrivateServer, make_broker: MakeBroker) -> None:
    """The caller is told in the first answer, not after its patience; when there is memory again, it goes on."""
    broker = make_broker(url=private_server.url, send_patience_ms=30_000)
    actor = nothing(broker)
    actor.send()
    broker.client.config_set("maxmemory", 1)
    began_s = time.monotonic()

    with pytest.raises(RedisFull, match="maxmemory"):
        actor.send()
    took_s = time.monotonic() - began_s
    broker.client.config_set("maxmemory", 0)
    actor.send()

    assert took_s < 15
    assert QueueAdmin(broker.client, broker.namespace).stats("default").waiting == 2
