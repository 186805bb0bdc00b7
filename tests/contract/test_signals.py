"""
Middleware hears the same signals in the same order from both brokers.

One thing is left out of the comparison: what the threads of the stock broker's delay queue say, because
there is no such queue here (`no delay queue` in `test_differences.DIFFERENCES`).
"""

import threading
from collections.abc import Callable
from typing import Any

import dramatiq
import pytest
from dramatiq.middleware import Middleware, SkipMessage
from dramatiq.worker import ConsumerThread, WorkerThread

from tests.contract.subjects import JOIN_MS, KINDS, StartWorker, Subjects

OF_MESSAGES = ("enqueue", "process_message", "skip_message", "ack", "nack", "delay_message")
OF_LIFE = ("process_boot", "worker_boot", "worker_shutdown", "consumer_thread_boot", "worker_thread_boot",
           "consumer_thread_shutdown", "worker_thread_shutdown")  # fmt: skip
OF_DECLARATIONS = ("declare_actor", "declare_queue")


class Ear(Middleware):
    """Hears every signal, in order."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        self._lock = threading.Lock()
        for name in (*OF_MESSAGES, *OF_LIFE, *OF_DECLARATIONS):
            for when in ("before", "after"):
                setattr(self, f"{when}_{name}", self._listener(f"{when}_{name}"))

    def _listener(self, signal: str) -> Callable[..., None]:
        def listen(_broker: Any, *args: Any, **outcome: Any) -> None:
            if not of_a_delay_queue(args):
                with self._lock:
                    self.heard.append(" ".join([signal, *about(signal, args, outcome)]))

        return listen


def of_a_delay_queue(args: tuple[Any, ...]) -> bool:
    """Whether the signal comes from, or is about, a thread of the stock broker's delay queue."""
    threads = [threading.current_thread(), *args]
    return any(isinstance(t, ConsumerThread) and t.queue_name.endswith(".DQ") for t in threads)


def about(signal: str, args: tuple[Any, ...], outcome: dict[str, Any]) -> list[str]:
    """What else both brokers must agree on: whether delayed, which outcome, in which kind of thread."""
    words = []
    if signal.endswith("enqueue"):
        words.append("delayed" if args[1] else "now")
    for name, value in sorted(outcome.items()):
        words.append(f"{name}={type(value).__name__}")
    if any(signal.endswith(name) for name in ("process_message", "skip_message", "ack", "nack")):
        thread = threading.current_thread()
        words.append("in a worker" if isinstance(thread, WorkerThread) else "in a consumer")
    return words


def fail_once(runs: list[int]) -> None:
    runs.append(1)
    if len(runs) == 1:
        raise RuntimeError("once")


def fail(_runs: list[int]) -> None:
    raise ValueError("always")


class Skip(Middleware):
    """Skips every message."""

    def before_process_message(self, broker: Any, message: Any) -> None:
        raise SkipMessage


SCENARIOS: dict[str, dict[str, Any]] = {
    "success": {"body": lambda _runs: None},
    "delayed": {"body": lambda _runs: None, "delay": 20},
    "retried": {"body": fail_once, "options": {"min_backoff": 1, "max_backoff": 1}},
    "exhausted": {"body": fail, "options": {"max_retries": 1, "min_backoff": 1, "max_backoff": 1}},
    "expected": {"body": fail, "options": {"throws": ValueError}},
    "skipped": {"body": lambda _runs: None, "skip": True},
    "too old": {"body": lambda _runs: None, "options": {"max_age": 1}, "age_ms": 1_000},
    "unknown": {"body": lambda _runs: None, "actor": "nobody"},
}


def play(subjects: Subjects, start_worker: StartWorker, scene: dict[str, Any]) -> list[str]:
    """One message's life; returns what was heard about messages."""
    ear, runs = Ear(), []
    broker = subjects.make()
    broker.add_middleware(ear)
    if scene.get("skip"):
        broker.add_middleware(Skip())
    body = scene["body"]
    actor = dramatiq.actor(lambda: body(runs), actor_name="act", broker=broker, **scene.get("options", {}))
    message = actor.message()
    message = message.copy(
        actor_name=scene.get("actor", "act"), message_timestamp=message.message_timestamp - scene.get("age_ms", 0)
    )
    # Sent first: otherwise the sender's own signal races with those of the worker.
    broker.enqueue(message, delay=scene.get("delay"))
    worker = start_worker(broker, threads=1)
    broker.join("default", timeout=JOIN_MS)
    worker.stop()
    return [signal for signal in ear.heard if signal.split()[0].partition("_")[2] in OF_MESSAGES]


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_message_gives_the_same_signals(
    name: str, subjects_of: Callable[[str], Subjects], start_worker: StartWorker
) -> None:
    """From enqueue to acknowledgement or rejection, for each way a message can go."""
    stock, streams = (play(subjects_of(kind), start_worker, SCENARIOS[name]) for kind in KINDS)

    assert streams == stock
    assert len(stock) >= 4


def test_a_worker_gives_the_same_signals(subjects_of: Callable[[str], Subjects], start_worker: StartWorker) -> None:
    """Booting and stopping, with one queue and two threads; threads of one kind may overtake each other."""
    heard = []
    for kind in KINDS:
        ear = Ear()
        broker = subjects_of(kind).make()
        broker.add_middleware(ear)
        broker.emit_after("process_boot")
        start_worker(broker, threads=2).stop()
        heard.append(ear.heard)
    stock, streams = heard

    assert sorted(streams) == sorted(stock)
    for order in (stock, streams):
        assert order.index("before_worker_boot") < order.index("after_consumer_thread_boot")
        assert order[-1] == "after_worker_shutdown"
        assert order.count("before_worker_thread_shutdown") == 2


def test_declarations_give_the_same_signals(subjects_of: Callable[[str], Subjects]) -> None:
    """Actors and their queues, in the order of declaration."""
    heard = []
    for kind in KINDS:
        ear = Ear()
        broker = subjects_of(kind).make()
        broker.add_middleware(ear)
        dramatiq.actor(lambda: None, actor_name="one", queue_name="one", broker=broker)
        dramatiq.actor(lambda: None, actor_name="again", queue_name="one", broker=broker)
        heard.append(ear.heard)

    assert heard[1] == heard[0]
    assert heard[0].count("before_declare_actor") == 2
