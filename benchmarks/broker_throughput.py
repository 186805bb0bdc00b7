"""
How many messages per second come in and go out, and what does each cost Redis?

    python -m benchmarks.broker_throughput [--messages 20000] [--rounds 3] [--server /usr/bin/redis-server]

Ours against Dramatiq's RedisBroker, both run by Dramatiq's command line with two processes of eight threads, in
turns. Only ratios within one run mean anything.
"""

import argparse
import statistics
import threading
import time
from collections import defaultdict

from .broker_rig import Bench, bench, show, wait_for

CHUNK = 1_000
IO_MS = 10
IO_MESSAGES = 4_000
PROCESSES, THREADS = 2, 8
SENDERS = 8

Figures = dict[str, float]


def enqueue_one_by_one(side: Bench, messages: int) -> Figures:
    side.forget()
    side.send(-1)
    before, began = side.counters(), time.perf_counter()
    for number in range(messages):
        side.send(number)
    took_s, used = time.perf_counter() - began, side.counters() - before
    return {
        "enqueue, one by one, per s": messages / took_s,
        "Redis CPU per enqueue, us": used.cpu_s / messages * 1e6,
        "requests per enqueue": used.reads / messages,
        "bytes per queued message": used.memory / messages,
    }


def enqueue_from_threads(side: Bench, messages: int) -> Figures:
    """As the threads of a web server send."""
    side.forget()
    side.send(-1)
    share = messages // SENDERS
    senders = [
        threading.Thread(target=lambda: [side.send(number) for number in range(share)]) for _ in range(SENDERS)
    ]  # fmt: skip
    before, began = side.counters(), time.perf_counter()
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    took_s, used = time.perf_counter() - began, side.counters() - before
    return {
        f"enqueue from {SENDERS} threads, per s": share * SENDERS / took_s,
        "Redis CPU per enqueue from threads, us": used.cpu_s / share / SENDERS * 1e6,
    }


def enqueue_in_bulk(side: Bench, messages: int) -> Figures:
    """For a broker that has no bulk call this is one by one again."""
    side.forget()
    before, began = side.counters(), time.perf_counter()
    for start in range(0, messages, CHUNK):
        side.send_many(range(start, start + CHUNK))
    took_s, used = time.perf_counter() - began, side.counters() - before
    return {
        "enqueue_many, per s": messages / took_s,
        "Redis CPU per message of enqueue_many, us": used.cpu_s / messages * 1e6,
    }


def drain(side: Bench, messages: int, work_ms: int) -> tuple[float, float, float]:
    """Messages per second, Redis CPU in us and requests per message; a full queue meets starting workers."""
    side.forget()
    for start in range(0, messages, CHUNK):
        side.send_many(range(start, start + CHUNK), work_ms)
    before = side.counters()
    with side.workers(PROCESSES, THREADS):
        if not wait_for(lambda: side.count() >= messages):
            raise SystemExit(f"{side.kind}: {side.count()} of {messages} done")
        time.sleep(0.2)  # the last acknowledgements
        used = side.counters() - before
    records = side.records()
    took_s = max(r.end for r in records) - min(r.start for r in records)
    return messages / took_s, used.cpu_s / messages * 1e6, used.reads / messages


def drains(side: Bench, messages: int) -> Figures:
    rate, cpu_us, requests = drain(side, messages, 0)
    io_rate, _, _ = drain(side, IO_MESSAGES, IO_MS)
    return {
        "drain of no-ops, per s": rate,
        f"drain of {IO_MS} ms waits, per s (ideal {PROCESSES * THREADS * 1000 // IO_MS})": io_rate,
        "Redis CPU per drained message, us": cpu_us,
        "requests per drained message": requests,
    }


def one_round(side: Bench, messages: int) -> Figures:
    found = enqueue_one_by_one(side, messages) | enqueue_from_threads(side, messages) | enqueue_in_bulk(side, messages)
    found |= drains(side, messages)
    drained = found["Redis CPU per drained message, us"]
    for way in ("enqueue", "enqueue from threads", "message of enqueue_many"):
        found[f"Redis CPU, {way} and drain, us"] = found[f"Redis CPU per {way}, us"] + drained
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--server", help="the server binary; default: the bundled one")
    arguments = parser.parse_args()
    found: dict[str, defaultdict[str, list[float]]] = {"ours": defaultdict(list), "stock": defaultdict(list)}
    with bench("ours", arguments.server) as ours, bench("stock", arguments.server) as stock:
        for _ in range(arguments.rounds):
            for side in (ours, stock):
                for name, value in one_round(side, arguments.messages).items():
                    found[side.kind][name].append(value)
    middle = {kind: {name: statistics.median(values) for name, values in by.items()} for kind, by in found.items()}
    rows = [
        (name, value, middle["stock"][name], value / middle["stock"][name]) for name, value in middle["ours"].items()
    ]
    show(f"{arguments.messages} messages, median of {arguments.rounds} rounds", ("", "ours", "stock", "ratio"), rows)


if __name__ == "__main__":
    main()
