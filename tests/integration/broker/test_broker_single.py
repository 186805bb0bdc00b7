"""The layout `single`: one stream for all queues, read by one group per queue."""

import threading
from typing import Any

import dramatiq
import pytest
import redis

from app.broker import QueueAdmin, RedisStreamsBroker
from tests.integration.broker.conftest import Eventually, MakeBroker, StartWorker, fetch


@pytest.fixture
def single(make_broker: MakeBroker) -> RedisStreamsBroker:
    return make_broker(layout="single")


def declare(broker: RedisStreamsBroker, ran: list[Any], *queues: str) -> None:
    for queue in queues:
        dramatiq.actor(
            lambda n, queue=queue: ran.append((queue, n)), actor_name=queue, queue_name=queue, broker=broker,
            min_backoff=1, max_backoff=5,
        )  # fmt: skip


def sent(broker: RedisStreamsBroker, queue: str, count: int, **options: Any) -> None:
    actor = broker.get_actor(queue)
    delay = options.pop("delay", None)
    broker.enqueue_many([actor.message_with_options(args=(n,), **options) for n in range(count)], delay=delay)


def test_an_unknown_layout_is_refused() -> None:
    """A typo must not put messages where nobody reads."""
    with pytest.raises(ValueError, match="per-queue, single"):
        RedisStreamsBroker(layout="sinlge")


def test_all_queues_share_one_stream(single: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """Entries name their queue; there is no stream per queue, and each queue is counted by itself."""
    declare(single, [], "retriever", "writer")
    sent(single, "retriever", 2)
    sent(single, "writer", 3)

    entries = redis_client.xrange(f"{single.keys.tag}:q:agent_tasks")

    assert [fields[b"q"] for _, fields in entries] == [b"retriever"] * 2 + [b"writer"] * 3
    assert redis_client.exists(f"{single.keys.tag}:q:retriever") == 0
    assert [single.admin.stats(queue).waiting for queue in ("retriever", "writer")] == [2, 3]


def test_each_worker_runs_its_own_queues_and_empties_the_stream(
    make_broker: MakeBroker, start_worker: StartWorker, redis_client: "redis.Redis"
) -> None:
    """Two workers with a queue each beside one that has both: everything runs once, nothing stays behind."""
    ran: list[Any] = []
    brokers = [make_broker(layout="single") for _ in range(3)]
    for broker, queues in zip(brokers, [("retriever",), ("writer",), ("retriever", "writer")], strict=True):
        declare(broker, ran, *queues)
    both = brokers[2]
    for round_ in range(3):
        sent(both, "retriever", 70)
        sent(both, "writer", 50, broker_priority=round_ * 4)

    for broker in brokers:
        start_worker(broker)
    for queue in ("retriever", "writer"):
        both.join(queue, timeout=60_000)

    assert sorted(ran) == sorted([("retriever", n) for n in range(70)] * 3 + [("writer", n) for n in range(50)] * 3)
    names = both.keys.queue("writer")
    assert [redis_client.xlen(stream) for stream in names.streams] == [0, 0, 0]
    groups = [group for stream in names.streams for group in redis_client.xinfo_groups(stream)]
    assert {group["name"] for group in groups if group["pending"]} == set()
    assert {int(n) for n in redis_client.hvals(names.depth)} <= {0}


def test_a_message_behind_many_foreign_ones_comes_at_once(single: RedisStreamsBroker) -> None:
    """A hundred foreign entries and more are passed by in one go, and no more than there is room for is taken."""
    declare(single, [], "retriever", "writer")
    sent(single, "retriever", 350)
    sent(single, "writer", 5)
    consumer = single.consume("writer", prefetch=2, timeout=200)

    first, second, none = fetch(consumer), fetch(consumer), next(consumer)

    assert (first.args, second.args, none) == ((0,), (1,), None)
    assert single.admin.stats("writer").in_flight == 2
    assert single.admin.stats("writer").waiting == 3
    assert single.admin.stats("retriever").waiting == 350


def test_a_waiting_worker_passes_foreign_entries_by(
    single: RedisStreamsBroker, redis_client: "redis.Redis", start_worker: StartWorker, eventually: Eventually
) -> None:
    """An entry of another queue that ends a wait is acknowledged for this group and left for its own."""
    ran: list[Any] = []
    declare(single, ran, "writer")
    start_worker(single)
    single.declare_queue("elsewhere")
    other = QueueAdmin(redis_client, single.namespace, shared="agent_tasks")
    message = single.get_actor("writer").message(1).copy(queue_name="nowhere")

    single.enqueue(message)
    sent(single, "writer", 1)
    single.join("writer", timeout=60_000)

    assert ran == [("writer", 0)]
    assert other.stats("nowhere").waiting == 1
    stream = single.keys.queue("writer").stream()
    assert eventually(
        lambda: all(group["pending"] == 0 for group in redis_client.xinfo_groups(stream) if group["name"] == b"writer")
    )


def test_a_dead_workers_message_is_taken_over(
    single: RedisStreamsBroker, make_broker: MakeBroker, redis_client: "redis.Redis"
) -> None:
    """The sweep claims its own and acknowledges the foreign ones that a dead reader had not yet."""
    declare(single, [], "writer", "retriever")
    sent(single, "retriever", 3)
    sent(single, "writer", 1)
    single.presence.ensure_group("writer")
    stream = single.keys.queue("writer").stream()
    redis_client.xreadgroup("writer", "dead", {stream: ">"})
    ids = [entry_id for entry_id, _ in redis_client.xrange(stream)]
    redis_client.xclaim(stream, "writer", "dead", 0, ids, idle=60_000, justid=True)

    message = fetch(single.consume("writer", prefetch=1, timeout=50))

    assert (message.actor_name, message.delivery) == ("writer", 2)
    assert redis_client.xpending(stream, "writer")["pending"] == 1
    assert single.admin.stats("retriever").waiting == 3


def test_retries_delays_and_dead_letters_work_in_one_stream(
    single: RedisStreamsBroker, start_worker: StartWorker
) -> None:
    """A failing message is retried through the due set, dies, is put back by the operator and runs."""
    ran: list[int] = []

    def work(n: int) -> None:
        ran.append(n)
        if len(ran) < 3:
            raise RuntimeError("again")

    actor = dramatiq.actor(
        work, actor_name="work", queue_name="writer", broker=single, max_retries=1, min_backoff=1, max_backoff=5
    )
    start_worker(single)
    actor.send_with_options(args=(7,), delay=1)
    single.join("writer", timeout=60_000)
    assert single.admin.stats("writer").dead == 1

    assert single.admin.dead_letters("writer").requeue() == 1
    single.join("writer", timeout=60_000)

    assert ran == [7, 7, 7]
    assert single.admin.stats("writer").dead == 0


def test_flush_takes_only_its_own_queue(single: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """The entries of other queues stay, and both queues go on."""
    ran: list[Any] = []
    declare(single, ran, "retriever", "writer")
    sent(single, "retriever", 3)
    sent(single, "writer", 3)
    sent(single, "writer", 3, delay=60_000)

    single.flush("writer")

    assert single.admin.stats("writer").unfinished == 0
    assert single.admin.stats("retriever").waiting == 3
    start_worker(single)
    sent(single, "writer", 1)
    for queue in ("retriever", "writer"):
        single.join(queue, timeout=60_000)
    assert sorted(ran) == [("retriever", 0), ("retriever", 1), ("retriever", 2), ("writer", 0)]


def test_limits_and_pauses_are_per_queue(make_broker: MakeBroker, start_worker: StartWorker) -> None:
    """One full or resting queue of the stream does not concern another."""
    broker = make_broker(layout="single", backlog_max=3)
    ran, resting = threading.Event(), threading.Event()
    dramatiq.actor(lambda n: resting.set(), actor_name="retriever", queue_name="retriever", broker=broker)
    dramatiq.actor(lambda n: ran.set(), actor_name="writer", queue_name="writer", broker=broker)
    sent(broker, "retriever", 3)
    broker.admin.pause("retriever")

    with pytest.raises(dramatiq.errors.BrokerError, match="retriever is full"):
        sent(broker, "retriever", 1)
    sent(broker, "writer", 1)
    start_worker(broker)

    assert ran.wait(60)
    assert not resting.wait(0.3)
    assert broker.admin.stats("retriever").paused
