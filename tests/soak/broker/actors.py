"""What the messages of a soak do: note in the ledger that they start, work, note that they end."""

import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import dramatiq
import redis
from dramatiq.middleware import Callbacks, CurrentMessage, Pipelines, Retries

from app.broker import RedisStreamsBroker

from .evidence import Run

LEDGER = "ledger"
NAMESPACE = "soak"
QUEUE = "soak"

Actors = dict[str, "dramatiq.Actor[..., Any]"]


@dataclass(frozen=True, slots=True)
class Ledger:
    """Starts and ends, in a Redis that no fault touches."""

    client: "redis.Redis"
    worker: str

    @contextmanager
    def running(self) -> Iterator[int]:
        """Notes start and end of the current message; yields how often it has failed before."""
        message = CurrentMessage.get_current_message()
        assert message is not None
        retries = message.options.get("retries", 0)
        note = {"run": uuid4().hex, "id": message.message_id, "attempt": retries, "worker": self.worker}
        self._write(note)
        try:
            yield retries
        finally:
            self._write(note | {"end": True})

    def _write(self, note: dict[str, Any]) -> None:
        self.client.rpush(LEDGER, json.dumps(note | {"at": time.time()}))


def make_broker(url: str, lease_ms: int) -> RedisStreamsBroker:
    return RedisStreamsBroker(
        url, middleware=[*dramatiq_middleware(), CurrentMessage()], namespace=NAMESPACE, lease_ms=lease_ms
    )


def dramatiq_middleware() -> list[dramatiq.Middleware]:
    """Dramatiq's defaults, but for limits that no message here reaches."""
    return [Callbacks(), Pipelines(), Retries()]


def declare(broker: RedisStreamsBroker, ledger: Ledger | None = None) -> Actors:
    """The actors by name; without a ledger only to send."""

    def work(work_ms: int) -> None:
        with _of(ledger).running():
            threading.Event().wait(work_ms / 1000)

    def step(work_ms: int, _before: object) -> None:
        work(work_ms)

    def fail_once(work_ms: int) -> None:
        with _of(ledger).running() as retries:
            threading.Event().wait(work_ms / 1000)
            if retries == 0:
                raise ValueError("the first attempt fails")

    def fail(work_ms: int) -> None:
        with _of(ledger).running():
            threading.Event().wait(work_ms / 1000)
            raise ValueError("poison")

    def kill() -> None:
        with _of(ledger).running():
            os.kill(os.getpid(), signal.SIGKILL)

    options: dict[str, dict[str, Any]] = {
        "fail_once": {"min_backoff": 50, "max_backoff": 200},
        "fail": {"max_retries": 0},
    }
    return {
        fn.__name__: dramatiq.actor(fn, broker=broker, queue_name=QUEUE, **options.get(fn.__name__, {}))
        for fn in (work, step, fail_once, fail, kill)
    }


def _of(ledger: Ledger | None) -> Ledger:
    assert ledger is not None, "this process only sends"
    return ledger


def open_ledger(url: str) -> Ledger:
    return Ledger(redis.Redis.from_url(url, protocol=2, socket_timeout=10), f"{os.getpid()}")


def read_runs(client: "redis.Redis") -> list[Run]:
    """What the ledger says, as runs."""
    starts: dict[str, dict[str, Any]] = {}
    ends: dict[str, float] = {}
    for line in client.lrange(LEDGER, 0, -1):
        note = json.loads(line)
        if "end" in note:
            ends[note["run"]] = note["at"]
        else:
            starts[note["run"]] = note
    return [Run(n["id"], n["attempt"], n["at"], ends.get(run), n["worker"]) for run, n in starts.items()]
