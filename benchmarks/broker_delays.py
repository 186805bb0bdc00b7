"""
How late do delayed messages start while many wait and workers are busy, and do they occupy worker memory?

    python -m benchmarks.broker_delays [--waiting 100000] [--near 1000]

100,000 messages spread over an hour, 1,000 more that are due within twenty seconds, and some 300 no-ops per second
beside them. Lateness is the time from due to start.
"""

import argparse
import threading
import time
from random import Random

from .broker_rig import Bench, bench, memory_mb, quantile, show, wait_for

HOUR_MS = 3_600_000
NEAR_MS = 20_000
#: The far ones begin behind the measurement.
FAR_FROM_MS = 60_000
LOAD_PER_S = 300
LOAD_FROM = 10_000_000


def send_far(side: Bench, messages: int) -> None:
    """A hundred at a time, each hundred with a delay of its own."""
    random = Random(1)
    for start in range(0, messages, 100):
        batch = [side.message(start + n) for n in range(100)]
        side.broker.enqueue_many(batch, delay=random.randint(FAR_FROM_MS, HOUR_MS))


def send_near(side: Bench, first: int, messages: int) -> dict[int, float]:
    """When each is due."""
    random = Random(2)
    due: dict[int, float] = {}
    for number in range(first, first + messages):
        delay_ms = random.randint(500, NEAR_MS)
        due[number] = time.time() + delay_ms / 1000
        side.send(number, delay_ms=delay_ms)
    return due


def load(side: Bench, stopped: threading.Event) -> None:
    number = LOAD_FROM
    while not stopped.wait(10 / LOAD_PER_S):
        side.send_many(range(number, number + 10))
        number += 10


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--waiting", type=int, default=100_000)
    parser.add_argument("--near", type=int, default=1_000)
    arguments = parser.parse_args()
    stopped = threading.Event()
    with bench("ours") as side, side.workers() as fleet:
        side.send(-1)
        wait_for(lambda: side.count() >= 1, 30)
        before_mb = memory_mb(fleet)
        send_far(side, arguments.waiting)
        busy = threading.Thread(target=load, args=(side, stopped), daemon=True)
        busy.start()
        due = send_near(side, arguments.waiting, arguments.near)
        wait_for(lambda: len(due.keys() & {r.number for r in side.records()}) == len(due), NEAR_MS / 1000 + 30, 0.2)
        after_mb = memory_mb(fleet)
        stopped.set()
        busy.join()
        late = [(r.start - due[r.number]) * 1000 for r in side.records() if r.number in due]
    rows = [(
        len(late), quantile(late, 0.5), quantile(late, 0.99), max(late, default=0.0), min(late, default=0.0),
        before_mb, after_mb,
    )]  # fmt: skip
    head = ("started", "late p50 ms", "p99", "max", "min", "workers MB before", "after")
    show(f"{arguments.near} delays under load, {arguments.waiting} others waiting", head, rows)


if __name__ == "__main__":
    main()
