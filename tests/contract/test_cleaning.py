"""Flushing, consumers by hand, and what a broker says about itself."""

from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import Middleware

from tests.contract.subjects import JOIN_MS, Eventually, StartWorker, Subjects


@pytest.fixture
def put(broker: Any) -> Any:
    return dramatiq.actor(lambda *args: None, actor_name="put", broker=broker)


def test_flushing_drops_waiting_and_delayed(broker: Any, subjects: Subjects, put: Any) -> None:
    """A flushed queue is empty; the others are left alone."""
    other = dramatiq.actor(lambda: None, actor_name="other", queue_name="other", broker=broker)
    other.send()
    put.send()
    put.send_with_options(delay=60_000)

    broker.flush("default")

    assert (subjects.unfinished(broker), subjects.unfinished(broker, "other")) == (0, 1)


def test_flushing_all_empties_every_queue(broker: Any, subjects: Subjects, put: Any) -> None:
    """All declared queues, their delays included."""
    other = dramatiq.actor(lambda: None, actor_name="other", queue_name="other", broker=broker)
    for actor in (put, other):
        actor.send()
        actor.send_with_options(delay=60_000)

    broker.flush_all()

    assert (subjects.unfinished(broker), subjects.unfinished(broker, "other")) == (0, 0)


def test_flushing_drops_dead_letters(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """Dead letters belong to their queue."""
    broker.enqueue(dramatiq.actor(lambda: None, broker=broker, actor_name="x").message().copy(actor_name="nobody"))
    start_worker(broker)
    broker.join("default", timeout=JOIN_MS)
    assert subjects.dead(broker) == 1

    broker.flush("default")

    assert subjects.dead(broker) == 0


def test_a_worker_goes_on_after_a_flush(broker: Any, start_worker: StartWorker) -> None:
    """What is sent after the flush is run by the worker that was there before it."""
    ran: list[int] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)
    start_worker(broker)
    put.send(1)
    broker.join("default", timeout=JOIN_MS)

    broker.flush_all()
    put.send(2)
    broker.join("default", timeout=JOIN_MS)

    assert ran == [1, 2]


def test_a_consumer_returns_none_when_nothing_comes(broker: Any) -> None:
    """Between two messages Dramatiq looks at pauses and at the end: it must be handed None."""
    consumer = broker.consume("default", prefetch=1, timeout=20)

    assert next(consumer) is None
    consumer.close()


def test_a_consumer_holds_at_most_its_prefetch(broker: Any, put: Any, eventually: Eventually) -> None:
    """A second message comes when the first is acknowledged, not before."""
    put.send(1)
    put.send(2)
    consumer = broker.consume("default", prefetch=1, timeout=20)

    first = eventually(lambda: next(consumer))
    held_back = [next(consumer) for _ in range(3)]
    consumer.ack(first)
    second = eventually(lambda: next(consumer))
    consumer.ack(second)

    assert held_back == [None] * 3
    assert (first.args, second.args) == ((1,), (2,))


def test_a_rejected_message_is_a_dead_letter(broker: Any, subjects: Subjects, put: Any, eventually: Eventually) -> None:
    """`nack` buries, and a second one changes nothing."""
    put.send()
    consumer = broker.consume("default", prefetch=1, timeout=20)
    message = eventually(lambda: next(consumer))

    consumer.nack(message)
    consumer.nack(message)

    assert (subjects.unfinished(broker), subjects.dead(broker)) == (0, 1)


def test_requeued_messages_come_again(broker: Any, put: Any, eventually: Eventually) -> None:
    """Whatever a consumer hands back, in any iterable, another one gets; none at all is fine."""
    sent = {put.send(number).message_id for number in range(3)}
    consumer = broker.consume("default", prefetch=3, timeout=20)
    messages = [eventually(lambda: next(consumer)) for _ in range(3)]

    consumer.requeue([])
    consumer.requeue(message for message in messages)
    consumer.close()
    other = broker.consume("default", prefetch=3, timeout=20)
    again = {eventually(lambda: next(other)).message_id for _ in range(3)}

    assert again == sent


def test_a_queue_is_declared_once(broker: Any) -> None:
    """Declaring is idempotent and its signals come once; the set handed out is a copy."""
    told: list[str] = []

    class Ear(Middleware):
        def before_declare_queue(self, broker: Any, queue_name: str) -> None:
            told.append(f"before {queue_name}")

        def after_declare_queue(self, broker: Any, queue_name: str) -> None:
            told.append(f"after {queue_name}")

    broker.add_middleware(Ear())
    told.clear()  # a latecomer is told of the queues there are
    broker.declare_queue("one")
    broker.declare_queue("one")
    broker.get_declared_queues().add("two")

    assert told == ["before one", "after one"]
    assert broker.get_declared_queues() == {"default", "one"}


def test_unknown_attributes_are_refused(broker: Any) -> None:
    """A typing error is an AttributeError."""
    with pytest.raises(AttributeError):
        broker.no_such_thing  # noqa: B018


def test_unknown_middleware_and_actors_are_refused(broker: Any) -> None:
    """Registration follows Dramatiq's rules: names are unique and options are known."""
    dramatiq.actor(lambda: None, actor_name="twice", broker=broker)

    with pytest.raises(ValueError, match="twice"):
        dramatiq.actor(lambda: None, actor_name="twice", broker=broker)
    with pytest.raises(ValueError, match="no_such_option"):
        dramatiq.actor(lambda: None, actor_name="odd", broker=broker, no_such_option=1)
