"""The whole of a shard from outside: who works, what waits where, and all dead letters as one list."""

import itertools
from typing import Any

import dramatiq
import redis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.broker import Level, QueueAdmin, RedisStreamsBroker
from app.broker.keys import ShardKeys, tag
from app.broker.leases import ABOUT_CHARS_MAX, bounded
from app.broker.letter_list import LetterPlace
from tests.integration.broker.conftest import Eventually, MakeBroker, StartWorker, fetch

Letter = tuple[int, str, str]


def write(client: "redis.Redis", namespace: str, letters: list[Letter]) -> None:
    """Dead letters as other programs may write them: time of death, queue, id."""
    for died_ms, queue, letter_id in letters:
        names = ShardKeys(tag(namespace)).queue(queue)
        client.zadd(names.dlq, {letter_id: died_ms})
        client.hset(names.dlq_bodies, letter_id, "{}")
        client.hset(names.dlq_meta, letter_id, f'{{"reason": "failed", "died_at": {died_ms}}}')


def listed(admin: QueueAdmin, queues: list[str], limit: int) -> tuple[list[Letter], int]:
    """The list as its pages give it, and how many pages there were."""
    found: list[Letter] = []
    after: LetterPlace | None = None
    for pages in itertools.count(1):
        letters, after = admin.letters(queues, after, limit)
        found += [(letter.died_at_ms, letter.queue, letter.letter_id) for letter in letters]
        if after is None:
            return found, pages
    raise AssertionError


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    letters=st.lists(
        st.tuples(st.integers(1, 4), st.sampled_from(["a", "b", "b-c"]), st.text("aAé|/:%", min_size=1, max_size=3)),
        max_size=20,
        unique_by=lambda letter: letter[1:],
    ),
    limit=st.integers(1, 7),
)
def test_letters_of_all_queues_are_one_list(
    redis_client: "redis.Redis", namespace: str, letters: list[Letter], limit: int
) -> None:
    """The newest first, in one order whatever the size of the pages; each letter once."""
    redis_client.delete(*(key for queue in ("a", "b", "b-c") for key in _keys(namespace, queue)))
    write(redis_client, namespace, letters)

    found, _ = listed(QueueAdmin(redis_client, namespace), ["b", "a", "b-c"], limit)

    assert found == sorted(
        letters, key=lambda letter: [letter[0], *(part.encode() for part in letter[1:])], reverse=True
    )


def _keys(namespace: str, queue: str) -> list[str]:
    names = ShardKeys(tag(namespace)).queue(queue)
    return [names.dlq, names.dlq_bodies, names.dlq_meta]


def test_a_page_goes_on_where_the_one_before_ended(redis_client: "redis.Redis", namespace: str) -> None:
    """New letters and letters taken away, the one at the cursor among them, neither repeat nor hide others."""
    write(redis_client, namespace, [(n, "a" if n % 2 else "b", f"m{n}") for n in range(10, 16)])
    admin = QueueAdmin(redis_client, namespace)
    first, after = admin.letters(["a", "b"], None, 3)

    write(redis_client, namespace, [(99, "a", "new"), (98, "b", "newer")])
    admin.dead_letters("a").purge(["m13", "m11"])
    second, end = admin.letters(["a", "b"], after, 3)

    assert [letter.letter_id for letter in first] == ["m15", "m14", "m13"]
    assert ([letter.letter_id for letter in second], end) == (["m12", "m10"], None)


def test_letters_are_found_by_name(redis_client: "redis.Redis", namespace: str) -> None:
    """Those that are there; the others are left out."""
    write(redis_client, namespace, [(7, "a", "here")])
    letters = QueueAdmin(redis_client, namespace).dead_letters("a")

    found = letters.named(["here", "gone"])

    assert set(found) == {"here"}
    assert (found["here"].died_at_ms, found["here"].body) == (7, b"{}")
    assert letters.named([]) == {}


def test_a_worker_reports_itself_and_what_its_program_adds(make_broker: MakeBroker) -> None:
    """Who it is, what it reads, how much it holds; told again as soon as any of that has changed."""
    said = {"doing": "something"}
    broker = make_broker(about=lambda: said)
    dramatiq.actor(lambda: None, actor_name="work", broker=broker).send()
    heart = broker.presence._heart
    consumer = broker.consume("default", prefetch=1, timeout=50)
    message = fetch(consumer)

    heart.beat()
    (busy,) = broker.admin.workers()
    consumer.ack(message)
    broker.presence.held("default").drop(Level.NORMAL, [message.entry.entry_id])
    said["doing"] = "nothing"
    heart.beat()
    (idle,) = broker.admin.workers()
    said["doing"] = "else"
    heart.beat()
    (changed,) = broker.admin.workers()

    assert (busy.worker_id, busy.alive, busy.queues, busy.in_flight) == (broker.worker_id, True, ("default",), 1)
    assert broker.worker_id.startswith(f"{busy.host}:{busy.pid}:")
    assert 0 <= busy.silent_ms < 60_000
    assert idle.in_flight == 0
    assert [report.about["doing"] for report in (busy, idle, changed)] == ["something", "nothing", "else"]


def test_a_report_says_how_many_threads_read_what_since_when(
    make_broker: MakeBroker, start_worker: StartWorker, eventually: Eventually, rare_looks: int
) -> None:
    """A worker at rest reports itself when it starts, whole: the next report is minutes away."""
    broker = make_broker(lease_ms=rare_looks)
    for queue in ("one", "other"):
        dramatiq.actor(lambda: None, actor_name=queue, queue_name=queue, broker=broker)
    start_worker(broker, threads=3)

    (found,) = eventually(broker.admin.workers)

    assert found.queues == ("default", "one", "other")
    assert (found.threads, found.in_flight, found.alive) == (3, 0, True)
    assert found.started_ms


def test_a_silent_worker_is_listed_as_such(broker: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """Its report has expired; its id still says where it ran."""
    redis_client.zadd(broker.keys.workers, {"far-away:123:abcdef12": 1_000})

    (found,) = broker.admin.workers()

    assert (found.alive, found.host, found.pid, found.queues) == (False, "far-away", 123, ())
    assert (found.seen_ms, found.about) == (1_000, {})
    assert found.silent_ms > 1_000_000


def test_a_report_holds_its_size_and_outlives_its_program(make_broker: MakeBroker) -> None:
    """What a program adds may be too long, or raise: leases are renewed and the worker is listed all the same."""

    def broken() -> dict[str, str]:
        raise RuntimeError

    brokers: list[Any] = [make_broker(about=broken), make_broker(about=lambda: {"long": "x" * (ABOUT_CHARS_MAX + 1)})]
    for broker in brokers:
        broker.presence._heart.beat()

    assert [one.about for one in brokers[0].admin.workers()] == [{}, {}]
    assert bounded({"a": "b", "c": "x" * ABOUT_CHARS_MAX, "d": "e"}) == {"a": "b"}


def test_waiting_messages_are_counted_by_level(broker: RedisStreamsBroker) -> None:
    """What is in flight waits no more."""
    actor = dramatiq.actor(lambda: None, actor_name="run", broker=broker)
    for priority in (0, 5, 5, 9, 9, 9):
        actor.send_with_options(broker_priority=priority)
    next(broker.consume("default", prefetch=1, timeout=50))

    stats = broker.admin.stats("default")

    assert (stats.waiting_by_level, stats.waiting, stats.in_flight) == ((0, 2, 3), 5, 1)


def test_levels_of_a_shared_stream_are_not_known(make_broker: MakeBroker) -> None:
    """The streams hold what other queues wait for as well."""
    broker = make_broker(layout="single")
    dramatiq.actor(lambda: None, actor_name="run", broker=broker).send()

    assert (broker.admin.stats("default").waiting, broker.admin.stats("default").waiting_by_level) == (1, None)


def test_a_queue_is_known_once_it_was_used_or_paused(broker: RedisStreamsBroker) -> None:
    """So that a mistake in a name is found, and a pause under a wrong name can be taken back."""
    dramatiq.actor(lambda: None, actor_name="run", broker=broker).send()
    broker.admin.pause("mistake")

    assert [broker.admin.knows(name) for name in ("default", "mistake", "other")] == [True, True, False]
