"""
How long does a message wait for an idle worker, and what does idling cost?

    python -m benchmarks.broker_latency [--messages 50]

One message at a time, 0.8 to 1.6 s apart, so that every worker is idle; ours and stock side by side, each on a
server of its own. The load of idling is counted over thirty seconds without any message.
"""

import argparse
import time
from random import Random

from .broker_rig import Bench, bench, quantile, show, wait_for

#: Three leases; before them the traces of starting must be over.
IDLE_S, SETTLE_S = 30.0, 3.0
PROCESSES = 2


def idle_load(sides: list[Bench]) -> dict[str, tuple[float, float]]:
    """Requests, and commands with those inside scripts, per second and queue of one process."""
    time.sleep(SETTLE_S)
    before = {side.kind: side.counters() for side in sides}
    time.sleep(IDLE_S)
    used = {side.kind: side.counters() - before[side.kind] for side in sides}
    # One request and one command of each difference is the look itself.
    return {
        kind: ((counted.reads - 1) / IDLE_S / PROCESSES, (counted.commands - 1) / IDLE_S / PROCESSES)
        for kind, counted in used.items()
    }


def waits(sides: list[Bench], messages: int) -> dict[str, list[float]]:
    """Milliseconds from send to start, of each."""
    random = Random(1)
    sent: dict[str, dict[int, float]] = {side.kind: {} for side in sides}
    for number in range(messages):
        for side in sides:
            time.sleep(random.uniform(0.4, 0.8))
            sent[side.kind][number] = time.time()
            side.send(number)
    for side in sides:
        wait_for(lambda side=side: side.count() >= messages + 1, 10)  # type: ignore[misc]
    return {
        side.kind: [(r.start - sent[side.kind][r.number]) * 1000 for r in side.records() if r.number >= 0]
        for side in sides
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=50)
    arguments = parser.parse_args()
    with bench("ours") as ours, bench("stock") as stock, ours.workers(PROCESSES), stock.workers(PROCESSES):
        sides = [ours, stock]
        for side in sides:
            side.send(-1)
            wait_for(lambda side=side: side.count() >= 1, 30)  # type: ignore[misc]
        load = idle_load(sides)
        found = waits(sides, arguments.messages)
    rows = [(kind, *(quantile(ms, share) for share in (0.5, 0.9, 0.99)), *load[kind]) for kind, ms in found.items()]
    head = ("", "p50 ms", "p90 ms", "p99 ms", "idle requests/s and queue", "idle commands/s and queue")
    show(f"Idle to start, {arguments.messages} messages; load of one of {PROCESSES} idle processes", head, rows)


if __name__ == "__main__":
    main()
