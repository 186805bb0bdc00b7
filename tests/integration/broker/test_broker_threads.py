"""Worker threads that die are replaced, and their messages are not lost."""

import threading
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import Middleware
from dramatiq.middleware.threading import Interrupt
from dramatiq.worker import ConsumerThread

from app.broker import RedisStreamsBroker
from tests.integration.broker.conftest import Eventually, MakeBroker, StartWorker


class Killer(Middleware):
    """Raises an interrupt in the signal it is told, once; outside of the actor that ends the thread."""

    def __init__(self, signal: str) -> None:
        self.left = 1
        setattr(self, signal, self._strike)

    def _strike(self, *args: Any, **kwargs: Any) -> None:
        if self.left:
            self.left -= 1
            raise Interrupt


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("signal", ["before_ack", "after_ack"])
def test_a_worker_thread_that_died_is_replaced(
    make_broker: MakeBroker, start_worker: StartWorker, eventually: Eventually, signal: str
) -> None:
    """With one thread, killed while a message is acknowledged: the next message runs, and the first is settled once."""
    broker = make_broker(middleware=[Killer(signal)])
    ran: list[int] = []
    actor = dramatiq.actor(ran.append, actor_name="keep", broker=broker)
    worker = start_worker(broker, threads=1)

    actor.send(1)
    actor.send(2)
    broker.join("default", timeout=60_000)

    assert ran == [1, 2]
    # The new thread works before it is on the list.
    eventually(lambda: [thread.is_alive() for thread in worker.workers] == [True])
    worker.join()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_message_that_its_thread_never_began_is_handed_back(
    broker: RedisStreamsBroker, start_worker: StartWorker
) -> None:
    """The interrupt strikes between the queue and the first line of work: the message runs all the same."""
    ran: list[int] = []
    actor = dramatiq.actor(ran.append, actor_name="keep", broker=broker)
    worker = start_worker(broker, threads=1)
    taking = worker.work_queue.get
    strikes = iter([True])

    def take(*args: Any, **kwargs: Any) -> Any:
        item = taking(*args, **kwargs)
        if next(strikes, False):
            raise Interrupt
        return item

    worker.work_queue.get = take  # type: ignore[method-assign]
    actor.send(1)
    broker.join("default", timeout=60_000)

    assert ran == [1]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_an_interrupt_between_verdict_and_flusher_loses_nothing(
    broker: RedisStreamsBroker, start_worker: StartWorker
) -> None:
    """The thread dies when its verdict stands and nobody was told: the message is settled all the same."""
    ran: list[int] = []
    actor = dramatiq.actor(ran.append, actor_name="keep", broker=broker)
    start_worker(broker, threads=1)
    adding = broker.presence.flusher.add
    strikes = iter([True])

    def add(settled: Any) -> None:
        if next(strikes, False):
            raise Interrupt
        adding(settled)

    broker.presence.flusher.add = add  # type: ignore[method-assign]
    actor.send(1)
    actor.send(2)
    broker.join("default", timeout=60_000)

    assert ran == [1, 2]
    assert broker.presence.slots.taken("default") == 0


def test_a_stopping_worker_keeps_its_dead(broker: RedisStreamsBroker, start_worker: StartWorker) -> None:
    """Threads that end because they were told to are not replaced."""
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker)
    worker = start_worker(broker, threads=2)

    worker.stop()

    assert not any(thread.is_alive() for thread in worker.workers)
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("broker-")] == []


def test_a_thread_that_has_only_just_begun_is_stopped_too(
    broker: RedisStreamsBroker, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dramatiq's threads say that they run as they begin, also when they were told to stop before that."""
    begin, told = threading.Event(), threading.Event()
    run, stop = ConsumerThread.run, ConsumerThread.stop
    monkeypatch.setattr(ConsumerThread, "run", lambda thread: begin.wait(60) and run(thread))
    monkeypatch.setattr(ConsumerThread, "stop", lambda thread: (stop(thread), told.set()))
    worker = start_worker(broker)

    stopping = threading.Thread(target=worker.stop, kwargs={"timeout": 3_000})
    stopping.start()
    told.wait(0.5)
    begin.set()
    stopping.join()

    assert not any(thread.is_alive() for thread in worker.consumers.values())


def test_a_message_given_away_is_not_begun(broker: RedisStreamsBroker) -> None:
    """A thread that comes late with a message that was handed back skips it."""
    dramatiq.actor(lambda: None, actor_name="nothing", broker=broker).send()
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = next(consumer)
    assert message is not None
    consumer.requeue([message])

    with pytest.raises(dramatiq.middleware.SkipMessage):
        broker.emit_before("process_message", message)
