"""Random acts of several workers on one queue, done to the server and to the model."""

import json
from typing import Any
from uuid import uuid4

import dramatiq
import redis
from dramatiq.middleware import Middleware
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from app.broker import RedisStreamsBroker
from tests.property.queue_model import LEVELS, QueueModel

QUEUE = "default"
WORKERS = 3
FAR_MS = 3_600_000
LONG_AGO_MS = 10_000_000
PRIORITIES = (0, 5, 9)
DRAIN_ROUNDS = 8

LATE_ACTS = ("ack", "bury", "ack_with_followers", "hand_back", "renew")

workers = st.integers(0, WORKERS - 1)
levels = st.sampled_from(LEVELS)
choices = st.integers(0, 1_000)


class Follow(Middleware):
    """A hook that sends what follows from a message, as retries and pipelines do."""

    def __init__(self) -> None:
        self.next: list[tuple[Any, int | None]] = []

    def after_process_message(self, broker: Any, message: Any, *, result: Any = None, exception: Any = None) -> None:
        for follower, delay in self.next:
            broker.enqueue(follower, delay=delay)


class QueueMachine(RuleBasedStateMachine):
    """Three workers without threads of their own; time passes when the test says so."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url
        self.namespace = f"model-{uuid4().hex[:12]}"
        self.server = redis.Redis.from_url(url, protocol=2)
        self.model = QueueModel()
        self.sent = 0
        #: What each worker got and has not settled, by message id; others may have taken it meanwhile.
        self.hands: list[dict[str, Any]] = [{} for _ in range(WORKERS)]
        self.brokers = [self.start_broker() for _ in range(WORKERS)]
        self.keys = self.brokers[0].keys.queue(QUEUE)

    def start_broker(self) -> RedisStreamsBroker:
        broker = RedisStreamsBroker(self.url, namespace=self.namespace, middleware=[Follow()])
        dramatiq.actor(lambda: None, actor_name="act", broker=broker)
        return broker

    def message(self, level: int) -> Any:
        """Numbered, so that a run can be repeated exactly."""
        self.sent += 1
        message = self.brokers[0].get_actor("act").message_with_options(broker_priority=PRIORITIES[level])
        return message.copy(message_id=f"m{self.sent:05}")

    # -- sending

    @rule(worker=workers, level=levels, count=st.integers(1, 3))
    def send(self, worker: int, level: int, count: int) -> None:
        for message in self.brokers[worker].enqueue_many([self.message(level) for _ in range(count)]):
            self.model.send(level, message.message_id)

    @rule(worker=workers, level=levels)
    def delay(self, worker: int, level: int) -> None:
        message = self.brokers[worker].enqueue(self.message(level), delay=FAR_MS)
        self.model.delay(level, message.message_id)

    @precondition(lambda self: self.model.delayed)
    @rule(worker=workers, count=st.integers(1, 3))
    def come_due(self, worker: int, count: int) -> None:
        members = {member.decode().split("|")[1]: member for member in self.server.zrange(self.keys.due, 0, -1)}
        for position, (_, message_id) in enumerate(self.model.delayed[:count]):
            self.server.zadd(self.keys.due, {members[message_id]: position})
        self.brokers[worker].presence.mover.move()
        self.model.come_due(count)

    # -- fetching

    @rule(worker=workers, room=st.integers(1, 4), sweeps=st.booleans())
    def fetch(self, worker: int, room: int, sweeps: bool) -> None:
        self.fetched(worker, room, sweeps=sweeps)

    def fetched(self, worker: int, room: int, *, sweeps: bool) -> list[str]:
        """What a worker with so much room gets; the model checks that it may."""
        broker = self.brokers[worker]
        name = broker.worker_id
        # A new consumer hands back what is pending under its name although it does not have it.
        self.model.free |= self.model.held_by(name) - set(self.hands[worker])
        if sweeps:
            self.server.delete(self.keys.sweep_lock)
        else:
            self.server.set(self.keys.sweep_lock, "test", px=FAR_MS)
        consumer = broker.consume(QUEUE, prefetch=broker.presence.slots.taken(QUEUE) + room, timeout=1)
        got = []
        while len(got) < room and (message := next(consumer)) is not None:
            self.model.fetch(name, message.message_id)
            self.hands[worker][message.message_id] = message
            got.append(message.message_id)
        consumer.close()
        self.keep_what_came_back(worker)
        return got

    def keep_what_came_back(self, worker: int) -> None:
        """What a worker still runs when its own sweep brings it back is not handed out again; it is simply kept."""
        name = self.brokers[worker].worker_id
        for message_id in sorted(set(self.hands[worker]) & self.model.free):
            level, entry_id = self.entries()[message_id]
            rows = self.server.xpending_range(self.keys.stream(level), self.keys.group, entry_id, entry_id, 1)
            if rows[0]["consumer"].decode() == name:
                self.model.keep(name, message_id)

    @precondition(lambda self: self.model.holder)
    @rule(choice=choices)
    def lapse(self, choice: int) -> None:
        """The lease of one held message has run out."""
        ids = sorted(self.model.holder)
        self.lapse_one(ids[choice % len(ids)])

    def lapse_one(self, message_id: str) -> None:
        level, entry_id = self.entries()[message_id]
        self.server.xclaim(
            self.keys.stream(level), self.keys.group, self.model.holder[message_id], 0, [entry_id],
            idle=LONG_AGO_MS, justid=True,
        )  # fmt: skip
        self.model.free.add(message_id)

    @rule(victim=workers, step=st.integers(1, WORKERS - 1), choice=choices, then=st.sampled_from(LATE_ACTS))
    def take_over(self, victim: int, step: int, choice: int, then: str) -> None:
        """A worker is silent for too long, another one sweeps; then the first acts on what it thinks is its own."""
        name = self.brokers[victim].worker_id
        if not self.hands[victim]:
            self.send(victim, 1, 2)
            self.fetched(victim, 2, sweeps=False)
        for message_id in sorted(self.model.held_by(name) & set(self.hands[victim])):
            self.lapse_one(message_id)
        self.fetched((victim + step) % WORKERS, 3, sweeps=True)
        if then == "ack_with_followers":
            self.ack_with_followers(victim, choice, [(0, False), (2, True)])
        elif then == "renew":
            self.renew(victim)
        else:
            getattr(self, then)(victim, choice)

    @rule(worker=workers)
    def renew(self, worker: int) -> None:
        self.brokers[worker].presence._heart.beat()
        self.model.renew(self.brokers[worker].worker_id, set(self.hands[worker]))

    # -- settling, by right or not

    def pick(self, worker: int, choice: int) -> Any:
        """One message of this worker's hands, which lets go of it; None when they are empty."""
        ids = sorted(self.hands[worker])
        return self.hands[worker].pop(ids[choice % len(ids)]) if ids else None

    def consumer(self, worker: int) -> Any:
        return self.brokers[worker].consume(QUEUE, prefetch=1, timeout=1)

    @rule(worker=workers, choice=choices)
    def ack(self, worker: int, choice: int) -> None:
        if message := self.pick(worker, choice):
            self.consumer(worker).ack(message)
            self.model.settle(self.brokers[worker].worker_id, message.message_id)

    @rule(worker=workers, choice=choices)
    def bury(self, worker: int, choice: int) -> None:
        if message := self.pick(worker, choice):
            self.consumer(worker).nack(message)
            self.model.settle(self.brokers[worker].worker_id, message.message_id, dead=True)

    @rule(worker=workers, choice=choices, follow=st.lists(st.tuples(levels, st.booleans()), min_size=1, max_size=3))
    def ack_with_followers(self, worker: int, choice: int, follow: list[tuple[int, bool]]) -> None:
        broker = self.brokers[worker]
        if not (message := self.pick(worker, choice)):
            return
        followers = [(self.message(level), level, delayed) for level, delayed in follow]
        broker.middleware[0].next = [(m, FAR_MS if delayed else None) for m, _, delayed in followers]
        broker.emit_after("process_message", message, result=None)
        self.consumer(worker).ack(message)
        if self.model.settle(broker.worker_id, message.message_id):
            for follower, level, delayed in followers:
                (self.model.delay if delayed else self.model.send)(level, follower.message_id)

    @rule(worker=workers, choice=choices)
    def hand_back(self, worker: int, choice: int) -> None:
        if message := self.pick(worker, choice):
            self.consumer(worker).requeue([message])
            self.model.release(self.brokers[worker].worker_id, message.message_id)

    # -- the rest

    @rule(worker=workers)
    def crash(self, worker: int) -> None:
        """The process is gone; another one starts in its place."""
        self.brokers[worker].presence.connections.close()
        self.brokers[worker] = self.start_broker()
        self.hands[worker] = {}

    @rule(worker=workers)
    def tidy(self, worker: int) -> None:
        self.server.delete(self.keys.tidy_lock)
        self.brokers[worker].presence.leases.tidy(self.keys)

    @precondition(lambda self: len(self.model.in_streams) > 5)
    @rule(worker=workers)
    def flush(self, worker: int) -> None:
        self.brokers[worker].flush(QUEUE)
        self.model.flush()

    # -- what must hold after each act

    def entries(self) -> dict[str, tuple[int, bytes]]:
        """Level and entry id of every message in the streams; no message lies there twice."""
        with self.server.pipeline() as pipeline:
            for level in LEVELS:
                pipeline.xrange(self.keys.stream(level))
            return by_message(pipeline.execute())

    @invariant()
    def the_server_holds_what_the_model_holds(self) -> None:
        with self.server.pipeline(transaction=False) as pipeline:
            for level in LEVELS:
                pipeline.xrange(self.keys.stream(level))
            for level in LEVELS:
                pipeline.xpending_range(self.keys.stream(level), self.keys.group, "-", "+", 1_000)
            pipeline.hvals(self.keys.due_bodies).zcard(self.keys.due)
            pipeline.hkeys(self.keys.dlq_bodies).zcard(self.keys.dlq)
            *replies, bodies, due, dead, dlq = pipeline.execute(raise_on_error=False)
        entries = by_message(replies[:3])
        assert sorted(entries) == self.model.in_streams
        assert holders(entries, replies[3:]) == self.model.holder
        assert sorted(json.loads(body)["message_id"] for body in bodies) == sorted(i for _, i in self.model.delayed)
        assert {member.decode() for member in dead} == self.model.dead
        assert (due, dlq) == (len(bodies), len(dead))

    def teardown(self) -> None:
        """All workers die and a last one drains the queue: each message comes once more, and nothing is left."""
        try:
            self.drain()
        finally:
            for broker in self.brokers:
                broker.close()
            for key in self.server.scan_iter(match=f"{{{self.namespace}:*", count=1_000):
                self.server.delete(key)
            self.server.close()

    def drain(self) -> None:
        for worker in range(WORKERS):
            self.crash(worker)
        for message_id in sorted(self.model.holder):
            self.lapse_one(message_id)
        while self.model.delayed:
            self.come_due(0, 3)
        expected, got = set(self.model.in_streams), []
        for _ in range(DRAIN_ROUNDS if expected else 0):
            if len(got) >= len(expected):
                break
            got += self.fetched(0, len(expected) + 1, sweeps=True)
            while self.hands[0]:
                self.ack(0, 0)
        assert sorted(got) == sorted(expected)
        self.the_server_holds_what_the_model_holds()


def by_message(streams: list[Any]) -> dict[str, tuple[int, bytes]]:
    rows = [(level, row) for level, rows in enumerate(streams) for row in rows]
    found = {json.loads(fields[b"m"])["message_id"]: (level, entry_id) for level, (entry_id, fields) in rows}
    assert len(found) == len(rows), "a message was doubled"
    return found


def holders(entries: dict[str, tuple[int, bytes]], pending: list[Any]) -> dict[str, str]:
    """Under whose name each message is pending; a stream without a group has nothing pending."""
    ids = {entry: message_id for message_id, entry in entries.items()}
    return {
        ids[level, row["message_id"]]: row["consumer"].decode()
        for level, rows in enumerate(pending)
        for row in (rows if isinstance(rows, list) else [])
    }
