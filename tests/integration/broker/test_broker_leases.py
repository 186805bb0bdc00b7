"""Workers that die, freeze or hang: their messages go on elsewhere, once."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator

import dramatiq
import pytest
import redis

from app.broker import RedisStreamsBroker
from app.broker.leases import TIDY
from app.broker.scripts import run_script
from tests.integration.broker.conftest import Eventually, MakeBroker, StartWorker, fetch
from tests.integration.broker.program import make_actor

LEASE_MS = 600
#: For who must keep what it holds in a test, however slow the machine is.
LONG_MS = 3_000
Spawn = Callable[[], "subprocess.Popen[bytes]"]


@pytest.fixture
def spawn(redis_url: str, namespace: str) -> Iterator[Spawn]:
    """Starts worker processes, and ends those that a test left."""
    processes = []

    def start() -> "subprocess.Popen[bytes]":
        command = [sys.executable, "-m", "tests.integration.broker.program", redis_url, namespace, str(LONG_MS)]
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.wait()


def began(client: "redis.Redis", broker: RedisStreamsBroker) -> int:
    """The pid of the next worker that says it began."""
    said = client.blpop([f"{broker.keys.tag}:began"], timeout=50)
    assert said is not None
    return int(said[1])


def silence_ms(client: "redis.Redis", broker: RedisStreamsBroker) -> int:
    """For how long the one entry was not renewed."""
    names = broker.keys.queue("default")
    (row,) = client.xpending_range(names.stream(), names.group, "-", "+", 10)
    return int(row["time_since_delivered"])


def owner(client: "redis.Redis", broker: RedisStreamsBroker) -> str:
    names = broker.keys.queue("default")
    rows = client.xpending_range(names.stream(), names.group, "-", "+", 10)
    return rows[0]["consumer"].decode() if rows else ""


def test_a_killed_workers_message_runs_elsewhere(
    make_broker: MakeBroker, start_worker: StartWorker, spawn: Spawn, redis_client: "redis.Redis"
) -> None:
    """kill -9 in the middle of a run: another worker takes over, as the second delivery."""
    broker = make_broker(lease_ms=LONG_MS)
    actor = make_actor(broker)
    doomed = spawn()
    actor.send(1)
    assert began(redis_client, broker) == doomed.pid
    start_worker(broker)

    doomed.kill()
    redis_client.rpush(f"{broker.keys.tag}:go:{os.getpid()}", "go")

    assert began(redis_client, broker) == os.getpid()
    broker.join("default", timeout=60_000)


def test_a_living_worker_keeps_its_message_for_longer_than_a_lease(
    make_broker: MakeBroker, start_worker: StartWorker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """Heartbeats hold a long run: a second worker beside it never gets the message."""
    broker, other = make_broker(lease_ms=LONG_MS), make_broker(lease_ms=LONG_MS)
    actor = make_actor(broker)
    start_worker(broker)
    actor.send(1)
    assert began(redis_client, broker) == os.getpid()
    consumer = other.consume("default", prefetch=1, timeout=100)

    names = broker.keys.queue("default")
    for _ in range(2):
        (row,) = redis_client.xpending_range(names.stream(), names.group, "-", "+", 10)
        # As if it had been silent for so long; nobody looks before the next beat.
        silent = {"idle": 2 * LONG_MS, "retrycount": 1, "justid": True}
        redis_client.xclaim(names.stream(), names.group, broker.worker_id, 0, [row["message_id"]], **silent)
        eventually(lambda: silence_ms(redis_client, broker) < LONG_MS)
        redis_client.delete(names.sweep_lock)
        assert next(consumer) is None
    redis_client.rpush(f"{broker.keys.tag}:go:{os.getpid()}", "go")

    broker.join("default", timeout=60_000)
    assert redis_client.llen(f"{broker.keys.tag}:ended") == 1


def test_a_frozen_worker_can_neither_steal_back_nor_settle(
    make_broker: MakeBroker,
    start_worker: StartWorker,
    spawn: Spawn,
    redis_client: "redis.Redis",
    eventually: Eventually,
) -> None:
    """SIGSTOP for longer than the lease: after SIGCONT the entry stays with the worker that took it over."""
    broker = make_broker(lease_ms=LEASE_MS)
    actor = make_actor(broker)
    zombie = spawn()
    actor.send(1)
    assert began(redis_client, broker) == zombie.pid
    zombie_id = owner(redis_client, broker)
    zombie.send_signal(signal.SIGSTOP)
    redis_client.delete(broker.keys.queue("default").sweep_lock)
    start_worker(broker)
    assert began(redis_client, broker) == os.getpid()

    seen = redis_client.hget(broker.keys.worker(zombie_id), "seen_at")
    zombie.send_signal(signal.SIGCONT)
    redis_client.rpush(f"{broker.keys.tag}:go:{zombie.pid}", "go")
    assert redis_client.blpop([f"{broker.keys.tag}:ended"], timeout=50) is not None
    for _ in range(2):
        # Two beats later it has renewed, and flushed, whatever it believed to hold.
        seen = eventually(
            lambda before=seen: (now := redis_client.hget(broker.keys.worker(zombie_id), "seen_at")) != before and now
        )

    assert owner(redis_client, broker) == broker.worker_id
    redis_client.rpush(f"{broker.keys.tag}:go:{os.getpid()}", "go")
    broker.join("default", timeout=60_000)
    assert redis_client.llen(f"{broker.keys.tag}:ended") == 1


def test_a_hung_message_moves_on_after_its_deadline(
    make_broker: MakeBroker, start_worker: StartWorker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """A process that is alive and makes no progress keeps a message only for `run_ms_max`."""
    broker, other = make_broker(lease_ms=LEASE_MS), make_broker(lease_ms=LEASE_MS)
    actor = make_actor(broker, run_ms_max=300)
    worker = start_worker(broker)
    actor.send(1)
    assert began(redis_client, broker) == os.getpid()
    worker.consumers["default"].pause()

    consumer = other.consume("default", prefetch=1, timeout=100)
    message = fetch(consumer)

    assert message.delivery == 2
    consumer.ack(message)
    redis_client.rpush(f"{broker.keys.tag}:go:{os.getpid()}", "go")
    broker.join("default", timeout=60_000)


def test_a_thousand_live_entries_do_not_hide_a_dead_one(
    broker: RedisStreamsBroker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """One slot, and the lapsed entry behind 1,000 renewed ones: the first sweep finds it."""
    names = broker.keys.queue("default")
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    redis_client.xgroup_create(names.stream(), names.group, id="0", mkstream=True)
    broker.enqueue_many([actor.message() for _ in range(1_000)])
    last = actor.send()
    redis_client.xreadgroup(names.group, "living", {names.stream(): ">"}, count=1_000)
    redis_client.xreadgroup(names.group, "dead", {names.stream(): ">"}, count=1)
    entry_id = redis_client.xrevrange(names.stream(), count=1)[0][0]
    redis_client.xclaim(names.stream(), names.group, "dead", 0, [entry_id], idle=20_000, justid=True)

    message = next(broker.consume("default", prefetch=1, timeout=100))

    assert (message.message_id, message.delivery) == (last.message_id, 2)


def test_what_one_worker_has_no_room_for_is_taken_by_the_next_at_once(
    broker: RedisStreamsBroker, redis_client: "redis.Redis"
) -> None:
    """A sweep cut short by room frees the way and calls the others; a worker without room stops nobody."""
    names = broker.keys.queue("default")
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    redis_client.xgroup_create(names.stream(), names.group, id="0", mkstream=True)
    broker.enqueue_many([actor.message() for _ in range(4)])
    redis_client.xreadgroup(names.group, "dead", {names.stream(): ">"})
    ids = [entry_id for entry_id, _ in redis_client.xrange(names.stream())]
    redis_client.xclaim(names.stream(), names.group, "dead", 0, ids, idle=20_000, justid=True)
    ear = redis_client.pubsub(ignore_subscribe_messages=True)
    ear.ssubscribe(names.wake)
    ear.get_message(timeout=50)
    leases = broker.presence.leases

    full = leases.sweep(names, 0)
    first, second = leases.sweep(names, 3), leases.sweep(names, 3)

    assert full.entries == []
    assert [len(look.entries) for look in (first, second)] == [3, 1]
    said = ear.get_message(timeout=50)
    assert said is not None
    assert said["data"] == b"sweep:default"
    ear.close()


def test_an_acknowledgement_of_a_stolen_entry_is_refused(
    broker: RedisStreamsBroker, redis_client: "redis.Redis"
) -> None:
    """Even one acknowledgement among others: the thief's entry stays, the others go."""
    names = broker.keys.queue("default")
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    consumer = broker.consume("default", prefetch=3, timeout=100)
    broker.enqueue_many([actor.message() for _ in range(3)])
    messages = [fetch(consumer) for _ in range(3)]
    consumer.ack(messages[0])
    stolen = messages[1].entry.entry_id  # type: ignore[attr-defined]

    redis_client.xclaim(names.stream(), names.group, "thief", 0, [stolen], justid=True)
    redis_client.hincrby(names.sweep, "stolen", 1)
    consumer.ack(messages[1])
    consumer.nack(messages[2])

    assert owner(redis_client, broker) == "thief"
    assert redis_client.xlen(names.stream()) == 1
    assert redis_client.zcard(names.dlq) == 1


def test_a_worker_is_listed_while_it_lives(
    make_broker: MakeBroker, start_worker: StartWorker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """Its record says who it is and what it reads; it signs off when it stops."""
    broker = make_broker(lease_ms=LONG_MS)
    worker = start_worker(broker, threads=3)
    key = broker.keys.worker(broker.worker_id)

    about = eventually(lambda: (found := redis_client.hgetall(key)).get(b"queues") == b"default" and found)
    listed = redis_client.zrange(broker.keys.workers, 0, -1)
    lifetime_ms = redis_client.pttl(key)
    worker.stop()

    assert (int(about[b"pid"]), int(about[b"threads"])) == (os.getpid(), 3)
    assert listed == [broker.worker_id.encode()]
    assert 0 < lifetime_ms <= 3 * LONG_MS
    assert redis_client.zcard(broker.keys.workers) == 0


def test_only_empty_dead_consumers_are_deleted(broker: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """A name with pending entries, and one that is on the list of the living, stay."""
    names = broker.keys.queue("default")
    broker.presence.ensure_group("default")
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()
    redis_client.xreadgroup(names.group, "holding", {names.stream(): ">"})
    for name in ("dead", "living"):
        redis_client.xgroup_createconsumer(names.stream(), names.group, name)
    seconds, micros = redis_client.time()
    redis_client.zadd(broker.keys.workers, {"living": seconds * 1_000 + micros // 1_000})
    threading.Event().wait(0.005)

    keys = [names.tidy_lock, broker.keys.workers, *names.streams]
    deleted = run_script(redis_client, TIDY, keys, [names.group, "test", 1, 60_000, 1_000, 60_000])

    left = {row["name"] for row in redis_client.xinfo_consumers(names.stream(), names.group)}
    assert deleted == 1
    assert left == {b"holding", b"living"}
