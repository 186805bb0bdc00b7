"""Messages on their way in: once each, in their level, at their time."""

import multiprocessing
import os
import threading
import time
from typing import Any

import dramatiq
import pytest
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.broker import Level, QueueAdmin, QueueFull, RedisStreamsBroker
from app.broker.delays import SLEEP_MS_MAX
from tests.integration.broker.conftest import Eventually, Faults, MakeBroker, StartWorker, fetch


def nothing(broker: RedisStreamsBroker, **options: Any) -> Any:
    return dramatiq.actor(lambda *args: None, actor_name="nothing", broker=broker, **options)


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_broken_connection_loses_or_doubles_a_message(
    make_broker: MakeBroker, faulty_client: "redis.Redis", faults: Faults, when: str
) -> None:
    """The n-th exchange with the server fails, for n = 1, 2, 3 until none does: always ten messages."""
    broker = make_broker(client=faulty_client)
    actor = nothing(broker)
    admin = QueueAdmin(broker.client, broker.namespace)

    for n in range(1, 50):
        broker.client.script_flush()
        faults.strike(n, when)
        broker.enqueue_many([actor.message(i) for i in range(5)])
        broker.enqueue_many([actor.message(i) for i in range(5)], delay=60_000)
        faults.at = None
        counted = admin.stats("default")
        broker.flush("default")
        assert (counted.waiting, counted.delayed) == (5, 5), n
        if not faults.struck:
            break
    assert 2 < n < 50


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_broken_connection_loses_or_doubles_one_of_many_single_sends(
    make_broker: MakeBroker, faulty_client: "redis.Redis", faults: Faults, when: str
) -> None:
    """The same for messages sent one by one, most of which go the short way, also after the server forgot it."""
    broker = make_broker(client=faulty_client)
    actor = nothing(broker)
    admin = QueueAdmin(broker.client, broker.namespace)

    for n in range(1, 50):
        broker.client.script_flush()
        faults.strike(n, when)
        for i in range(5):
            actor.send(i)
        faults.at = None
        counted = admin.stats("default").waiting
        broker.flush("default")
        assert counted == 5, n
        if not faults.struck:
            break
    assert n > 5


def test_a_sender_whom_the_server_forgot_is_still_exact(
    make_broker: MakeBroker, faulty_client: "redis.Redis", faults: Faults, redis_client: "redis.Redis"
) -> None:
    """Its counter is gone, by a failover say, and the reply of the next call gets lost: one message all the same."""
    broker = make_broker(client=faulty_client)
    actor = nothing(broker)
    for i in range(3):
        actor.send(i)
    (producer,) = broker.presence.sender._idle
    redis_client.delete(producer.key)

    faults.strike(1, "after")
    actor.send(3)

    assert faults.struck
    assert broker.admin.stats("default").waiting == 4
    assert int(redis_client.get(producer.key)) == producer.sequence
    assert redis_client.pttl(producer.key) > 0


def test_a_sender_that_goes_the_short_way_still_meets_the_limit(make_broker: MakeBroker) -> None:
    """Far from the limit a sender looks at it now and then; near it before every message."""
    broker = make_broker(backlog_max=1_000)
    actor = nothing(broker)

    for number in range(1_000):
        actor.send(number)

    with pytest.raises(QueueFull):
        actor.send()
    assert broker.admin.stats("default").waiting == 1_000


@pytest.mark.parametrize("when", ["before", "after"])
def test_no_broken_connection_loses_a_message_on_its_way_out(
    make_broker: MakeBroker, faulty_client: "redis.Redis", faults: Faults, eventually: Eventually, when: str
) -> None:
    """The n-th exchange fails while a message is fetched and acknowledged: it is got once, and then gone."""
    broker = make_broker(client=faulty_client)
    actor = nothing(broker)
    admin = QueueAdmin(broker.client, broker.namespace)

    for n in range(1, 50):
        sent = actor.send()
        consumer = broker.consume("default", prefetch=1, timeout=20)
        faults.strike(n, when)
        message = fetch(consumer)
        consumer.ack(message)
        faults.at = None
        assert message.message_id == sent.message_id
        assert admin.stats("default").unfinished == 0, n
        if not faults.struck:
            break
    assert 2 < n < 50


def test_a_delayed_message_comes_in_time(
    broker: RedisStreamsBroker, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never early, and no later because the mover was asleep for longer."""
    monkeypatch.setattr("app.broker.delays.SLEEP_MS_MAX", 600_000)
    ran: list[float] = []
    done = threading.Event()

    def note() -> None:
        ran.append(time.monotonic())
        done.set()

    actor = dramatiq.actor(note, actor_name="note", broker=broker)
    actor.send_with_options(delay=600_000)
    start_worker(broker)
    broker.client.ping()

    sent = time.monotonic()
    actor.send_with_options(delay=400)

    assert done.wait(60)
    assert ran[0] - sent >= 0.4


def test_a_far_delay_does_not_hold_back_near_ones(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """Hundreds of messages for tomorrow occupy no worker and no order."""
    done = threading.Event()
    actor = dramatiq.actor(done.set, actor_name="note", broker=broker)
    broker.enqueue_many([actor.message() for _ in range(500)], delay=86_400_000)
    start_worker(broker)

    actor.send_with_options(delay=50)

    assert done.wait(60)


def test_a_crowd_that_is_due_moves_completely(broker: RedisStreamsBroker, eventually: Eventually) -> None:
    """More messages than one call moves: one look moves all of them, and knows that nothing else waits."""
    actor = nothing(broker)
    broker.enqueue_many([actor.message(i) for i in range(250)], delay=1)
    admin = QueueAdmin(broker.client, broker.namespace)

    next_ms = eventually(lambda: broker.presence.mover.move() == SLEEP_MS_MAX)

    assert next_ms
    assert (admin.stats("default").waiting, admin.stats("default").delayed) == (250, 0)


@pytest.mark.parametrize("delay", [0, -5, None])
def test_no_delay_means_now(broker: RedisStreamsBroker, delay: int | None) -> None:
    """Zero and negative delays go straight into the stream."""
    broker.enqueue(nothing(broker).message(), delay=delay)

    assert QueueAdmin(broker.client, broker.namespace).stats("default").waiting == 1


def test_a_message_with_an_eta_of_another_broker_is_run_at_its_time(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: "redis.Redis"
) -> None:
    """Dramatiq's other brokers put the time into the message; the worker still waits for it, and runs it once."""
    ran: list[float] = []
    actor = dramatiq.actor(lambda: ran.append(time.time()), actor_name="note", broker=broker)
    eta_ms = int(time.time() * 1_000) + 300
    body = actor.message_with_options(eta=eta_ms).encode()
    redis_client.xadd(broker.keys.queue("default").stream(), {"m": body})

    start_worker(broker)
    broker.join("default", timeout=60_000)

    assert len(ran) == 1
    assert ran[0] * 1_000 >= eta_ms


def test_high_priorities_are_read_first(broker: RedisStreamsBroker) -> None:
    """High before normal before low, in the order of sending within a level; message beats actor option."""
    actor = nothing(broker, broker_priority=9)
    for n, priority in enumerate([None, 5, 1, 6, 0]):
        options = {} if priority is None else {"broker_priority": priority}
        actor.send_with_options(args=(n,), **options)
    consumer = broker.consume("default", prefetch=5, timeout=50)

    assert [fetch(consumer).args[0] for _ in range(5)] == [2, 4, 1, 3, 0]


def test_a_flood_of_high_ones_does_not_starve_low_ones(broker: RedisStreamsBroker) -> None:
    """With one slot and an endless high stream, a low message comes within sixteen reads."""
    actor = nothing(broker)
    actor.send_with_options(args=("low",), broker_priority=9)
    broker.enqueue_many([actor.message_with_options(args=("high",), broker_priority=0) for _ in range(40)])
    consumer = broker.consume("default", prefetch=1, timeout=1_000)

    order = []
    for _ in range(16):
        message = fetch(consumer)
        order.append(message.args[0])
        consumer.ack(message)

    assert order.count("low") == 1
    assert order[0] == "high"


def test_a_delayed_message_arrives_in_its_level(
    broker: RedisStreamsBroker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """The level travels with the delay."""
    nothing(broker).send_with_options(delay=1, broker_priority=0)

    eventually(lambda: broker.presence.mover.move() == SLEEP_MS_MAX)

    assert redis_client.xlen(broker.keys.queue("default").stream(Level.HIGH)) == 1


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, 60_000])), max_size=150),
)
def test_as_many_come_in_as_were_sent(broker: RedisStreamsBroker, sends: list[tuple[int, int | None]]) -> None:
    """Whatever the mix of levels, delays and batch sizes: nothing is lost, nothing doubled."""
    actor = broker.actors.get("nothing") or nothing(broker)
    for delay in (None, 60_000):
        batch = [actor.message_with_options(broker_priority=p) for p, d in sends if d == delay]
        broker.enqueue_many(batch, delay=delay)

    counted = QueueAdmin(broker.client, broker.namespace).stats("default")
    broker.flush("default")

    assert counted.unfinished == len(sends)
    assert counted.delayed == sum(delay is not None for _, delay in sends)


def test_a_broker_that_came_over_a_fork_shares_no_connection(broker: RedisStreamsBroker) -> None:
    """Parent and child send at the same time, each over sockets and under a name of its own."""
    actor = nothing(broker)
    actor.send()
    mine = broker.worker_id
    names: Any = multiprocessing.get_context("fork").SimpleQueue()

    pid = os.fork()
    if pid == 0:
        try:
            for _ in range(50):
                actor.send()
            names.put(broker.worker_id)
        finally:
            os._exit(0)
    for _ in range(50):
        actor.send()
    os.waitpid(pid, 0)

    assert QueueAdmin(broker.client, broker.namespace).stats("default").waiting == 101
    assert names.get() != mine
    assert broker.worker_id == mine


def test_a_late_copy_of_an_old_call_adds_nothing(broker: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """A call that was stuck arrives behind its repetition and a later one: both are known, none is doubled."""
    actor = nothing(broker)
    packed: list[bytes] = []
    actor.send(0)
    (producer,) = broker.presence.sender._idle
    exchange = producer.call

    def record(call: bytes) -> Any:
        packed.append(call)
        return exchange(call)

    producer.call = record  # type: ignore[method-assign]
    actor.send(1)
    actor.send(2)

    late = [exchange(packed[0]), exchange(packed[1]), exchange(packed[0])]

    assert late == [0, 0, 0]
    assert broker.admin.stats("default").waiting == 3
