"""Many live, long messages stand before those of one dead worker: these still move on in time."""

import threading

import dramatiq
import pytest
import redis

from app.broker import QueueAdmin, RedisStreamsBroker

LIVE = 200
DEAD = 3
#: So long that the live ones keep theirs on the slowest machine; the dead worker's is made to have lapsed.
LEASE_MS = 60_000
LIMIT_S = 60.0


def test_two_hundred_live_messages_do_not_hide_a_dead_workers(
    redis_url: str, namespace: str, redis_client: "redis.Redis"
) -> None:
    """200 threads hold a message each; what a dead worker held behind them runs while they still do."""
    gate, all_held, rescued = threading.Event(), threading.Semaphore(0), threading.Semaphore(0)
    lived: list[int] = []

    def hold(number: int) -> None:
        if number >= LIVE:
            rescued.release()
            return
        all_held.release()
        gate.wait(5 * LIMIT_S)
        lived.append(number)

    brokers = [RedisStreamsBroker(redis_url, namespace=namespace, lease_ms=LEASE_MS, lookahead=0) for _ in range(3)]
    holder, dead, other = brokers
    actors = [dramatiq.actor(hold, actor_name="hold", broker=broker) for broker in brokers]
    workers = [dramatiq.Worker(holder, worker_threads=LIVE, worker_timeout=200)]
    workers[0].start()
    holder.enqueue_many([actors[0].message(number) for number in range(LIVE)])
    assert all(all_held.acquire(timeout=LIMIT_S) for _ in range(LIVE))

    # A worker that is not there any more: it fetched, and never gives another sign of life.
    holder.enqueue_many([actors[0].message(LIVE + number) for number in range(DEAD)])
    consumer = dead.consume("default", prefetch=DEAD, timeout=100)
    held = [next(consumer) for _ in range(DEAD)]
    assert all(message is not None for message in held)
    keys, ids = dead.keys.queue("default"), [message.entry.entry_id for message in held]
    redis_client.xclaim(keys.stream(), keys.group, dead.worker_id, 0, ids, idle=10 * LEASE_MS, justid=True)
    redis_client.delete(keys.sweep_lock)
    workers.append(dramatiq.Worker(other, worker_threads=2, worker_timeout=200))
    workers[1].start()

    in_time = [rescued.acquire(timeout=LIMIT_S) for _ in range(DEAD)]
    gate.set()
    other.join("default", timeout=180_000)
    for worker in workers:
        worker.stop(timeout=60_000)
    for broker in brokers:
        broker.close()

    assert in_time == [True] * DEAD
    assert sorted(lived) == list(range(LIVE))
    assert QueueAdmin(redis_client, namespace).stats("default").unfinished == 0


def test_a_sweep_goes_on_where_the_last_one_stopped(
    redis_url: str, namespace: str, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """A sweep that looks at few entries finds the one behind many live ones after a few sweeps, by any worker."""
    monkeypatch.setattr("app.broker.leases.SWEEP_SCAN_MAX", 20)
    brokers = [RedisStreamsBroker(redis_url, namespace=namespace, lease_ms=60_000, lookahead=0) for _ in range(6)]
    actor = dramatiq.actor(lambda _: None, actor_name="act", broker=brokers[0])
    keys = brokers[0].keys.queue("default")
    brokers[0].enqueue_many([actor.message(number) for number in range(61)])
    holder = brokers[0].consume("default", prefetch=61, timeout=100)
    held = [next(holder) for _ in range(61)]
    last = held[-1].entry.entry_id
    redis_client.xclaim(keys.stream(), keys.group, brokers[0].worker_id, 0, [last], idle=10_000_000, justid=True)

    found = []
    for broker in brokers[1:]:
        redis_client.delete(keys.sweep_lock)
        message = next(broker.consume("default", prefetch=1, timeout=1))
        found += [message.args[0]] if message else []
    for broker in brokers:
        broker.close()

    assert found == [60]
