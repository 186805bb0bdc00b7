"""Queues and dead letters in the hands of an operator."""

import threading
import time
from typing import Any

import dramatiq
import redis

from app.broker import Level, QueueAdmin, RedisStreamsBroker
from tests.integration.broker.conftest import Eventually, MakeBroker, StartWorker, fetch


def bury(broker: RedisStreamsBroker, count: int, *, actor: str = "doomed", **options: Any) -> list[str]:
    """So many dead letters of an actor, each after two failures; returns their ids in order of death."""
    declared = broker.actors.get(actor) or dramatiq.actor(lambda *args: None, actor_name=actor, broker=broker)
    consumer = broker.consume("default", prefetch=1, timeout=50)
    dead = []
    for n in range(count):
        declared.send_with_options(args=(n,), retries=2, traceback="boom", **options)
        message = fetch(consumer)
        message.stuff_exception(RuntimeError(f"failure {n}"))
        consumer.nack(message)
        dead.append(message.message_id)
    return dead


def test_dead_letters_are_listed_newest_first_and_by_the_page(broker: RedisStreamsBroker) -> None:
    """A page says what died, of what, when and after how many deliveries."""
    dead = bury(broker, 5)
    letters = broker.admin.dead_letters("default")

    first, second, third = letters.page(0, 2), letters.page(2, 2), letters.page(4, 2)

    assert {letter.letter_id for page in (first, second, third) for letter in page} == set(dead)
    assert [letter.died_at_ms for letter in letters.each()] == sorted(
        (letter.died_at_ms for letter in letters.each()), reverse=True
    )
    letter = next(letter for letter in letters.each() if letter.letter_id == dead[3])
    assert (letter.actor, letter.reason, letter.error) == ("doomed", "failed", "RuntimeError: failure 3")
    assert (letter.deliveries, letter.level, letter.queue) == (1, Level.NORMAL, "default")
    assert 0 <= letter.age_ms < 60_000


def test_a_requeued_letter_runs_anew_at_its_level(broker: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """The same message comes back without its retries, in the stream of its level, and is no dead letter any more."""
    (dead,) = bury(broker, 1, broker_priority=9)

    moved = broker.admin.dead_letters("default").requeue([dead])
    low = redis_client.xlen(broker.keys.queue("default").stream(Level.LOW))
    message = fetch(broker.consume("default", prefetch=1, timeout=50))

    assert (moved, low) == (1, 1)
    assert (message.message_id, message.args) == (dead, (0,))
    assert message.options == {"broker_priority": 9}
    assert broker.admin.stats("default").dead == 0


def test_letters_are_requeued_by_what_they_are(broker: RedisStreamsBroker) -> None:
    """A filter chooses; the others stay. More letters than one call moves are all moved."""
    bury(broker, 120, actor="wanted")
    kept = bury(broker, 2, actor="other")

    moved = broker.admin.dead_letters("default").requeue(where=lambda letter: letter.actor == "wanted")

    assert moved == 120
    assert {letter.letter_id for letter in broker.admin.dead_letters("default").each()} == set(kept)
    assert broker.admin.stats("default").waiting == 120


def test_a_letter_is_requeued_once(broker: RedisStreamsBroker) -> None:
    """Two operators at once: one moves it, the other is told that nothing was left."""
    (dead,) = bury(broker, 1)
    letters = broker.admin.dead_letters("default")
    again = QueueAdmin(broker.client, broker.namespace).dead_letters("default")

    assert letters.requeue([dead]) == 1
    assert again.requeue([dead]) == 0
    assert broker.admin.stats("default").waiting == 1


def test_bytes_that_are_no_message_are_listed_and_purged(
    broker: RedisStreamsBroker, redis_client: "redis.Redis"
) -> None:
    """No actor is known of them; everything else works."""
    broker.presence.ensure_group("default")
    redis_client.xadd(broker.keys.queue("default").stream(), {"m": b"\xff no message"})
    assert next(broker.consume("default", prefetch=1, timeout=50)) is None
    letters = broker.admin.dead_letters("default")

    (letter,) = letters.page()

    assert (letter.actor, letter.reason, letter.body) == (None, "undecodable", b"\xff no message")
    assert letters.purge([letter.letter_id]) == 1
    assert letters.page() == []


def test_purging_takes_named_old_or_all_letters(broker: RedisStreamsBroker, redis_client: "redis.Redis") -> None:
    """Nothing is left of a purged letter in any of the three keys."""
    dead = bury(broker, 6)
    names = broker.keys.queue("default")
    redis_client.zincrby(names.dlq, -3_600_000, dead[0])
    letters = broker.admin.dead_letters("default")

    assert letters.purge(older_than_ms=60_000) == 1
    assert letters.purge([dead[1], "unknown"]) == 1
    assert letters.purge(where=lambda letter: letter.letter_id == dead[2]) == 1
    assert {letter.letter_id for letter in letters.each()} == set(dead[3:])
    assert letters.purge() == 3
    assert redis_client.exists(names.dlq, names.dlq_bodies, names.dlq_meta) == 0


def test_a_paused_queue_rests_while_others_run(
    make_broker: MakeBroker, rare_looks: int, start_worker: StartWorker, eventually: Eventually
) -> None:
    """A waiting worker takes nothing from a paused queue, goes on with others, and starts again when resumed."""
    broker = make_broker(lease_ms=rare_looks)
    ran, other_ran = threading.Event(), threading.Event()
    actor = dramatiq.actor(ran.set, actor_name="run", broker=broker)
    other = dramatiq.actor(other_ran.set, actor_name="other", queue_name="other", broker=broker)
    start_worker(broker, timeout_ms=1_000)
    actor.send()
    assert ran.wait(60)
    ran.clear()

    assert broker.admin.pause("default")
    assert not broker.admin.pause("default")
    eventually(lambda: broker.presence.pauses.holds("default"))
    actor.send()
    other.send()

    assert other_ran.wait(60)
    assert not ran.wait(1.2)
    assert broker.admin.stats("default").paused
    assert broker.admin.stats("default").unfinished == 1
    assert broker.admin.resume("default")
    # Its next look would be due in ten minutes.
    assert ran.wait(60)


def test_what_a_read_brings_after_the_pause_goes_back(broker: RedisStreamsBroker, eventually: Eventually) -> None:
    """A read waits for messages when its worker hears of the pause: what comes then is not begun."""
    actor = dramatiq.actor(lambda: None, actor_name="run", broker=broker)
    consumer = broker.consume("default", timeout=60_000)
    found: list[object] = []
    reading = threading.Thread(target=lambda: found.append(next(consumer)), daemon=True)
    reading.start()
    eventually(lambda: any(client["cmd"] == "xreadgroup" for client in broker.client.client_list()))

    broker.presence.pauses.set("default", paused=True)
    actor.send()
    reading.join(60)

    assert found == [None]
    assert broker.admin.stats("default").unfinished == 1
    broker.presence.pauses.set("default", paused=False)
    assert fetch(consumer).delivery == 1


def test_a_pause_disturbs_nothing_that_runs(
    broker: RedisStreamsBroker, start_worker: StartWorker, eventually: Eventually
) -> None:
    """The message under way is finished and acknowledged; the one behind it goes back and waits."""
    began, finish = threading.Event(), threading.Event()

    def work() -> None:
        began.set()
        finish.wait(60)

    actor = dramatiq.actor(work, actor_name="work", broker=broker)
    broker.enqueue_many([actor.message() for _ in range(10)])
    start_worker(broker, threads=1)
    assert began.wait(60)

    broker.admin.pause("default")
    eventually(lambda: broker.presence.pauses.holds("default"))
    finish.set()
    give_up_s = time.monotonic() + 60
    while broker.admin.stats("default").in_flight > 3:
        assert time.monotonic() < give_up_s

    stats = broker.admin.stats("default")
    assert stats.dead == 0
    assert stats.unfinished >= 5
    broker.admin.resume("default")
    broker.join("default", timeout=60_000)


def test_a_pause_is_found_by_workers_that_start_later(make_broker: MakeBroker, start_worker: StartWorker) -> None:
    """It lies in Redis: a worker started afterwards begins nothing."""
    broker = make_broker()
    ran = threading.Event()
    actor = dramatiq.actor(ran.set, actor_name="run", broker=broker)
    broker.admin.pause("default")
    actor.send()

    start_worker(broker)

    assert not ran.wait(0.5)
    broker.admin.resume("default")
    assert ran.wait(60)


def test_a_lost_notice_of_a_pause_is_made_up_for(
    make_broker: MakeBroker, redis_client: "redis.Redis", start_worker: StartWorker, eventually: Eventually
) -> None:
    """Written without telling anyone, a pause and its end are still found with the next looks, one per lease."""
    broker = make_broker(lease_ms=1_000)
    dramatiq.actor(lambda: None, actor_name="run", broker=broker)
    start_worker(broker, timeout_ms=1_000)

    redis_client.sadd(broker.keys.paused, "default")

    assert eventually(lambda: broker.presence.pauses.holds("default"))
    redis_client.srem(broker.keys.paused, "default")
    assert eventually(lambda: not broker.presence.pauses.holds("default"))
