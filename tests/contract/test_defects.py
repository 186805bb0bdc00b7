"""
What goes wrong with Dramatiq's own Redis broker, and not with this one.

Each test runs one accident on both. The outcome on the stock broker is asserted too: it proves that the
accident took place, and that the defect is real.
"""

import threading
from typing import Any

import dramatiq
import pytest
import redis
from dramatiq import pipeline
from dramatiq.middleware import Callbacks, GroupCallbacks, Middleware, Pipelines, Retries
from dramatiq.rate_limits.backends import RedisBackend as RateLimits

from tests.contract.subjects import JOIN_MS, Eventually, StartWorker, Subjects
from tests.contract.trouble import Line, client_over

#: For how long a message that should never come is waited for.
NEVER_S = 0.6


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def cut_off(subjects: Subjects, line: Line) -> Any:
    """A broker behind `line`, with the usual middleware."""
    client = client_over(line, subjects.url)
    subjects.clients.append(client)
    return subjects.make(client=client, lease_ms=2_000)


def await_drained(subjects: Subjects, eventually: Eventually) -> None:
    """Asks over a line of its own: the other one may be cut just now."""
    watcher = subjects.make()
    eventually(lambda: subjects.unfinished(watcher) == 0)


class AwayDuringHooks(Middleware):
    """Cuts the line while the hooks of one actor's message run, and mends it before the acknowledgement."""

    def __init__(self, line: Line, actor_name: str) -> None:
        self.line, self.actor_name = line, actor_name
        self.done = False

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        # The last of the list is the first of the after-hooks.
        if message.actor_name == self.actor_name and not self.done:
            self.done = True
            self.line.cut()

    def before_ack(self, broker: Any, message: Any) -> None:
        self.line.mend()

    before_nack = before_ack


def test_a_retry_is_not_lost_while_redis_is_away(
    cut_off: Any, subjects: Subjects, line: Line, start_worker: StartWorker, eventually: Eventually
) -> None:
    """Redis is away while Dramatiq enqueues a retry: stock logs that and acknowledges; the message is gone."""
    cut_off.add_middleware(AwayDuringHooks(line, "act"))
    runs: list[int] = []

    @dramatiq.actor(actor_name="act", broker=cut_off, min_backoff=1, max_backoff=1)
    def act() -> None:
        runs.append(1)
        if len(runs) == 1:
            raise RuntimeError("once")

    start_worker(cut_off, threads=1)
    act.send()
    await_drained(subjects, eventually)

    assert len(runs) == (1 if subjects.is_stock else 2)
    assert subjects.dead(cut_off) == 0


@pytest.mark.parametrize("what", [Pipelines, Callbacks, GroupCallbacks])
def test_what_follows_a_message_is_not_lost_while_redis_is_away(
    cut_off: Any,
    subjects: Subjects,
    line: Line,
    start_worker: StartWorker,
    eventually: Eventually,
    ledger: "redis.Redis",
    what: type,
) -> None:
    """The same accident with a pipeline's next step, a callback, and the callback of a group."""
    cut_off.add_middleware(GroupCallbacks(RateLimits(client=ledger)))
    cut_off.add_middleware(AwayDuringHooks(line, "first"))
    followed: list[str] = []
    first = dramatiq.actor(lambda: None, actor_name="first", broker=cut_off)
    then = dramatiq.actor(lambda *_: followed.append("then"), actor_name="then", broker=cut_off)
    start_worker(cut_off, threads=1)

    if what is Pipelines:
        pipeline([first.message(), then.message()], broker=cut_off).run()
    elif what is Callbacks:
        first.send_with_options(on_success="then")
    else:
        members = dramatiq.group([first.message()], broker=cut_off)
        members.add_completion_callback(then.message())
        members.run()
    await_drained(subjects, eventually)

    assert followed == ([] if subjects.is_stock else ["then"])


def test_delayed_messages_survive_a_lost_connection(
    cut_off: Any, subjects: Subjects, line: Line, start_worker: StartWorker, eventually: Eventually
) -> None:
    """Stock keeps delayed messages in a worker's memory and forgets them when its connection breaks."""
    fetched, ran = threading.Event(), threading.Event()

    class Ear(Middleware):
        def before_delay_message(self, broker: Any, message: Any) -> None:
            fetched.set()

    cut_off.add_middleware(Ear())
    later = dramatiq.actor(ran.set, actor_name="later", broker=cut_off)
    start_worker(cut_off)
    later.send_with_options(delay=400)
    assert not subjects.is_stock or fetched.wait(60)

    line.cut()
    eventually(lambda: ("default.DQ" if subjects.is_stock else "default") in line.refused)
    line.mend()

    assert ran.wait(0.4 + NEVER_S if subjects.is_stock else 10) is not subjects.is_stock
    if subjects.is_stock:
        assert subjects.unfinished(cut_off) == 1


def test_a_message_whose_fetch_got_no_reply_is_run(
    cut_off: Any, subjects: Subjects, line: Line, start_worker: StartWorker
) -> None:
    """Stock popped it for a live worker that never saw it, where it stays."""
    ran = threading.Event()
    act = dramatiq.actor(lambda _: ran.set(), actor_name="act", broker=cut_off)
    act.send("mark-of-this-message")
    line.lose_reply_with(b"mark-of-this-message")

    start_worker(cut_off)
    assert line.lost.wait(60)

    assert ran.wait(NEVER_S if subjects.is_stock else 10) is not subjects.is_stock


def test_a_closed_consumer_keeps_nothing(subjects: Subjects, eventually: Eventually) -> None:
    """What a stock consumer has fetched and not handed out stays reserved when it is closed."""
    one, other = subjects.make(), subjects.make()
    put = dramatiq.actor(lambda _: None, actor_name="put", broker=one)
    for number in range(3):
        put.send(number)
    consumer = one.consume("default", prefetch=3, timeout=20)
    consumer.ack(eventually(lambda: next(consumer)))

    consumer.close()
    taker = other.consume("default", prefetch=3, timeout=20)
    taken = [message.args[0] for message in (next(taker) for _ in range(4)) if message is not None]

    assert taken == ([] if subjects.is_stock else [1, 2])


def test_an_undecodable_message_takes_no_others_with_it(
    subjects: Subjects, start_worker: StartWorker, eventually: Eventually
) -> None:
    """Bytes that are no message, among others: stock's consumer dies and strands the rest of what it fetched."""
    broker = subjects.make()
    ran: list[int] = []
    put = dramatiq.actor(ran.append, actor_name="put", broker=broker)
    put.send(1)
    subjects.put_raw(broker, b"\xff no message")
    put.send(2)

    start_worker(broker, threads=4)
    if subjects.is_stock:
        threading.Event().wait(NEVER_S)
    else:
        broker.join("default", timeout=JOIN_MS)

    assert sorted(ran) == ([1] if subjects.is_stock else [1, 2])
    assert subjects.dead(broker) == (0 if subjects.is_stock else 1)


def test_far_delays_do_not_hold_back_near_ones(
    subjects: Subjects, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker's memory full of far-off messages (here: ten) hides those that are due soon."""
    monkeypatch.setattr("dramatiq.worker.DELAY_QUEUE_PREFETCH", 10)
    broker = subjects.make()
    ran = threading.Event()
    near = dramatiq.actor(ran.set, actor_name="near", broker=broker)
    for _ in range(10):
        near.send_with_options(delay=3_600_000)
    start_worker(broker)

    near.send_with_options(delay=50)

    assert ran.wait(0.05 + NEVER_S if subjects.is_stock else 10) is not subjects.is_stock


def test_a_timeout_of_the_socket_is_a_lost_connection(
    cut_off: Any, subjects: Subjects, line: Line, start_worker: StartWorker, eventually: Eventually
) -> None:
    """An acknowledgement that times out is repeated; stock gives up and keeps the message reserved."""

    class TimesOut(Middleware):
        def before_ack(self, broker: Any, message: Any) -> None:
            line.cut(redis.TimeoutError("timed out by the test"))

    cut_off.add_middleware(TimesOut())
    act = dramatiq.actor(lambda: None, actor_name="act", broker=cut_off)
    worker = start_worker(cut_off, threads=1)
    act.send()
    eventually(lambda: line.refused)
    worker.join()
    eventually(lambda: "WorkerThread" in line.refused or not subjects.is_stock)
    line.mend()
    if not subjects.is_stock:
        cut_off.join("default", timeout=JOIN_MS)

    threading.Event().wait(0.2)
    assert subjects.unfinished(cut_off) == (1 if subjects.is_stock else 0)


def test_usual_middleware_is_in_place(cut_off: Any) -> None:
    """The accidents above happen to Dramatiq's own, unchanged hooks."""
    kinds = {type(middleware) for middleware in cut_off.middleware}
    assert {Retries, Pipelines, Callbacks} <= kinds
