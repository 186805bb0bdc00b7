"""What Dramatiq expects of any broker."""

import threading
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq.errors import ConnectionClosed, QueueJoinTimeout
from dramatiq.middleware import Middleware, SkipMessage

from app.broker import QueueAdmin, RedisStreamsBroker
from tests.integration.broker.conftest import Eventually, MakeBroker, StartWorker, fetch


class Recorder(Middleware):
    """Notes the signals it is given, in order."""

    def __init__(self) -> None:
        self.signals: list[str] = []

    def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        self.signals.append("before_enqueue")

    def after_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
        self.signals.append("after_enqueue")

    def before_process_message(self, broker: Any, message: Any) -> None:
        self.signals.append("before_process_message")

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        self.signals.append("after_process_message")

    def before_ack(self, broker: Any, message: Any) -> None:
        self.signals.append("before_ack")

    def after_ack(self, broker: Any, message: Any) -> None:
        self.signals.append("after_ack")


def test_a_sent_message_is_run_and_leaves_nothing_behind(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """After the run the queue holds nothing: no entry, nothing pending, nothing delayed or dead."""
    ran: list[int] = []
    actor = dramatiq.actor(ran.append, actor_name="keep", broker=broker)
    start_worker(broker)

    actor.send(7)
    broker.join("default", timeout=60_000)

    stats = QueueAdmin(broker.client, broker.namespace).stats("default")
    assert ran == [7]
    assert (stats.unfinished, stats.dead, stats.oldest_age_ms) == (0, 0, 0)
    assert broker.client.xlen(broker.keys.queue("default").stream()) == 0


def test_messages_wait_for_the_first_worker(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """What was sent before any worker or group existed is delivered in order."""
    ran: list[int] = []
    actor = dramatiq.actor(ran.append, actor_name="keep", broker=broker)
    broker.enqueue_many([actor.message(i) for i in range(250)])

    start_worker(broker, threads=1)
    broker.join("default", timeout=60_000)

    assert ran == list(range(250))


def test_signals_come_once_and_in_order(
    make_broker: MakeBroker, start_worker: StartWorker, eventually: Eventually
) -> None:
    """A message gives each signal once, in the order that Dramatiq documents."""
    recorder = Recorder()
    broker = make_broker(middleware=[recorder])
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)

    actor.send()
    start_worker(broker)
    eventually(lambda: "after_ack" in recorder.signals)

    assert recorder.signals == [
        "before_enqueue",
        "after_enqueue",
        "before_process_message",
        "after_process_message",
        "before_ack",
        "after_ack",
    ]


def test_the_callers_message_is_not_changed(broker: RedisStreamsBroker) -> None:
    """Middleware may write into the options of the copy; the caller's message stays as it was."""

    class Stamp(Middleware):
        def before_enqueue(self, broker: Any, message: Any, delay: Any) -> None:
            message.options["stamp"] = 1

    broker.add_middleware(Stamp())
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    message = actor.message()

    sent = broker.enqueue(message)

    assert message.options == {}
    assert sent.options["stamp"] == 1
    assert (sent.message_id, sent.message_timestamp) == (message.message_id, message.message_timestamp)


def test_a_consumer_returns_none_within_its_timeout(broker: RedisStreamsBroker) -> None:
    """An idle consumer gives Dramatiq the chance to pause and to stop."""
    consumer = broker.consume("default", prefetch=1, timeout=50)

    assert next(consumer) is None


def test_a_consumer_holds_no_more_than_its_prefetch(broker: RedisStreamsBroker) -> None:
    """The third of three messages is handed out only when one of the two before it is done with."""
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    sent = [actor.send().message_id for _ in range(3)]
    consumer = broker.consume("default", prefetch=2, timeout=50)

    first, second, none = fetch(consumer), fetch(consumer), next(consumer)
    consumer.ack(first)
    third = fetch(consumer)

    assert none is None
    assert [first.message_id, second.message_id, third.message_id] == sent


def test_a_paused_worker_stops_and_goes_on(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """`pause` returns although messages keep coming, and `resume` runs what waited."""
    ran = threading.Semaphore(0)
    actor = dramatiq.actor(lambda: ran.release(1), actor_name="count", broker=broker)
    worker = start_worker(broker)
    actor.send()
    assert ran.acquire(timeout=60)

    worker.pause()
    actor.send()
    assert not ran.acquire(timeout=0.3)
    worker.resume()

    assert ran.acquire(timeout=60)


def test_a_stopped_worker_gives_back_what_it_did_not_begin(make_broker: MakeBroker, start_worker: StartWorker) -> None:
    """The message behind a running one is neither lost nor run twice when the worker stops."""
    started, finish, ran = threading.Event(), threading.Event(), []

    def work(n: int) -> None:
        ran.append(n)
        started.set()
        finish.wait(60)

    first, second = make_broker(), make_broker()
    for broker in (first, second):
        dramatiq.actor(work, actor_name="work", broker=broker)
    worker = start_worker(first, threads=1)
    first.enqueue_many([first.get_actor("work").message(n) for n in range(3)])
    assert started.wait(60)

    worker.workers[0].stop()
    finish.set()
    worker.stop()
    start_worker(second)
    second.join("default", timeout=60_000)

    assert sorted(ran) == [0, 1, 2]


def test_a_stopping_worker_takes_nothing_more(make_broker: MakeBroker, start_worker: StartWorker) -> None:
    """While a hook delays the shutdown, new messages are left for other workers."""
    broker, other = make_broker(middleware=[]), make_broker()
    ran = threading.Event()
    began_late: list[bool] = []

    class Slow(Middleware):
        def before_worker_shutdown(self, broker: Any, worker: Any) -> None:
            broker.get_actor("run").send()
            began_late.append(ran.wait(0.3))

    broker.add_middleware(Slow())
    for each in (broker, other):
        dramatiq.actor(ran.set, actor_name="run", broker=each)

    start_worker(broker).stop()
    start_worker(other)

    assert began_late == [False]
    assert ran.wait(60)


def test_flush_drops_everything_under_a_running_worker(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """Waiting, delayed and dead messages are gone, and the worker reads on."""
    ran = threading.Event()
    actor = dramatiq.actor(ran.set, actor_name="run", broker=broker)
    actor.send_with_options(delay=60_000)
    start_worker(broker)

    broker.flush("default")
    broker.join("default", timeout=60_000)
    actor.send()

    assert ran.wait(60)


def test_join_gives_up_after_its_timeout(broker: RedisStreamsBroker) -> None:
    """A queue that never empties raises Dramatiq's error."""
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()

    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)


def test_there_are_no_delay_queues_and_no_other_attributes(broker: RedisStreamsBroker) -> None:
    """Delays live on the server, so workers start no threads for them; unknown names are errors."""
    assert broker.get_declared_queues() == {"default"}
    assert broker.get_declared_delay_queues() == set()
    with pytest.raises(AttributeError):
        broker.do_fetch  # noqa: B018


def test_declaring_a_queue_needs_no_redis() -> None:
    """Actors are declared when modules are imported, wherever Redis is."""
    broker = RedisStreamsBroker(url="redis://127.0.0.1:1/0")

    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)

    assert broker.get_declared_queues() == {"default"}


def test_redis_errors_leave_enqueue_as_dramatiqs() -> None:
    """Callers know one family of errors, whatever the driver calls them."""
    broker = RedisStreamsBroker(url="redis://127.0.0.1:1/0", send_patience_ms=20)
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)

    with pytest.raises(ConnectionClosed):
        actor.send()


def test_a_message_for_an_unknown_actor_becomes_a_dead_letter(
    broker: RedisStreamsBroker, make_broker: MakeBroker, start_worker: StartWorker
) -> None:
    """A worker that lacks the actor buries the message instead of losing or repeating it."""
    dramatiq.actor(lambda: None, actor_name="elsewhere", broker=make_broker()).send()

    start_worker(broker)
    broker.join("default", timeout=60_000)

    assert QueueAdmin(broker.client, broker.namespace).stats("default").dead == 1


def test_a_skipped_message_is_settled(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """`SkipMessage` acknowledges, as with other brokers."""

    class SkipAll(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            raise SkipMessage

    broker.add_middleware(SkipAll())
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()

    start_worker(broker)
    broker.join("default", timeout=60_000)

    assert QueueAdmin(broker.client, broker.namespace).stats("default").dead == 0


def test_entries_that_are_no_messages_are_buried_with_their_bytes(
    broker: RedisStreamsBroker, redis_client: "redis.Redis"
) -> None:
    """Bytes, wrong fields and wrong types go to the dead letters; the message among them is handed out."""
    names = broker.keys.queue("default")
    actor = dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    redis_client.xadd(names.stream(), {"m": b"\xff\x00"})
    redis_client.xadd(names.stream(), {"x": b"1"})
    sent = actor.send()
    redis_client.xadd(names.stream(), {"m": sent.encode().replace(b'"options":{}', b'"options":null')})
    consumer = broker.consume("default", prefetch=8, timeout=50)

    message = fetch(consumer)
    assert message.message_id == sent.message_id
    assert redis_client.zcard(names.dlq) == 3
    assert b"\xff\x00" in redis_client.hvals(names.dlq_bodies)
    assert redis_client.xlen(names.stream()) == 1


@pytest.mark.parametrize("loss", ["group", "stream", "everything"])
def test_a_group_that_vanishes_is_made_anew(
    broker: RedisStreamsBroker,
    start_worker: StartWorker,
    redis_client: "redis.Redis",
    eventually: Eventually,
    loss: str,
) -> None:
    """After XGROUP DESTROY, DEL or the loss of every key the worker goes on, without a restart."""
    ran = threading.Event()
    actor = dramatiq.actor(ran.set, actor_name="run", broker=broker)
    names = broker.keys.queue("default")
    start_worker(broker)
    eventually(lambda: redis_client.exists(names.stream()) and redis_client.xinfo_groups(names.stream()))

    if loss == "group":
        redis_client.xgroup_destroy(names.stream(), names.group)
    elif loss == "stream":
        redis_client.delete(names.stream())
    else:
        redis_client.delete(*redis_client.keys(f"{broker.keys.tag}:*".replace("{", "\\{")))
    actor.send()

    assert ran.wait(60)
    broker.join("default", timeout=60_000)
