"""Messages into queues and out of them: what comes in is run, once, where and when it should be."""

import threading
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import QueueJoinTimeout
from dramatiq.middleware import Middleware, MiddlewareError

from tests.contract.subjects import JOIN_MS, Eventually, StartWorker, Subjects

LARGE_CHARS = 100_000


def test_a_sent_message_is_run_with_its_arguments(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """Positional and named arguments arrive as they were sent, and nothing stays behind."""
    ran: list[Any] = []

    @dramatiq.actor(broker=broker)
    def put(*args: Any, **kwargs: Any) -> None:
        ran.append((args, kwargs))

    start_worker(broker)
    put.send(1, "two", [3], four={"five": None})
    broker.join("default", timeout=JOIN_MS)

    assert ran == [((1, "two", [3]), {"four": {"five": None}})]
    assert (subjects.unfinished(broker), subjects.dead(broker)) == (0, 0)


def test_messages_wait_for_a_worker_and_keep_their_order(broker: Any, start_worker: StartWorker) -> None:
    """What was sent before the first worker came is run in the order of sending."""
    ran: list[int] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)

    for number in range(30):
        put.send(number)
    start_worker(broker, threads=1)
    broker.join("default", timeout=JOIN_MS)

    assert ran == list(range(30))


def test_sending_changes_only_a_copy(broker: Any) -> None:
    """The caller's message stays as it was; what comes back has the same id."""
    put = dramatiq.actor(lambda: None, actor_name="put", broker=broker)
    message = put.message()
    before = message.asdict()

    sent = broker.enqueue(message, delay=60_000)

    assert message.asdict() == before
    assert (sent.message_id, sent.message_timestamp) == (message.message_id, message.message_timestamp)


def test_a_large_message_arrives_whole(broker: Any, start_worker: StartWorker) -> None:
    """Hundreds of kilobytes, with characters of every width."""
    ran: list[str] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)
    text = "aß€😀" * (LARGE_CHARS // 4)

    start_worker(broker)
    put.send(text)
    broker.join("default", timeout=JOIN_MS)

    assert ran == [text]


def test_many_threads_send_at_once(broker: Any, start_worker: StartWorker) -> None:
    """A broker is shared by the threads of a program."""
    ran: list[int] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)
    start_worker(broker)

    senders = [threading.Thread(target=lambda n=n: [put.send(n * 10 + i) for i in range(10)]) for n in range(5)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    broker.join("default", timeout=JOIN_MS)

    assert sorted(ran) == list(range(50))


def test_an_actor_sends_to_another_queue(broker: Any, start_worker: StartWorker) -> None:
    """A message sent from an actor's body goes out, also to a queue declared while the worker runs."""
    ran: list[int] = []
    start_worker(broker)
    put = dramatiq.actor(ran.append, actor_name="put", queue_name="late", broker=broker)
    first = dramatiq.actor(lambda n: put.send(n) and None, actor_name="first", broker=broker)

    first.send(7)
    broker.join("default", timeout=JOIN_MS)
    broker.join("late", timeout=JOIN_MS)

    assert ran == [7]


def test_a_message_for_an_unknown_actor_becomes_a_dead_letter(
    broker: Any, subjects: Subjects, start_worker: StartWorker
) -> None:
    """Nobody can run it, so it is put aside and others go on."""
    ran: list[int] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)
    lost = put.message(1).copy(actor_name="nobody")

    start_worker(broker)
    broker.enqueue(lost)
    put.send(2)
    broker.join("default", timeout=JOIN_MS)

    assert ran == [2]
    assert subjects.dead(broker) == 1


def test_a_worker_reads_only_the_queues_it_was_given(
    broker: Any, subjects: Subjects, start_worker: StartWorker
) -> None:
    """`queues` is a subset; the others wait for another worker."""
    ran: list[str] = []
    here = dramatiq.actor(ran.append, actor_name="here", queue_name="here", broker=broker)
    there = dramatiq.actor(ran.append, actor_name="there", queue_name="there", broker=broker)

    start_worker(broker, queues={"here"})
    there.send("there")
    here.send("here")
    there.send_with_options(args=("there",), delay=1)
    broker.join("here", timeout=JOIN_MS)

    assert ran == ["here"]
    assert subjects.unfinished(broker, "there") == 2


def test_brokers_of_one_process_do_not_mix(
    subjects: Subjects, namespace: str, broker: Any, start_worker: StartWorker
) -> None:
    """Two brokers with a namespace each: every message is run by the worker of its own."""
    other = subjects.make(namespace=f"{namespace}:other")
    ran: list[tuple[str, int]] = []
    for name, its in (("one", broker), ("other", other)):
        put = dramatiq.actor(lambda n, name=name: ran.append((name, n)), actor_name="put", broker=its)
        start_worker(its)
        for number in range(5):
            put.send(number)

    broker.join("default", timeout=JOIN_MS)
    other.join("default", timeout=JOIN_MS)

    assert sorted(ran) == [(name, n) for name in ("one", "other") for n in range(5)]


def test_actor_priorities_order_what_was_fetched(
    broker: Any, start_worker: StartWorker, eventually: Eventually
) -> None:
    """Of two messages that wait inside the worker, the one with the smaller number begins."""
    began, gates = threading.Barrier(3), [threading.Event(), threading.Event()]
    ran: list[str] = []

    @dramatiq.actor(broker=broker)
    def hold(number: int) -> None:
        began.wait(60)
        gates[number].wait(60)

    late = dramatiq.actor(lambda: ran.append("late"), actor_name="late", priority=10, broker=broker)
    soon = dramatiq.actor(lambda: ran.append("soon"), actor_name="soon", priority=-10, broker=broker)
    worker = start_worker(broker, threads=2)

    hold.send(0)
    hold.send(1)
    began.wait(60)
    late.send()
    soon.send()
    eventually(lambda: worker.work_queue.unfinished_tasks == 4)
    gates[0].set()
    eventually(lambda: len(ran) == 2)
    gates[1].set()

    assert ran == ["soon", "late"]


def test_a_paused_worker_begins_nothing(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """`pause` returns when all threads stand still; `resume` goes on with what has come meanwhile."""
    ran: list[int] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)
    worker = start_worker(broker)

    worker.pause()
    put.send(1)
    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=200)
    paused = list(ran)
    worker.resume()
    broker.join("default", timeout=JOIN_MS)

    assert (paused, ran) == ([], [1])


def test_joining_waits_for_delayed_messages(broker: Any, start_worker: StartWorker) -> None:
    """No moment exists at which a message on its way from delayed to waiting is missed."""
    ran: list[int] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)
    start_worker(broker)

    for number in range(10):
        put.send_with_options(args=(number,), delay=20)
        broker.join("default", interval=1, timeout=JOIN_MS)
        assert ran == list(range(number + 1))


def test_joining_gives_up_in_time(broker: Any) -> None:
    """`QueueJoinTimeout` when messages remain."""
    put = dramatiq.actor(lambda: None, actor_name="put", broker=broker)
    put.send()

    with pytest.raises(QueueJoinTimeout):
        broker.join("default", timeout=50)


def test_an_enqueue_may_be_vetoed(broker: Any, subjects: Subjects) -> None:
    """A `MiddlewareError` from before_enqueue reaches the sender, and nothing was sent."""

    class Veto(Middleware):
        def before_enqueue(self, broker: Any, message: Any, delay: int | None) -> None:
            raise MiddlewareError("no")

    broker.add_middleware(Veto())
    put = dramatiq.actor(lambda: None, actor_name="put", broker=broker)

    with pytest.raises(MiddlewareError):
        put.send()

    assert subjects.unfinished(broker) == 0
