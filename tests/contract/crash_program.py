"""A worker process that dies of its message: `python -m tests.contract.crash_program KIND URL NAMESPACE LEASE_MS`."""

import os
import sys
import threading

import dramatiq

from tests.contract.subjects import Subjects


def main(kind: str, url: str, namespace: str, lease_ms: int) -> None:
    """Works until a message kills it, as running out of memory would."""
    broker = Subjects(kind, url, namespace).make(lease_ms=lease_ms)
    dramatiq.actor(lambda: os._exit(9), actor_name="kill", broker=broker)
    dramatiq.Worker(broker, worker_threads=1, worker_timeout=50).start()
    threading.Event().wait(20)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], sys.argv[3], int(sys.argv[4]))
