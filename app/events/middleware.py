"""
The event bus of the workers: what the transition scripts cannot see, written to the firehose.

| type            | data                          |
|-----------------|-------------------------------|
| worker.up       | queues, threads               |
| worker.down     | (nothing)                     |
| batch.received  | queue, message_id             |
| batch.settled   | queue, message_id, outcome    |
| message.buried  | queue, message_id             |

`outcome` is `done`, `failed` or `released`. A task's own log stays gapless because only scripts write it.
"""

import time
from collections import deque
from collections.abc import Callable
from threading import Event, Thread
from typing import Any

import orjson
import redis
import structlog
from dramatiq.middleware import Middleware

from app.broker.errors import Release

PENDING_MAX = 10_000
FIREHOSE_MAXLEN = 10_000
FLUSH_INTERVAL_S = 0.2

log = structlog.get_logger(__name__)


class EventBus(Middleware):
    """
    Writes the lifecycle of workers and batches to the firehose, from a thread of its own.

    Without it nobody sees workers come and go. It never slows work down: what Redis does not take in time
    is dropped, oldest first.
    """

    def __init__(self, connect: "Callable[[], redis.Redis]", firehose: str) -> None:
        self._connect = connect
        self._firehose = firehose
        self._pending: deque[bytes] = deque(maxlen=PENDING_MAX)
        self._stopping = Event()
        self._thread: Thread | None = None
        self._worker = ""

    def before_worker_boot(self, broker: Any, worker: Any) -> None:
        self._worker = broker.worker_id
        self._stopping.clear()
        self._thread = Thread(target=self._write_regularly, name="event-bus", daemon=True)
        self._thread.start()
        queues = sorted(worker.consumer_whitelist or broker.get_declared_queues())
        self._append("worker.up", {"queues": queues, "threads": worker.worker_threads})

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:
        self._append("worker.down", {})
        self._stopping.set()
        if self._thread:
            self._thread.join(timeout=5)

    def before_process_message(self, broker: Any, message: Any) -> None:
        self._append("batch.received", {"queue": message.queue_name, "message_id": message.message_id})

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        outcome = "done" if exception is None else "released" if isinstance(exception, Release) else "failed"
        data = {"queue": message.queue_name, "message_id": message.message_id, "outcome": outcome}
        self._append("batch.settled", data)

    def after_nack(self, broker: Any, message: Any) -> None:
        self._append("message.buried", {"queue": message.queue_name, "message_id": message.message_id})

    def _append(self, kind: str, data: dict[str, object]) -> None:
        event = {"v": 1, "type": kind, "ts": time.time_ns() // 1_000_000, "worker": self._worker, "data": data}
        self._pending.append(orjson.dumps(event))

    def _write_regularly(self) -> None:
        client = self._connect()
        while not self._stopping.wait(FLUSH_INTERVAL_S):
            self._flush(client)
        self._flush(client)
        client.close()

    def _flush(self, client: "redis.Redis") -> None:
        lines = []
        while self._pending:
            lines.append(self._pending.popleft())
        if not lines:
            return
        try:
            client.xadd(self._firehose, {"e": b"\n".join(lines)}, maxlen=FIREHOSE_MAXLEN, approximate=True)
        except redis.RedisError as error:
            log.debug("firehose_write_failed", error=str(error))
