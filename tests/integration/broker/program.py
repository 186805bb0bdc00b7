"""A worker process that tests kill and freeze: `python -m tests.integration.broker.program URL NAMESPACE LEASE_MS`."""

import os
import signal
import sys
import threading

import dramatiq
from dramatiq.middleware import TimeLimit

from app.broker import RedisStreamsBroker


def make_actor(broker: RedisStreamsBroker, **options: object) -> "dramatiq.Actor[..., None]":
    """`hold` says under which pid it began, waits for as many words as it was told, and says that it ended."""

    def hold(words: int) -> None:
        ledger = broker.client
        prefix = broker.keys.tag
        ledger.rpush(f"{prefix}:began", os.getpid())
        for _ in range(words):
            # Shorter than the limit of the socket.
            while ledger.blpop([f"{prefix}:go:{os.getpid()}"], timeout=2) is None:
                continue
        ledger.rpush(f"{prefix}:ended", os.getpid())

    return dramatiq.actor(hold, actor_name="hold", broker=broker, **options)


def main(url: str, namespace: str, lease_ms: int) -> None:
    """Works until SIGTERM."""
    broker = RedisStreamsBroker(url, namespace=namespace, lease_ms=lease_ms, middleware=[TimeLimit()])
    make_actor(broker)
    worker = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    worker.start()
    ended.wait()
    worker.stop(timeout=60_000)
    broker.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
