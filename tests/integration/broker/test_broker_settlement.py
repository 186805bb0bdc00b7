"""A message and what follows from it leave and arrive in one act."""

import json
import threading
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import pipeline
from dramatiq.middleware import Middleware
from dramatiq.middleware.threading import Interrupt, raise_thread_exception

from app.broker import QueueAdmin, QueueStats, RedisStreamsBroker, Release
from tests.integration.broker.conftest import Eventually, Faults, MakeBroker, StartWorker, fetch


def stats(broker: RedisStreamsBroker) -> QueueStats:
    return QueueAdmin(broker.client, broker.namespace).stats("default")


def run_next(broker: RedisStreamsBroker, consumer: Any) -> Any:
    """What a worker thread does with one message, step by step; returns the message."""
    worker = dramatiq.worker.WorkerThread(
        broker=broker, consumers={"default": _Post(broker, consumer)}, work_queue=_NoQueue(), worker_timeout=1
    )
    message = fetch(consumer)
    worker.process_message(message)
    return message


class _Post:
    """The part of Dramatiq's consumer thread that a worker thread calls when it is done."""

    def __init__(self, broker: RedisStreamsBroker, consumer: Any) -> None:
        self.broker, self.consumer = broker, consumer

    def post_process_message(self, message: Any) -> None:
        verb = "nack" if message.failed else "ack"
        self.broker.emit_before(verb, message)
        getattr(self.consumer, verb)(message)
        self.broker.emit_after(verb, message)


class _NoQueue:
    def task_done(self) -> None:
        return


def failing(broker: RedisStreamsBroker, **options: Any) -> Any:
    def fail() -> None:
        raise RuntimeError("not this time")

    return dramatiq.actor(fail, actor_name="fail", broker=broker, **options)


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_retry_survives_a_broken_connection(
    make_broker: MakeBroker, faulty_client: "redis.Redis", faults: Faults, when: str
) -> None:
    """Whether the call or its reply gets lost: one delayed retry, and the failed message is gone."""
    broker = make_broker(client=faulty_client)
    failing(broker, min_backoff=60_000).send()
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = fetch(consumer)

    faults.strike(1, when)
    broker.emit_before("process_message", message)
    broker.emit_after("process_message", message, exception=RuntimeError("not this time"))
    consumer.ack(message)

    assert faults.struck
    assert (stats(broker).delayed, stats(broker).in_flight, stats(broker).waiting) == (1, 0, 0)


def test_a_retry_is_written_by_the_same_call_as_the_acknowledgement(broker: RedisStreamsBroker) -> None:
    """After the hooks, and before the acknowledgement, the retry exists nowhere; then both are done."""
    failing(broker, min_backoff=60_000).send()
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = fetch(consumer)

    broker.emit_before("process_message", message)
    broker.emit_after("process_message", message, exception=RuntimeError("not this time"))
    hooks_ran = stats(broker)
    consumer.ack(message)

    assert (hooks_ran.delayed, hooks_ran.in_flight) == (0, 1)
    assert (stats(broker).delayed, stats(broker).in_flight) == (1, 0)


def test_a_message_is_retried_until_it_becomes_a_dead_letter(
    broker: RedisStreamsBroker, start_worker: StartWorker, redis_client: "redis.Redis"
) -> None:
    """Dramatiq's own Retries decides how often; the last failure is kept with its bytes and its reason."""
    actor = failing(broker, max_retries=2, min_backoff=1, max_backoff=5)
    start_worker(broker)

    sent = actor.send()
    broker.join("default", timeout=60_000)

    names = broker.keys.queue("default")
    assert stats(broker).dead == 1
    meta = json.loads(redis_client.hget(names.dlq_meta, sent.message_id) or b"")
    body = json.loads(redis_client.hget(names.dlq_bodies, sent.message_id) or b"")
    assert body["options"]["retries"] == 2
    assert (meta["reason"], meta["error"], meta["level"]) == ("failed", "RuntimeError: not this time", 1)
    assert meta["died_at"] == redis_client.zscore(names.dlq, sent.message_id)


def test_a_pipeline_goes_on_through_the_outbox(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """The next step of a pipeline and a callback arrive, each once."""
    said: list[Any] = []
    double = dramatiq.actor(lambda x: 2 * x, actor_name="double", broker=broker)
    keep = dramatiq.actor(said.append, actor_name="keep", broker=broker)
    dramatiq.actor(lambda message, result: said.append(result), actor_name="thank", broker=broker)
    start_worker(broker)

    pipeline([double.message_with_options(args=(21,), on_success="thank"), keep.message()], broker=broker).run()
    broker.join("default", timeout=60_000)

    assert said.count(42) == 2


def test_a_send_from_the_actors_body_goes_out_at_once(broker: RedisStreamsBroker) -> None:
    """Only what hooks enqueue waits for the acknowledgement."""
    dramatiq.actor(lambda: None, actor_name="other", broker=broker)
    seen: list[int] = []

    def parent() -> None:
        broker.get_actor("other").send()
        seen.append(stats(broker).waiting)

    dramatiq.actor(parent, actor_name="parent", broker=broker).send()

    run_next(broker, broker.consume("default", prefetch=1, timeout=50))

    assert seen == [1]


def test_a_message_whose_hook_fails_stays_undecided(broker: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """Neither acknowledged nor buried, and nothing that another hook enqueued gets out."""

    class Broken(Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            raise OSError("no result store")

    broker.add_middleware(Broken())
    failing(broker, min_backoff=60_000).send()
    consumer = broker.consume("default", prefetch=1, timeout=50)

    run_next(broker, consumer)

    assert (stats(broker).in_flight, stats(broker).delayed, stats(broker).dead) == (1, 0, 0)
    assert len(broker.presence.held("default")) == 0


def test_a_message_that_is_never_decided_is_buried_in_the_end(broker: RedisStreamsBroker) -> None:
    """After ten deliveries a message whose hooks always fail becomes a dead letter, so that it ends."""

    class Broken(Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            raise OSError("no result store")

    broker.add_middleware(Broken())
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = fetch(consumer)

    message.delivery = 10  # type: ignore[attr-defined]
    broker.emit_before("process_message", message)
    broker.emit_after("process_message", message, result=None)
    consumer.ack(message)

    assert (stats(broker).in_flight, stats(broker).dead) == (0, 1)


def test_an_interrupt_in_a_hook_leaves_message_and_thread_alone(
    broker: RedisStreamsBroker, redis_client: "redis.Redis"
) -> None:
    """A time limit that strikes while hooks run neither loses the message nor ends the worker thread."""

    class Interrupted(Middleware):
        def after_process_message(
            self, broker: Any, message: Any, *, result: Any = None, exception: Any = None
        ) -> None:
            raise_thread_exception(threading.get_ident(), Interrupt)
            for _ in range(10_000):
                threading.get_ident()

    broker.add_middleware(Interrupted())
    failing(broker, min_backoff=60_000).send()

    run_next(broker, broker.consume("default", prefetch=1, timeout=50))

    assert (stats(broker).in_flight, stats(broker).delayed, stats(broker).dead) == (1, 0, 0)


def test_a_released_message_is_handed_back_uncounted(
    broker: RedisStreamsBroker, make_broker: MakeBroker, eventually: Eventually
) -> None:
    """`Release` counts no retry and no delivery; the next taker sees the message as it was, before younger ones."""

    def refuse() -> None:
        raise Release

    dramatiq.actor(refuse, actor_name="refuse", broker=broker, on_failure="refuse")
    first, second = broker.get_actor("refuse").send(), broker.get_actor("refuse").send()
    consumer = broker.consume("default", prefetch=1, timeout=50)

    run_next(broker, consumer)
    other = make_broker().consume("default", prefetch=1, timeout=50)
    again = fetch(other)

    assert stats(broker).unfinished == 2
    assert (again.message_id, again.delivery, again.options) == (first.message_id, 1, {})
    assert again.message_id != second.message_id


def test_a_release_may_be_postponed(broker: RedisStreamsBroker) -> None:
    """With a delay the same message waits in the due set."""

    def refuse() -> None:
        raise Release(delay_ms=60_000)

    dramatiq.actor(refuse, actor_name="refuse", broker=broker).send()

    run_next(broker, broker.consume("default", prefetch=1, timeout=50))

    assert (stats(broker).in_flight, stats(broker).delayed) == (0, 1)


def test_requeued_messages_keep_their_place(make_broker: MakeBroker, eventually: Eventually) -> None:
    """What a stopping worker gives back is what the next worker gets first, as a first delivery."""
    stopping, next_one = make_broker(), make_broker()
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=stopping)
    sent = [actor.send().message_id for _ in range(3)]
    consumer = stopping.consume("default", prefetch=2, timeout=50)
    taken = [fetch(consumer), fetch(consumer)]

    consumer.requeue(taken)
    other = next_one.consume("default", prefetch=3, timeout=50)
    got = [fetch(other) for _ in range(3)]

    assert [message.message_id for message in got] == sent
    assert [message.delivery for message in got] == [1, 1, 1]


def test_closing_a_consumer_gives_back_what_it_kept(make_broker: MakeBroker, eventually: Eventually) -> None:
    """Fetched and never handed out: at once another worker's."""
    closing, other = make_broker(), make_broker()
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=closing)
    for _ in range(3):
        actor.send()
    consumer = closing.consume("default", prefetch=3, timeout=50)
    assert fetch(consumer) is not None

    consumer.close()
    reader = other.consume("default", prefetch=3, timeout=50)

    assert fetch(reader) is not None
    assert fetch(reader) is not None


def test_acknowledging_twice_frees_one_slot(broker: RedisStreamsBroker) -> None:
    """Dramatiq may call again after an error; the accounts stay right."""
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = fetch(consumer)

    consumer.ack(message)
    consumer.ack(message)

    assert broker.presence.slots.taken("default") == 0
