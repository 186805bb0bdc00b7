"""
What does kill -9 of all workers cost?

    python -m benchmarks.broker_recovery [--messages 200] [--limit-s 60]

Two processes of eight threads work through messages of 300 ms; when sixteen run, the whole family is killed and
started anew. Ours with its default lease, stock with its defaults, one after the other.
"""

import argparse
import signal
import time
from dataclasses import dataclass

from .broker_rig import Bench, bench, show, stop, wait_for

WORK_MS = 300
PROCESSES, THREADS = 2, 8


@dataclass(frozen=True, slots=True)
class Aftermath:
    """What was seen after the kill."""

    in_flight: int
    missing: int
    rest_s: float
    first_back_s: float | None
    back_s: float | None


def strike(side: Bench, messages: int, limit_s: float) -> Aftermath:
    side.send_many(range(messages), WORK_MS)
    fleet = side.spawn(PROCESSES, THREADS, marks=True)
    wait_for(lambda: len(running(side)) >= PROCESSES * THREADS and len(ended(side)) >= THREADS, 30)
    stop(fleet, signal.SIGKILL)
    killed_s = time.time()
    before = ended(side)
    cut_off = running(side)
    with side.workers(PROCESSES, THREADS, marks=True):
        wait_for(lambda: len(ended(side)) >= messages, limit_s, every_s=0.05)
    records = side.records()
    again = [min((r.start for r in records if r.number == n and r.start > killed_s), default=None) for n in cut_off]
    others = [r.end for r in records if r.end and r.number not in cut_off and r.number not in before]
    back = [at - killed_s for at in again if at is not None]
    return Aftermath(
        in_flight=len(cut_off),
        missing=messages - len(ended(side)),
        rest_s=max(others, default=killed_s) - killed_s,
        first_back_s=min(back, default=None),
        back_s=max(back) if len(back) == len(cut_off) else None,
    )


def running(side: Bench) -> set[int]:
    return {record.number for record in side.records()} - ended(side)


def ended(side: Bench) -> set[int]:
    return {record.number for record in side.records() if record.end}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=200)
    parser.add_argument("--limit-s", type=float, default=60)
    arguments = parser.parse_args()
    rows: list[tuple[object, ...]] = []
    for kind in ("ours", "stock"):
        with bench(kind) as side:
            seen = strike(side, arguments.messages, arguments.limit_s)
        never = f"not within {arguments.limit_s:.0f} s"
        back = (never if at is None else f"{at:.1f}" for at in (seen.first_back_s, seen.back_s))
        rows.append((kind, seen.in_flight, seen.missing, f"{seen.rest_s:.1f}", *back))
    head = (
        "",
        "in flight at the kill",
        "not run by the end",
        "rest done after s",
        "first in flight again after s",
        "all",
    )
    show(f"kill -9 of all workers, {arguments.messages} messages of {WORK_MS} ms", head, rows)


if __name__ == "__main__":
    main()
