"""
Does a message cost the same whether a thousand wait or a million, and how much memory does a waiting one take?

    python -m benchmarks.broker_scale [--depths 1000 10000 100000 1000000]

At each depth 5,000 messages are sent one by one, and 5,000 are fetched and acknowledged through the broker's own
consumer. Memory is compared with stock at the smallest depths, which it fills one by one.
"""

import argparse
import time

from .broker_actors import QUEUE
from .broker_rig import Bench, bench, show

SAMPLE = 5_000
CHUNK = 1_000
STOCK_MESSAGES = 20_000
PREFETCH = 16


def fill(side: Bench, messages: int) -> float:
    """Bytes per message."""
    before = side.counters()
    for start in range(0, messages, CHUNK):
        side.send_many(range(start, min(messages, start + CHUNK)))
    return (side.counters() - before).memory / messages


def send_some(side: Bench) -> tuple[float, float]:
    """Microseconds of wall time and of Redis CPU per message sent."""
    before, began = side.counters(), time.perf_counter()
    for number in range(SAMPLE):
        side.send(number)
    took_s, used = time.perf_counter() - began, side.counters() - before
    return took_s / SAMPLE * 1e6, used.cpu_s / SAMPLE * 1e6


def take_some(side: Bench) -> tuple[float, float]:
    """The same per message fetched and acknowledged."""
    consumer = side.broker.consume(QUEUE, prefetch=PREFETCH, timeout=100)
    before, began, taken = side.counters(), time.perf_counter(), 0
    while taken < SAMPLE:
        batch = [message for message in (next(consumer) for _ in range(PREFETCH)) if message is not None]
        for message in batch:
            consumer.ack(message)
        taken += len(batch)
    took_s, used = time.perf_counter() - began, side.counters() - before
    consumer.close()
    return took_s / taken * 1e6, used.cpu_s / taken * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--depths", type=int, nargs="+", default=[1_000, 10_000, 100_000, 1_000_000])
    arguments = parser.parse_args()
    rows: list[tuple[object, ...]] = []
    with bench("ours") as ours:
        ours.send(-1)
        ours.broker.client.ping()
        for depth in arguments.depths:
            ours.forget()
            held = fill(ours, depth)
            rows.append((f"{depth:,}", *send_some(ours), *take_some(ours), held))
    with bench("stock") as stock:
        held = fill(stock, STOCK_MESSAGES)
        rows.append((f"stock, {STOCK_MESSAGES:,}", *send_some(stock), "-", "-", held))
    head = ("waiting", "send us", "Redis CPU us", "fetch and ack us", "Redis CPU us", "bytes per waiting message")
    show(f"Cost per message, {SAMPLE} at each depth (acknowledged one by one)", head, rows)


if __name__ == "__main__":
    main()
