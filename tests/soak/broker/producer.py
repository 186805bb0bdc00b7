"""Sends a random mix of messages and remembers which were accepted."""

import threading
import time
from random import Random
from typing import Any

import dramatiq
from dramatiq.errors import ConnectionClosed

from app.broker import RedisStreamsBroker

from .actors import Actors
from .evidence import Kind, Sent

LONG_SHARE = 0.003
BATCH_SIZE_MAX = 20


class Producer:
    """One thread that sends at a steady rate."""

    def __init__(self, broker: RedisStreamsBroker, actors: Actors, *, rate: float, long_ms: int, seed: int) -> None:
        self._broker = broker
        self._actors = actors
        self._rate = rate
        self._long_ms = long_ms
        self._random = Random(seed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-producer", daemon=True)
        self.sent: list[Sent] = []
        self.failure: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _run(self) -> None:
        # What sending may not raise must end the soak as a violation, not this thread in silence.
        try:
            while not self._stopped.wait(self._random.expovariate(self._rate / 3)):
                self._send_some()
        except Exception as error:  # noqa: BLE001
            self.failure = error

    def send_deadly(self) -> None:
        """One message that kills whoever runs it."""
        self._send([self._actors["kill"].message()], Kind.DEADLY)

    def _send_some(self) -> None:
        """One message, a pipeline of two, or many at once; three on the average."""
        dice = self._random.random()
        if dice < 0.15:
            self._send_pipeline()
        elif dice < 0.3:
            messages = [self._message("work") for _ in range(self._random.randint(2, BATCH_SIZE_MAX))]
            self._send(messages, Kind.PLAIN)
        elif dice < 0.5:
            self._send([self._message("fail_once")], Kind.RETRIED)
        elif dice < 0.53:
            self._send([self._message("fail")], Kind.POISON)
        elif dice < 0.75:
            self._send([self._message("work")], Kind.PLAIN, delay=self._random.randint(1, 3_000))
        else:
            self._send([self._message("work")], Kind.PLAIN)

    def _send(self, messages: list["dramatiq.Message[Any]"], kind: Kind, *, delay: int | None = None) -> None:
        due_s = time.time() + (delay or 0) / 1000
        accepted = True
        try:
            if len(messages) == 1:
                self._broker.enqueue(messages[0], delay=delay)
            else:
                self._broker.enqueue_many(messages, delay=delay)
        except ConnectionClosed:
            accepted = False
        self.sent += [Sent(message.message_id, kind, accepted, due_s if delay else 0.0) for message in messages]

    def _send_pipeline(self) -> None:
        line = dramatiq.pipeline([self._message("work"), self._message("step")], broker=self._broker)
        accepted = True
        try:
            line.run()
        except ConnectionClosed:
            accepted = False
        self.sent += [Sent(message.message_id, Kind.PLAIN, accepted) for message in line.messages]

    def _message(self, actor: str) -> "dramatiq.Message[Any]":
        long = self._random.random() < LONG_SHARE
        work_ms = self._long_ms if long else round(self._random.expovariate(1 / 15))
        return self._actors[actor].message_with_options(
            args=(work_ms,), broker_priority=self._random.choice((0, 5, 5, 5, 9))
        )
