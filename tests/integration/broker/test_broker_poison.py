"""Messages that kill their workers are found and put aside, and nobody else is."""

import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import dramatiq
import pytest
import redis

from app.broker import RedisStreamsBroker
from tests.integration.broker.conftest import Eventually, MakeBroker, StartWorker, fetch

LEASE_MS = 500
Spawn = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def spawn(redis_url: str, namespace: str) -> Iterator[Spawn]:
    """Starts worker processes that a message can kill, and ends those that a test left."""
    processes = []

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.integration.broker.mortal", redis_url, namespace, str(LEASE_MS)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def lapse(client: "redis.Redis", broker: RedisStreamsBroker, message: "dramatiq.broker.MessageProxy") -> None:
    """As if its process had died and its lease were over."""
    names = broker.keys.queue("default")
    entry_id = message.entry.entry_id  # type: ignore[attr-defined]
    client.xclaim(
        names.stream(), names.group, "dead", 0, [entry_id], idle=60_000, retrycount=message.delivery, justid=True
    )
    client.delete(names.sweep_lock)


def die_with(
    client: "redis.Redis", make_broker: MakeBroker, deliveries: int, *, begin: bool = True
) -> RedisStreamsBroker:
    """Takes the one message so many times, each time in a process that dies with it; returns the last broker."""
    for _ in range(deliveries):
        broker = make_broker()
        if "victim" not in broker.actors:
            dramatiq.actor(lambda: None, actor_name="victim", broker=broker)
        message = fetch(broker.consume("default", prefetch=1, timeout=50))
        if begin:
            broker.emit_before("process_message", message)
        lapse(client, broker, message)
    return broker


def test_a_message_that_kills_three_processes_is_buried_with_its_history(
    make_broker: MakeBroker, spawn: Spawn, eventually: Eventually
) -> None:
    """Three processes die by it, a fourth buries it and runs the messages behind it."""
    broker = make_broker(lease_ms=LEASE_MS)
    actor = dramatiq.actor(lambda deadly: None, actor_name="mortal", broker=broker)
    poison = actor.send(True)
    innocent = [actor.send(False) for _ in range(5)]

    died = []
    while broker.admin.stats("default").dead == 0:
        assert len(died) < 5, "it kills one process after the other"
        process = spawn()
        eventually(lambda p=process: p.poll() is not None or broker.admin.stats("default").dead)
        died.append(process.poll())
    broker.join("default", timeout=60_000)

    (letter,) = broker.admin.dead_letters("default").page()
    assert (letter.letter_id, letter.reason, letter.deliveries) == (poison.message_id, "crashed", 4)
    assert "died 3 times" in letter.error
    assert [run["delivery"] for run in letter.history] == [2, 3]
    assert len({run["worker"] for run in letter.history}) == 2
    assert [code for code in died if code is not None] == [-9, -9, -9]
    ran = broker.client.lrange(f"{broker.keys.tag}:ran", 0, -1)
    assert {name.decode() for name in ran} == {message.message_id for message in innocent}


def test_a_message_that_was_only_fetched_when_processes_died_is_innocent(
    make_broker: MakeBroker, redis_client: "redis.Redis"
) -> None:
    """Ten processes die before they begin it: it is still delivered."""
    broker = make_broker()
    sent = dramatiq.actor(lambda: None, actor_name="victim", broker=broker).send()

    die_with(redis_client, make_broker, 10, begin=False)
    message = fetch(make_broker().consume("default", prefetch=1, timeout=50))

    assert (message.message_id, message.delivery) == (sent.message_id, 11)


def test_signals_tell_of_a_burial(make_broker: MakeBroker, redis_client: "redis.Redis", eventually: Eventually) -> None:
    """As for every rejected message there are before_nack and after_nack, with the reason as its exception."""
    told: list[tuple[str, str]] = []

    class Recorder(dramatiq.Middleware):
        def before_nack(self, broker: object, message: dramatiq.broker.MessageProxy) -> None:
            told.append(("before_nack", type(message._exception).__name__))

        def after_nack(self, broker: object, message: dramatiq.broker.MessageProxy) -> None:
            told.append(("after_nack", type(message._exception).__name__))

    broker = make_broker(middleware=[Recorder()])
    dramatiq.actor(lambda: None, actor_name="victim", broker=broker).send()
    die_with(redis_client, make_broker, 3)
    consumer = broker.consume("default", prefetch=1, timeout=50)

    eventually(lambda: next(consumer) is None and broker.admin.stats("default").dead == 1)

    assert told == [("before_nack", "WorkerDied"), ("after_nack", "WorkerDied")]
    assert broker.presence.slots.taken("default") == 0
    assert redis_client.hlen(broker.keys.queue("default").starts) == 0


@pytest.mark.parametrize("where", ["actor", "message"])
def test_who_counts_crashes_itself_is_left_alone(
    make_broker: MakeBroker, redis_client: "redis.Redis", where: str
) -> None:
    """With `count_crashes=False` nothing is marked, suspected or buried."""
    option = {"count_crashes": False}
    brokers = [make_broker() for _ in range(6)]
    for each in brokers:
        dramatiq.actor(lambda: None, actor_name="victim", broker=each, **(option if where == "actor" else {}))
    brokers[0].get_actor("victim").send_with_options(**(option if where == "message" else {}))

    for each in brokers[:5]:
        message = fetch(each.consume("default", prefetch=1, timeout=50))
        each.emit_before("process_message", message)
        lapse(redis_client, each, message)
    message = fetch(brokers[5].consume("default", prefetch=1, timeout=50))

    assert message.delivery == 6
    assert redis_client.exists(brokers[0].keys.queue("default").starts) == 0


def test_suspects_run_one_at_a_time_and_hold_nobody_up(make_broker: MakeBroker, redis_client: "redis.Redis") -> None:
    """Of two messages whose process died twice only one is handed out until it is done; new ones pass them."""
    broker = make_broker()
    actor = dramatiq.actor(lambda name: None, actor_name="victim", broker=broker)
    broker.enqueue_many([actor.message("first"), actor.message("second")])
    for _ in range(2):
        dying = make_broker()
        consumer = dying.consume("default", prefetch=2, timeout=50)
        taken = [fetch(consumer), fetch(consumer)]
        for message in taken:
            dying.emit_before("process_message", message)
        for message in taken:
            lapse(redis_client, dying, message)
    consumer = broker.consume("default", prefetch=2, timeout=50)

    suspect = fetch(consumer)
    actor.send("new")
    new = fetch(consumer)
    none = next(consumer)
    consumer.ack(suspect)
    other = fetch(consumer)

    assert none is None
    assert new.args == ("new",)
    assert {suspect.args[0], other.args[0]} == {"first", "second"}
    consumer.ack(other)
    consumer.ack(new)
    assert broker.admin.stats("default").unfinished == 0


def test_a_redelivered_message_that_finishes_leaves_no_mark(
    make_broker: MakeBroker, redis_client: "redis.Redis"
) -> None:
    """Done or handed back, its marks are gone: only a death leaves one."""
    broker = make_broker()
    dramatiq.actor(lambda: None, actor_name="victim", broker=broker).send()
    die_with(redis_client, make_broker, 1)
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = fetch(consumer)
    broker.emit_before("process_message", message)
    marked = redis_client.hlen(broker.keys.queue("default").starts)

    consumer.requeue([message])
    handed_back = redis_client.hlen(broker.keys.queue("default").starts)
    message = fetch(consumer)
    broker.emit_before("process_message", message)
    broker.emit_after("process_message", message, result=None)
    consumer.ack(message)

    assert (marked, handed_back, redis_client.hlen(broker.keys.queue("default").starts)) == (1, 0, 0)
    assert broker.admin.stats("default").unfinished == 0


def test_an_undecided_run_is_no_crash(
    make_broker: MakeBroker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """A message whose hooks fail on a second delivery stays pending without a mark."""

    class Broken(dramatiq.Middleware):
        def after_process_message(self, broker: object, message: object, **outcome: object) -> None:
            raise OSError("no result store")

    broker = make_broker(middleware=[Broken()])
    dramatiq.actor(lambda: None, actor_name="victim", broker=broker).send()
    die_with(redis_client, make_broker, 1)
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = fetch(consumer)

    broker.emit_before("process_message", message)
    broker.emit_after("process_message", message, result=None)
    consumer.ack(message)

    assert redis_client.hlen(broker.keys.queue("default").starts) == 0
    assert broker.admin.stats("default").in_flight == 1
    assert len(broker.presence.held("default")) == 0


def test_a_recovered_crowd_runs_in_parallel(
    make_broker: MakeBroker, start_worker: StartWorker, redis_client: "redis.Redis"
) -> None:
    """After one death the messages of a process are no suspects yet: they run side by side."""
    broker = make_broker()
    together = threading.Barrier(2)
    actor = dramatiq.actor(lambda: together.wait(60) and None, actor_name="victim", broker=broker, max_retries=0)
    broker.enqueue_many([actor.message(), actor.message()])
    dying = make_broker()
    consumer = dying.consume("default", prefetch=2, timeout=50)
    for message in (fetch(consumer), fetch(consumer)):
        lapse(redis_client, dying, message)

    start_worker(broker, threads=2)
    broker.join("default", timeout=60_000)

    assert broker.admin.stats("default").dead == 0
