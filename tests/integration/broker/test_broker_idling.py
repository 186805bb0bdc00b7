"""A fleet at rest is quiet, and still notices all that it must."""

import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any

import dramatiq
import pytest
import redis

from app.broker import RedisStreamsBroker
from app.broker.calls import Calls
from app.broker.leases import SWEEP
from app.broker.reading import Reader
from tests.integration.broker.conftest import Eventually, MakeBroker, PrivateServer, StartWorker, fetch


def nothing(broker: RedisStreamsBroker) -> Any:
    return dramatiq.actor(lambda *args: None, actor_name="nothing", broker=broker)


def pending_of(client: "redis.Redis", broker: RedisStreamsBroker, owner: str, idle_ms: int) -> bytes:
    """One more message, fetched by this owner so long ago."""
    names = broker.keys.queue("default")
    broker.presence.ensure_group("default")
    (broker.actors.get("nothing") or nothing(broker)).send()
    ((_, ((entry_id, _),)),) = client.xreadgroup(names.group, owner, {names.stream(): ">"}, count=1)
    client.xclaim(names.stream(), names.group, owner, 0, [entry_id], idle=idle_ms, justid=True)
    return bytes(entry_id)


@pytest.fixture
def monitored(private_server: PrivateServer) -> Iterator[Iterator[str]]:
    """All that a server of its own is asked to do, those inside scripts too."""
    client = redis.Redis.from_url(private_server.url)
    with client.monitor() as monitor:
        yield (heard["command"] for heard in monitor.listen())
    client.close()


@pytest.mark.full
def test_an_idle_worker_asks_for_little(
    private_server: PrivateServer, make_broker: MakeBroker, start_worker: StartWorker, monitored: Iterator[str]
) -> None:
    """From one look to the next, which is a lease: a read for every three seconds, a report, a look at the delays."""
    broker = make_broker(url=private_server.url, lease_ms=3_000)
    start_worker(broker, timeout_ms=1_000)
    looks = (command for command in monitored if SWEEP.sha1 in command or SWEEP.source[:40] in command)
    # The first two belong to the start: one begins the work, one follows when the channel is listened to.
    for _ in range(3):
        next(looks)

    between = [until_next_look(monitored) for _ in range(3)]

    # Between some two looks; a machine that stands still for a while has something to make up for afterwards.
    assert min(asked["XREADGROUP"] for asked in between) <= 2
    assert min(asked["EVALSHA"] for asked in between) <= 2
    assert sum(asked["XAUTOCLAIM"] for asked in between) == 0
    # A search for dead consumers may fall into one of them.
    assert min(asked.total() for asked in between) <= 20


def until_next_look(monitored: Iterator[str]) -> Counter[str]:
    """How often each command was called."""
    asked = Counter[str]()
    for command in monitored:
        if SWEEP.sha1 in command:
            break
        asked[command.split()[0]] += 1
    return asked


def test_a_look_names_the_moment_when_something_can_have_lapsed(
    make_broker: MakeBroker, redis_client: "redis.Redis", rare_looks: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lease while nothing is pending, what is left of one for the longest silent, the shortest pause at least."""
    broker = make_broker(lease_ms=rare_looks)
    names, leases = broker.keys.queue("default"), broker.presence.leases

    def look() -> float:
        redis_client.delete(names.sweep_lock)
        found = leases.sweep(names, 1)
        assert found.entries == []
        return found.next_s

    at_rest = look()
    pending_of(redis_client, broker, "living", 100_000)
    with_one = look()
    pending_of(redis_client, broker, "silent", 300_000)
    with_two = look()
    monkeypatch.setattr("app.broker.leases.SWEEP_INTERVAL_MS", 200_000)
    pending_of(redis_client, broker, "nearly dead", 450_000)
    with_three = look()

    assert at_rest == 600
    assert 400 < with_one <= 500
    assert 200 < with_two <= 300
    assert with_three == 200


def test_an_appointment_holds_for_the_whole_fleet(
    make_broker: MakeBroker, redis_client: "redis.Redis", rare_looks: int
) -> None:
    """Who looks after another one did is told that one's moment, and no later one."""
    first, second = make_broker(lease_ms=rare_looks), make_broker(lease_ms=rare_looks)
    pending_of(redis_client, first, "silent", 300_000)
    names = first.keys.queue("default")

    planned = first.presence.leases.sweep(names, 1)
    told = second.presence.leases.sweep(names, 1)

    assert 200 < planned.next_s <= 300
    assert 0 < told.next_s <= planned.next_s


def test_a_worker_at_rest_finds_the_entry_of_an_owner_on_no_list(
    make_broker: MakeBroker, start_worker: StartWorker, redis_client: "redis.Redis", eventually: Eventually
) -> None:
    """Somebody fetches behind its back and is never heard of: nobody calls, and the entry runs all the same."""
    broker = make_broker(lease_ms=1_000)
    ran = threading.Event()
    dramatiq.actor(ran.set, actor_name="nothing", broker=broker)
    start_worker(broker, timeout_ms=1_000)
    names = broker.keys.queue("default")
    assert eventually(lambda: broker.presence.blocked)
    broker.admin.pause("default")
    assert eventually(lambda: not broker.presence.blocked)
    pending_of(redis_client, broker, "unlisted", 0)
    broker.admin.resume("default")

    assert ran.wait(60)
    broker.join("default", timeout=60_000)
    assert redis_client.zscore(broker.keys.workers, "unlisted") is None
    assert int(redis_client.hget(names.sweep, "stolen")) >= 1


def test_a_released_entry_is_taken_at_once_by_a_worker_at_rest(
    make_broker: MakeBroker,
    start_worker: StartWorker,
    redis_client: "redis.Redis",
    eventually: Eventually,
    rare_looks: int,
) -> None:
    """Its next look is far away; the release calls it."""
    holder, other = make_broker(lease_ms=rare_looks), make_broker(lease_ms=rare_looks)
    ran = threading.Event()
    consumer = holder.consume("default", prefetch=1, timeout=50)
    nothing(holder).send()
    message = fetch(consumer)
    dramatiq.actor(ran.set, actor_name="nothing", broker=other)
    start_worker(other, timeout_ms=1_000)
    assert eventually(lambda: redis_client.pttl(other.keys.queue("default").sweep_lock) > 300_000)
    assert eventually(lambda: redis_client.pubsub_shardnumsub(other.keys.wake)[0][1] == 1)

    consumer.requeue([message])

    assert ran.wait(60)


def test_a_call_that_nobody_heard_is_made_up_for(
    make_broker: MakeBroker,
    start_worker: StartWorker,
    redis_client: "redis.Redis",
    eventually: Eventually,
    rare_looks: int,
) -> None:
    """The channel was lost meanwhile; who subscribes anew looks, and does not wait for the appointment."""
    broker = make_broker(lease_ms=rare_looks)
    nothing(broker)
    start_worker(broker, timeout_ms=1_000)
    assert eventually(lambda: broker.presence.blocked and not broker.presence.held("default").calls.called)

    redis_client.sadd(broker.keys.paused, "default")
    redis_client.client_kill_filter(_type="pubsub")

    assert eventually(lambda: broker.presence.pauses.holds("default"))


def test_an_idle_reader_waits_no_longer_than_until_its_next_look(
    broker: RedisStreamsBroker, redis_client: "redis.Redis"
) -> None:
    """A call that comes between its decision to wait and the wait is answered first."""
    reader = Reader(broker.presence, broker.keys.queue("default"), timeout_ms=1_000)
    reader.read(1, 1)
    pending_of(redis_client, broker, "silent", 20_000)
    redis_client.delete(broker.keys.queue("default").sweep_lock)
    reader.more_may_wait = False

    waits = [reader._wait_ms(1, 3_000)]
    broker.presence.held("default").calls.call()
    waits.append(reader._wait_ms(1, 3_000))
    entries, _ = reader.read(1, 1)

    assert waits == [3_000, 1]
    assert [entry.deliveries for entry in entries] == [2]
    reader.close()


def test_a_reader_follows_a_release_with_a_pause() -> None:
    """Two that hand the same entry back and forth do so once per second; any other call is followed at once."""
    calls = Calls()
    assert calls.due_s(looked_s=100.0, planned_s=110.0) == 110.0

    calls.hear("release:default")
    assert calls.due_s(looked_s=100.0, planned_s=110.0) == 101.0
    assert calls.due_s(looked_s=100.0, planned_s=100.5) == 100.5

    calls.hear("sweep:default")
    assert calls.due_s(looked_s=100.0, planned_s=110.0) == 100.0

    calls.answered()
    assert not calls.called
