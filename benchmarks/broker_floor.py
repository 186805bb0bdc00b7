"""
What is the least that one request per message can cost Redis?

    python -m benchmarks.broker_floor [--requests 5000] [--rounds 5] [--server /usr/bin/redis-server]

The same client, body and server for each: a PING, a bare XADD, a script that only adds, ours, stock; in turns. `in
commands` is what Redis counts for the command itself; the rest is reading, waking and answering.
"""

import argparse
import statistics
from collections import defaultdict
from collections.abc import Callable

from app.broker.connections import Line

from .broker_rig import Bench, bench, show

ADD = "#!lua\nredis.call('XADD', KEYS[1], '*', 'm', ARGV[1])\nreturn 1"

Request = Callable[[int], object]


def requests(ours: Bench, stock: Bench) -> dict[str, tuple[Bench, str, Request]]:
    """Per name: the server, the command that Redis counts, one request."""
    line = Line(ours.broker.presence.connections.commands)
    stream = ours.broker.keys.queue("floor").stream()
    body = ours.message(1).encode()
    script = ours.client.script_load(ADD)
    return {
        "PING": (ours, "ping", lambda _: line.call("PING")),
        "bare XADD": (ours, "xadd", lambda _: line.call("XADD", stream, "*", "m", body)),
        "script with one XADD": (ours, "evalsha", lambda _: line.call("EVALSHA", script, 1, stream, body)),
        "ours, one send": (ours, "evalsha", ours.send),
        "stock, one send": (stock, "evalsha", stock.send),
    }


def measure(side: Bench, command: str, request: Request, count: int) -> tuple[float, float]:
    """Redis CPU per request, and the part of it in commands, in us."""
    side.forget()
    request(-1)
    side.client.config_resetstat()
    before = side.counters()
    for number in range(count):
        request(number)
    used = side.counters() - before
    inside = side.client.info("commandstats")[f"cmdstat_{command}"]["usec"]
    return used.cpu_s / count * 1e6, inside / count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--server", help="the server binary; default: the bundled one")
    arguments = parser.parse_args()
    found: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)
    with bench("ours", arguments.server) as ours, bench("stock", arguments.server) as stock:
        for _ in range(arguments.rounds):
            for name, (side, command, request) in requests(ours, stock).items():
                found[name].append(measure(side, command, request, arguments.requests))
    middle = {name: [statistics.median(column) for column in zip(*pairs, strict=True)] for name, pairs in found.items()}
    whole = middle["stock, one send"][0]
    rows = [(name, cpu_us, inside_us, cpu_us / whole) for name, (cpu_us, inside_us) in middle.items()]
    show(f"{arguments.requests} requests", ("", "Redis CPU, us", "in commands, us", "of stock"), rows)


if __name__ == "__main__":
    main()
