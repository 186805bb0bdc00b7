"""What the measured messages do: wait, then append one record to a file that Redis knows nothing of."""

import os
import struct
import time
from pathlib import Path
from typing import Any

import dramatiq
from dramatiq.brokers.redis import RedisBroker

from app.broker import RedisStreamsBroker

#: Number of the message, process id, start, end (0 in a mark that is written at the start).
RECORD = struct.Struct("<iidd")
PADDING = "x" * 100
QUEUE = "bench"
#: Above the deepest queue that is measured.
BACKLOG_MAX = 2_000_000


def make_broker(kind: str, url: str) -> Any:
    return RedisStreamsBroker(url=url, backlog_max=BACKLOG_MAX) if kind == "ours" else RedisBroker(url=url)


def declare(broker: Any, ledger: Path | None = None) -> Any:
    """The one actor; without a ledger only to send."""
    opened = os.open(ledger, os.O_WRONLY | os.O_APPEND | os.O_CREAT) if ledger else -1
    marks = os.environ.get("BENCH_MARKS") == "1"

    def work(number: int, work_ms: int, _padding: str) -> None:
        start = time.time()
        if marks:
            os.write(opened, RECORD.pack(number, os.getpid(), start, 0.0))
        if work_ms:
            time.sleep(work_ms / 1000)
        os.write(opened, RECORD.pack(number, os.getpid(), start, time.time()))

    return dramatiq.actor(work, broker=broker, queue_name=QUEUE)


if "BENCH_BROKER" in os.environ:  # imported by the command line of Dramatiq
    dramatiq.set_broker(make_broker(os.environ["BENCH_BROKER"], os.environ["REDIS_URL"]))
    declare(dramatiq.get_broker(), Path(os.environ["BENCH_LEDGER"]))
