"""Promises that mutants broke without any other test noticing."""

import os
import queue
import threading
import time

import dramatiq
import pytest
import redis
from dramatiq.errors import Retry

from app.broker import QueueAdmin, RedisStreamsBroker, leases
from tests.integration.broker.conftest import Eventually, Faults, MakeBroker, StartWorker
from tests.integration.broker.program import make_actor


def test_a_sweep_goes_on_where_the_last_one_stopped(
    broker: RedisStreamsBroker, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lapsed entry behind more live ones than one sweep looks at is reached by a later sweep."""
    names = broker.keys.queue("default")
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    broker.presence.ensure_group("default")
    broker.enqueue_many([actor.message() for _ in range(201)])
    redis_client.xreadgroup(names.group, "living", {names.stream(): ">"}, count=200)
    [[_, [(last, _)]]] = redis_client.xreadgroup(names.group, "dead", {names.stream(): ">"}, count=1)
    redis_client.xclaim(names.stream(), names.group, "dead", 0, [last], idle=20_000, justid=True)
    monkeypatch.setattr(leases, "SWEEP_SCAN_MAX", 10)

    found = []
    for _ in range(30):
        redis_client.delete(names.sweep_lock)
        found += [entry.entry_id for entry in broker.presence.leases.sweep(names, 1).entries]

    assert found == [last.decode()]


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_move_that_is_broken_off_leaves_the_message_in_one_place(
    make_broker: MakeBroker, faulty_client: "redis.Redis", faults: Faults, when: str
) -> None:
    """The n-th exchange of a move fails, for n = 1, 2, 3 until none does: the message is delayed or waiting."""
    broker = make_broker(client=faulty_client)
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    admin = QueueAdmin(broker.client, broker.namespace)

    for n in range(1, 50):
        actor.send_with_options(delay=1)
        threading.Event().wait(0.005)
        faults.strike(n, when)
        try:
            broker.presence.mover.move()
        except redis.ConnectionError:
            assert faults.struck
        faults.at = None
        counted = admin.stats("default")
        broker.flush("default")
        assert counted.waiting + counted.delayed == 1, n
        if not faults.struck:
            break
    assert 1 < n < 50


def test_a_settlement_sent_twice_has_one_effect(
    make_broker: MakeBroker, faulty_client: "redis.Redis", faults: Faults, eventually: Eventually
) -> None:
    """The n-th reply on the way of a retry is lost, for n = 1, 2, 3 until none is: there is one retry."""
    broker = make_broker(client=faulty_client)
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    admin = QueueAdmin(broker.client, broker.namespace)

    for n in range(1, 50):
        actor.send()
        message = eventually(lambda: next(broker.consume("default", prefetch=1, timeout=100)))
        broker.emit_before("process_message", message)
        broker.emit_after("process_message", message, result=None, exception=Retry(delay=0))
        broker.client.script_flush()
        faults.strike(n, "after")
        broker.consume("default", prefetch=1, timeout=100).ack(message)
        faults.at = None
        counted = admin.stats("default")
        broker.flush("default")
        assert (counted.waiting, counted.unfinished) == (1, 1), n
        if not faults.struck:
            break
    assert 2 < n < 50


def test_a_worker_that_trusts_its_counter_hears_of_a_take_over(
    make_broker: MakeBroker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """It has settled before, so it no longer asks entry by entry; what another one took stays with that one."""
    loser, thief = make_broker(), make_broker()
    names = loser.keys.queue("default")
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=loser)
    consumer = loser.consume("default", prefetch=3, timeout=100)
    actor.send()
    consumer.ack(eventually(lambda: next(consumer)))
    loser.enqueue_many([actor.message() for _ in range(2)])
    kept, lost = eventually(lambda: next(consumer)), eventually(lambda: next(consumer))
    redis_client.xclaim(
        names.stream(), names.group, loser.worker_id, 0, [lost.entry.entry_id], idle=20_000, justid=True
    )
    redis_client.delete(names.sweep_lock)
    taken = eventually(lambda: thief.consume("default", prefetch=1, timeout=100).__next__())

    consumer.ack(lost)
    consumer.ack(kept)

    assert taken.message_id == lost.message_id
    rows = redis_client.xpending_range(names.stream(), names.group, "-", "+", 10)
    assert [row["consumer"].decode() for row in rows] == [thief.worker_id]


def test_a_worker_without_room_keeps_its_message_by_beats_alone(
    make_broker: MakeBroker, start_worker: StartWorker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """It does not sweep, so only its beats stand between its message and a second worker."""
    broker, other = make_broker(lease_ms=600, lookahead=0), make_broker(lease_ms=600)
    make_actor(broker).send(1)
    start_worker(broker, threads=1)
    assert redis_client.blpop([f"{broker.keys.tag}:began"], timeout=9) is not None
    consumer = other.consume("default", prefetch=1, timeout=100)

    give_up_s = time.monotonic() + 2
    while time.monotonic() < give_up_s:
        assert next(consumer) is None
    redis_client.rpush(f"{broker.keys.tag}:go:{os.getpid()}", "go")

    broker.join("default", timeout=5_000)


def test_a_worker_that_lost_its_entry_writes_nothing_that_follows(
    broker: RedisStreamsBroker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """Its retry is another worker's to write, who runs the message by now."""
    names = broker.keys.queue("default")
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    consumer = broker.consume("default", prefetch=1, timeout=100)
    actor.send()
    message = eventually(lambda: next(consumer))
    broker.emit_before("process_message", message)
    broker.emit_after("process_message", message, result=None, exception=ValueError())

    redis_client.xclaim(names.stream(), names.group, "thief", 0, [message.entry.entry_id], justid=True)
    consumer.ack(message)

    rows = redis_client.xpending_range(names.stream(), names.group, "-", "+", 10)
    assert [row["consumer"] for row in rows] == [b"thief"]
    assert redis_client.zcard(names.due) == 0


def test_a_sleeping_mover_hears_of_an_earlier_message(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """It has moved one and sleeps until tomorrow's is due; the next one comes in time all the same."""
    ran: queue.Queue[float] = queue.Queue()
    actor = dramatiq.actor(lambda: ran.put(time.monotonic()), actor_name="note", broker=broker)
    actor.send_with_options(delay=86_400_000)
    start_worker(broker)
    actor.send_with_options(delay=50)
    ran.get(timeout=9)

    sent_s = time.monotonic()
    actor.send_with_options(delay=400)

    assert 0.4 <= ran.get(timeout=9) - sent_s <= 0.75


@pytest.mark.parametrize("count", [1, 2])
def test_an_old_call_that_comes_late_adds_nothing(broker: RedisStreamsBroker, count: int) -> None:
    """A call whose repetition was accepted long ago arrives after all, behind newer ones, the short way or the long."""
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    producer = broker.presence.sender._borrow()
    broker.presence.sender._idle.append(producer)

    def send() -> None:
        broker.enqueue_many([actor.message() for _ in range(count)])

    for _ in range(3):
        send()
    assert producer.sequence == 3

    for late in (1, 2, 3):
        producer.sequence = late - 1
        send()

    assert broker.admin.stats("default").waiting == 3 * count
