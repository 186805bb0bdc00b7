"""One message's whole life, step by step in one thread: send, fetch, run, fail, retry, delay, move, run, settle."""

from collections import Counter
from contextlib import suppress
from typing import Any

import dramatiq
import redis
from dramatiq import pipeline

from app.broker import QueueAdmin, RedisStreamsBroker

ROUNDS_MAX = 300
QUEUE = "default"


class Bench:
    """A broker whose connections may fail, a client that never does, and a count of what was run."""

    def __init__(self, broker: RedisStreamsBroker, sound: "redis.Redis") -> None:
        self.broker = broker
        self.sound = sound
        self.admin = QueueAdmin(sound, broker.namespace)
        self.runs: Counter[str] = Counter()
        options = {"broker": broker, "min_backoff": 1, "max_backoff": 1}
        self.first = dramatiq.actor(self._first, actor_name="first", **options)
        self.second = dramatiq.actor(self._second, actor_name="second", **options)

    def _first(self) -> int:
        self.runs["first"] += 1
        if self.runs["first"] == 1:
            raise RuntimeError("the first run fails")
        return 7

    def _second(self, _number: int) -> None:
        self.runs["second"] += 1

    def send(self, *, in_pipeline: bool) -> None:
        if in_pipeline:
            pipeline([self.first.message(), self.second.message()], broker=self.broker).run()
        else:
            self.first.send()

    def residue(self) -> dict[str, int]:
        """What still lies in any key of the queue; empty when the life is over."""
        keys = self.broker.keys.queue(QUEUE)
        found = {stream: self.sound.xlen(stream) for stream in keys.streams}
        found |= {key: self.sound.zcard(key) for key in (keys.due, keys.dlq)}
        found |= {key: self.sound.hlen(key) for key in (keys.due_bodies, keys.dlq_bodies, keys.dlq_meta)}
        found["pending"] = self.admin.stats(QUEUE).in_flight
        return {key: count for key, count in found.items() if count}


class Post:
    """The part of Dramatiq's consumer thread that a worker thread calls when it is done."""

    def __init__(self, broker: RedisStreamsBroker, consumer: Any) -> None:
        self.broker, self.consumer = broker, consumer

    def post_process_message(self, message: Any) -> None:
        verb = "nack" if message.failed else "ack"
        self.broker.emit_before(verb, message)
        getattr(self.consumer, verb)(message)
        self.broker.emit_after(verb, message)


class _NoQueue:
    def task_done(self) -> None:
        return


def run_one(broker: RedisStreamsBroker, consumer: Any) -> bool:
    """What Dramatiq's threads do with the next message, if there is one."""
    message = next(consumer)
    if message is None:
        return False
    worker = dramatiq.worker.WorkerThread(
        broker=broker, consumers={QUEUE: Post(broker, consumer)}, work_queue=_NoQueue(), worker_timeout=1
    )
    worker.process_message(message)
    return True


def duties(broker: RedisStreamsBroker) -> None:
    """What the background threads do in each of their rounds; an error ends a round, not a thread."""
    presence = broker.presence
    for duty in (presence._heart.beat, presence.mover.move, lambda: presence.leases.tidy(broker.keys.queue(QUEUE))):
        with suppress(redis.RedisError, OSError):
            duty()


def live(bench: Bench, *, in_pipeline: bool) -> None:
    """From sending until nothing is left; raises when that takes too long."""
    bench.send(in_pipeline=in_pipeline)
    consumer = bench.broker.consume(QUEUE, prefetch=1, timeout=5)
    for _ in range(ROUNDS_MAX):
        run_one(bench.broker, consumer)
        duties(bench.broker)
        if bench.admin.stats(QUEUE).unfinished == 0:
            return
    raise AssertionError(f"the queue never became empty: {bench.residue()}")
