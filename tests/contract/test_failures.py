"""Failing messages: retries, limits, and where they end."""

import time
from typing import Any

import dramatiq
import pytest
from dramatiq.errors import Retry
from dramatiq.middleware import Middleware, SkipMessage, TimeLimit, TimeLimitExceeded

from tests.contract.subjects import JOIN_MS, StartWorker, Subjects

FAST = {"min_backoff": 1, "max_backoff": 5}


class Failing:
    """An actor's body that fails until it has run so often."""

    def __init__(self, failures: int, error: BaseException | None = None) -> None:
        self.failures = failures
        self.error = error or RuntimeError("not yet")
        self.at: list[float] = []

    def __call__(self, *args: Any) -> None:
        self.at.append(time.monotonic())
        if len(self.at) <= self.failures:
            raise self.error

    @property
    def runs(self) -> int:
        return len(self.at)


def send(broker: Any, start_worker: StartWorker, body: Any, **options: Any) -> None:
    """Makes an actor of the body, sends to it once, and waits until the queue is empty."""
    actor = dramatiq.actor(body, actor_name="act", broker=broker, **{**FAST, **options})
    start_worker(broker)
    actor.send("argument")
    broker.join("default", timeout=JOIN_MS)


def test_a_failing_message_is_retried_until_it_works(
    broker: Any, subjects: Subjects, start_worker: StartWorker
) -> None:
    """Three failures, one success, no dead letter."""
    body = Failing(3)

    send(broker, start_worker, body)

    assert (body.runs, subjects.dead(broker)) == (4, 0)


@pytest.mark.parametrize("max_retries", [0, 2])
def test_retries_end_with_a_dead_letter(
    broker: Any, subjects: Subjects, start_worker: StartWorker, max_retries: int
) -> None:
    """A message that is never done runs `max_retries` + 1 times and is put aside."""
    body = Failing(99)

    send(broker, start_worker, body, max_retries=max_retries)

    assert (body.runs, subjects.dead(broker)) == (max_retries + 1, 1)


def test_backoff_waits_between_runs(broker: Any, start_worker: StartWorker) -> None:
    """At least half of `min_backoff` (Dramatiq's jitter), and not for ever."""
    body = Failing(1)

    send(broker, start_worker, body, min_backoff=200, max_backoff=200)

    assert 0.1 <= body.at[1] - body.at[0] < 60


def test_an_actor_chooses_its_delay(broker: Any, start_worker: StartWorker) -> None:
    """`Retry(delay=...)` overrules the backoff."""
    body = Failing(1, Retry("later", delay=150))

    send(broker, start_worker, body, min_backoff=10 * JOIN_MS, max_backoff=10 * JOIN_MS)

    assert body.at[1] - body.at[0] >= 0.14


def test_a_predicate_decides_about_retries(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """`retry_when` is asked with the number of retries and the error."""
    asked: list[tuple[int, str]] = []

    def again(retries: int, error: BaseException) -> bool:
        asked.append((retries, str(error)))
        return retries < 2

    body = Failing(99)
    send(broker, start_worker, body, retry_when=again)

    assert (body.runs, subjects.dead(broker)) == (3, 1)
    assert asked == [(n, "not yet") for n in range(3)]


def test_expected_errors_are_not_retried(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """`throws` names errors after which a message is dead at once."""
    body = Failing(99, ValueError("expected"))

    send(broker, start_worker, body, throws=(ValueError,))

    assert (body.runs, subjects.dead(broker)) == (1, 1)


def test_an_actor_hears_of_exhausted_retries(broker: Any, start_worker: StartWorker) -> None:
    """`on_retry_exhausted` is sent the message and its counts, once."""
    told: list[Any] = []
    ear = dramatiq.actor(lambda message, counts: told.append((message, counts)), actor_name="ear", broker=broker)

    send(broker, start_worker, Failing(99), max_retries=1, on_retry_exhausted=ear.actor_name)

    [(message, counts)] = told
    assert (message["actor_name"], message["args"]) == ("act", ["argument"])
    assert counts == {"retries": 1, "max_retries": 1}


def test_an_old_message_is_not_run(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """`max_age` counts from sending; what is older becomes a dead letter."""
    body = Failing(0)
    actor = dramatiq.actor(body, actor_name="act", broker=broker, max_age=60_000)
    old = actor.message()
    broker.enqueue(old.copy(message_timestamp=old.message_timestamp - 120_000))
    actor.send()

    start_worker(broker)
    broker.join("default", timeout=JOIN_MS)

    assert (body.runs, subjects.dead(broker)) == (1, 1)


def test_a_time_limit_interrupts(subjects: Subjects, start_worker: StartWorker) -> None:
    """An actor that runs for too long is interrupted, and that counts as a failure."""
    broker = subjects.make(middleware=[TimeLimit(interval=20), dramatiq.middleware.Retries(min_backoff=1)])
    ended: list[str] = []

    def body(_: Any) -> None:
        give_up_s = time.monotonic() + 60
        try:
            while time.monotonic() < give_up_s:
                time.sleep(0)
        except TimeLimitExceeded:
            ended.append("interrupted")
            raise

    broker.emit_after("process_boot")  # as the command line does; the limits are watched from then on
    send(broker, start_worker, body, time_limit=100, max_retries=1)

    assert ended == ["interrupted"] * 2
    assert subjects.dead(broker) == 1


def test_a_skipped_message_is_done_with(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """`SkipMessage` from a hook: not run, signalled, and gone without a dead letter."""
    skipped: list[str] = []

    class Skip(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            raise SkipMessage

        def after_skip_message(self, broker: Any, message: Any) -> None:
            skipped.append(message.message_id)

    broker.add_middleware(Skip())
    body = Failing(0)
    send(broker, start_worker, body)

    assert (body.runs, len(skipped), subjects.dead(broker)) == (0, 1, 0)


def test_a_failing_before_hook_stops_nothing(broker: Any, subjects: Subjects, start_worker: StartWorker) -> None:
    """A bug in a hook that runs before a message is logged; the message is run and done."""

    class Broken(Middleware):
        def before_process_message(self, broker: Any, message: Any) -> None:
            raise RuntimeError("a bug")

    broker.add_middleware(Broken())
    body = Failing(0)
    send(broker, start_worker, body)

    assert (body.runs, subjects.dead(broker)) == (1, 0)


@pytest.mark.parametrize("eta", [None, "soon", 0])
def test_an_odd_eta_means_now(broker: Any, start_worker: StartWorker, eta: Any) -> None:
    """A message that says itself when to run, in a form nobody knows or in the past, is run at once."""
    body = Failing(0)
    actor = dramatiq.actor(body, actor_name="act", broker=broker)

    start_worker(broker)
    broker.enqueue(actor.message_with_options(eta=eta))
    broker.join("default", timeout=JOIN_MS)

    assert body.runs == 1
