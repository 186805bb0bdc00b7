"""Queues and workers: is what waits being worked on?"""

from app.cli.doctor.place import Place, Words, text
from app.cli.records import age
from app.preflight.finding import Findings, fail, number, ok, warn

WAITING_MS_MAX = 60_000
OVERDUE_MS_MAX = 10_000
#: Work of a dead worker moves on after one lease and a sweep; after so many it does not move at all.
LEASES_MAX = 3
STUCK_MAX = 100
START_WORKERS = "start workers: `stepstream worker`"


def workers(place: Place) -> Findings:
    """Does anybody work?"""
    alive = [worker for worker in place.workers if worker.alive]
    silent = [worker for worker in place.workers if not worker.alive]
    work = sum(stats.unfinished for stats in place.queues.values())
    if not alive and work:
        yield fail("workers", f"nobody works, and there is work: {number(work, 'message')}", START_WORKERS)
    elif not alive:
        yield warn("workers", "nobody works", START_WORKERS)
    else:
        slots = sum(worker.threads for worker in alive)
        yield ok("workers", f"{len(alive)} alive, {slots} threads, {sum(w.in_flight for w in alive)} batches in hand")
    for worker in silent:
        said = f"{worker.worker_id} went silent {age(worker.silent_ms)} ago without signing off"
        yield warn("workers", said, "see why it died; its work has moved on")


def queues(place: Place) -> Findings:
    """Is every queue read, and in time?"""
    stats = place.queues
    waiting, delayed = sum(s.waiting for s in stats.values()), sum(s.delayed for s in stats.values())
    yield ok("queues", f"{len(stats)} known, {number(waiting, 'message')} waiting, {delayed} delayed")
    read = {queue for worker in place.workers if worker.alive for queue in worker.queues}
    for queue, held in stats.items():
        if held.paused:
            advice = f"`stepstream queues resume {queue}` when it may go on"
            yield warn("queues", f"{queue} is paused, waiting: {number(held.waiting, 'message')}", advice)
        elif held.waiting and queue not in read:
            advice = f"start a worker for it: `stepstream worker --queues {queue}`"
            yield fail("queues", f"nobody reads {queue}, waiting: {number(held.waiting, 'message')}", advice)
        elif held.oldest_age_ms > WAITING_MS_MAX:
            said = f"the oldest message in {queue} has waited for {age(held.oldest_age_ms)}, {held.waiting} wait"
            yield warn("queues", said, "start more workers, or give them more threads")


def groups(place: Place) -> Findings:
    """Is there a consumer group wherever there is a stream?"""
    missing = 0
    for queue in place.queues:
        keys = place.queue_keys(queue)
        for stream in keys.streams:
            # An error: there is no stream, so there is nothing to read.
            (found,) = place.ask_all([("XINFO", "GROUPS", stream)])
            names = [text(row[row.index(b"name") + 1]) for row in found] if isinstance(found, list) else [keys.group]
            if keys.group not in names:
                missing += 1
                advice = "a worker makes it when it starts: `stepstream worker`"
                yield warn("groups", f"the stream {stream} has no consumer group {keys.group!r}", advice)
    if not missing:
        yield ok("groups", "every stream has its consumer group")


def pending(place: Place) -> Findings:
    """Is there an entry that was given out and that nobody renews or takes over?"""
    idle_ms = LEASES_MAX * place.settings.lease_ms
    stuck = 0
    for queue in place.queues:
        keys = place.queue_keys(queue)
        question = (keys.group, "IDLE", idle_ms, "-", "+", STUCK_MAX)
        asked: list[Words] = [("XPENDING", stream, *question) for stream in keys.streams]
        rows = [row for reply in place.ask_all(asked) if isinstance(reply, list) for row in reply]
        if rows:
            stuck += len(rows)
            entry_id, consumer, longest_ms, _ = max(rows, key=lambda row: int(row[2]))
            said = (
                f"{number(len(rows), 'entry', 'entries')} of {queue} with workers that show no sign of life, "
                f"{text(entry_id)} with {text(consumer)} for {age(longest_ms)}"
            )
            yield fail("pending", said, f"a worker that reads {queue} takes them over: {START_WORKERS}")
    if not stuck:
        yield ok("pending", f"no entry was left alone for {age(idle_ms)}")


def delays(place: Place) -> Findings:
    """Do delayed messages come when they are due?"""
    late = 0
    for queue in place.queues:
        due = place.queue_keys(queue).due
        overdue = place.ask("ZRANGEBYSCORE", due, "-inf", place.now_ms - OVERDUE_MS_MAX, "WITHSCORES", "LIMIT", 0, 1)
        if overdue:
            late += 1
            late_ms = place.now_ms - int(float(overdue[1]))
            yield fail("delays", f"a delayed message of {queue} is {age(late_ms)} late", START_WORKERS)
    if not late:
        yield ok("delays", "no delayed message is late")


def dead_letters(place: Place) -> Findings:
    """Was anything given up?"""
    dead = {queue: stats.dead for queue, stats in place.queues.items() if stats.dead}
    for queue, count in dead.items():
        advice = f"`stepstream dlq ls {queue}`, then requeue or purge them"
        yield warn("dead-letters", f"{count} in {queue}", advice)
    if not dead:
        yield ok("dead-letters", "none")
