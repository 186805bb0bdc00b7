"""One worker process of a soak: `python -m tests.soak.broker.worker URL LEDGER_URL LEASE_MS THREADS`, until SIGTERM."""

import logging
import signal
import sys
import threading

import dramatiq

from .actors import declare, make_broker, open_ledger

STOP_TIMEOUT_MS = 20_000


def main(url: str, ledger_url: str, lease_ms: int, threads: int) -> None:
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(process)d %(name)s %(message)s")
    logging.getLogger("dramatiq.worker").setLevel(logging.CRITICAL)  # failures are part of the load
    broker = make_broker(url, lease_ms)
    declare(broker, open_ledger(ledger_url))
    worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=500)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    worker.start()
    ended.wait()
    worker.stop(timeout=STOP_TIMEOUT_MS)
    broker.close()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]))
