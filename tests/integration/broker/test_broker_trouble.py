"""A server that is full, restarted or away: work waits, drains and goes on."""

import threading

import dramatiq
import pytest
import redis
from dramatiq.errors import ConnectionClosed

from app.broker import QueueAdmin, RedisStreamsBroker
from tests.integration.broker.conftest import Eventually, MakeBroker, PrivateServer, StartWorker


def test_a_full_redis_refuses_new_work_and_drains(
    private_server: PrivateServer, make_broker: MakeBroker, start_worker: StartWorker
) -> None:
    """Over maxmemory: enqueue raises, waiting messages run, fail into the due set, are retried and are buried."""
    broker = make_broker(url=private_server.url, send_patience_ms=50)
    ran: list[int] = []

    def work(n: int) -> None:
        ran.append(n)
        if n == 0:
            raise RuntimeError("again")

    actor = dramatiq.actor(work, actor_name="work", broker=broker, max_retries=1, min_backoff=1, max_backoff=5)
    broker.enqueue_many([actor.message(n) for n in range(20)])
    actor.send(20)
    broker.client.config_set("maxmemory", 1)

    with pytest.raises(ConnectionClosed):
        actor.send(99)
    with pytest.raises(ConnectionClosed):
        broker.enqueue_many([actor.message(n) for n in (97, 98)])
    start_worker(broker)
    broker.join("default", timeout=60_000)

    assert sorted(ran) == [0, 0, *range(1, 21)]
    assert QueueAdmin(broker.client, broker.namespace).stats("default").dead == 1


def test_work_survives_a_restart_of_redis(
    private_server: PrivateServer, make_broker: MakeBroker, start_worker: StartWorker, eventually: Eventually
) -> None:
    """The server goes away while messages run, fail and wait; when it is back each of them is settled once."""
    broker = make_broker(url=private_server.url)
    running, away = threading.Barrier(3), threading.Event()
    ended: list[str] = []

    def work(name: str) -> None:
        if name == "later":
            ended.append(name)
            return
        if not away.is_set():
            running.wait(60)
            away.wait(60)
        if name == "fails" and ended.count(name) == 0:
            ended.append(name)
            raise RuntimeError("again")
        ended.append(name)

    actor = dramatiq.actor(work, actor_name="work", broker=broker, min_backoff=1, max_backoff=5)
    start_worker(broker, threads=2)
    for name in ("works", "fails", "later"):
        actor.send(name)
    running.wait(60)

    private_server.stop()
    away.set()
    eventually(lambda: "works" in ended and "fails" in ended)
    private_server.start()
    broker.join("default", timeout=60_000)

    assert sorted(ended) == ["fails", "fails", "later", "works"]
    assert QueueAdmin(broker.client, broker.namespace).stats("default").dead == 0


def test_scripts_that_the_server_forgot_are_sent_again(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """SCRIPT FLUSH under a running worker is not noticed by anyone."""
    ran: list[int] = []
    actor = dramatiq.actor(ran.append, actor_name="keep", broker=broker)
    start_worker(broker)

    for n in range(5):
        actor.send(n)
        broker.client.script_flush()
    broker.join("default", timeout=60_000)

    assert sorted(ran) == [0, 1, 2, 3, 4]


def test_connections_cut_under_load_lose_nothing(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: "redis.Redis"
) -> None:
    """Every client is killed again and again while messages run: each message runs, none is left."""
    ran: set[int] = set()
    actor = dramatiq.actor(ran.add, actor_name="keep", broker=broker)
    start_worker(broker)

    for n in range(200):
        actor.send(n)
        if n % 20 == 0:
            redis_client.client_kill_filter(_type="normal", skipme=True)
    broker.join("default", timeout=60_000)

    assert ran == set(range(200))


def test_depth_is_known_without_worker_or_group(broker: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """Waiting, delayed and age are counted as soon as something was sent, for many queues in one call."""
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    admin = QueueAdmin(redis_client, broker.namespace)
    actor.send_with_options(broker_priority=0)
    actor.send_with_options(broker_priority=9)
    actor.send_with_options(delay=60_000)
    threading.Event().wait(0.005)

    counted = admin.stats_of(["default", "unused"])

    assert (counted["default"].waiting, counted["default"].in_flight, counted["default"].delayed) == (2, 0, 1)
    assert 0 < counted["default"].oldest_age_ms < 60_000
    assert counted["unused"].unfinished == 0
    assert admin.queues() == ["default"]


def test_only_declared_keys_are_left_without_a_lifetime(
    make_broker: MakeBroker, start_worker: StartWorker, redis_client: "redis.Redis", namespace: str
) -> None:
    """After a drain and a stop, what stays for ever is the streams, the sweep's state and the list of queues."""
    broker = make_broker()
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    worker = start_worker(broker)
    actor.send()
    actor.send_with_options(delay=1)
    broker.join("default", timeout=60_000)
    worker.stop()

    kept = {key.decode() for key in redis_client.scan_iter(match=f"\\{{{namespace}:*") if redis_client.ttl(key) < 0}
    names = broker.keys.queue("default")

    assert kept <= {*names.streams, names.sweep, broker.keys.queues}


def test_an_outage_is_told_once_when_it_begins_and_once_when_it_ends(
    private_server: PrivateServer,
    make_broker: MakeBroker,
    start_worker: StartWorker,
    eventually: Eventually,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A worker without its server for a second and a half writes no more lines than it has duties."""
    broker = make_broker(url=private_server.url, lease_ms=600)
    start_worker(broker)
    eventually(lambda: broker.client.zcard(broker.keys.workers) == 1)

    private_server.stop()
    threading.Event().wait(1.5)
    private_server.start()
    eventually(lambda: sum("trouble is over" in record.message for record in caplog.records) >= 2)

    began = [vars(record)["what"] for record in caplog.records if "trouble begins" in record.message]
    assert len(began) == len(set(began))
    assert len(caplog.records) <= 8
