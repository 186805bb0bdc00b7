"""
What does a key cost a request, and what its limit?

    python -m benchmarks.access_cost [--requests 2000] [--rounds 7] [--together 50]

A route that does nothing, in the application without a web server: from a loopback address without a key, with a
key that has no limit, and with one that has. The three take turns, so that what disturbs one disturbs all; each
figure is the median of the rounds.

alone: one request after the other. together: so many under way at once, of which limits are looked up in one write.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import uvloop
from fastapi import FastAPI, Response

from app import local_redis
from app.access.keyring import Keyring
from app.access.principal import Rates, Scope
from app.api.deps import Reader
from app.config import Settings
from app.keys import Keys
from app.main import create_app

from .broker_rig import show
from .redis_work import measured
from .task_rig import server_binary

NAMESPACE = "access"
WARM_UP = 300
#: High enough never to be reached, so that every request is counted and served.
LIMIT = 10_000_000
KINDS = ("no key", "key, no limit", "key and limit")


@dataclass(frozen=True)
class Round:
    """Microseconds per request: of the clock, of this process's CPU, of Redis in scripts."""

    wall: float
    cpu: float
    scripts: float


async def nothing(_: Reader) -> Response:
    return Response(status_code=204)


async def ask(app: FastAPI, headers: list[tuple[bytes, bytes]]) -> None:
    """One request, as a web server hands it over."""
    statuses: list[int] = []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "GET", "scheme": "http",
        "path": "/nothing", "raw_path": b"/nothing", "root_path": "", "query_string": b"", "state": {},
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 5000),
        "headers": [(b"host", b"127.0.0.1:8000"), *headers],
    }  # fmt: skip
    await app(scope, receive, send)
    if statuses != [204]:
        raise RuntimeError(f"answered {statuses}")


async def alone(request: Callable[[], Awaitable[None]], count: int, _: int) -> None:
    for _number in range(count):
        await request()


async def together(request: Callable[[], Awaitable[None]], count: int, width: int) -> None:
    for _number in range(count // width):
        await asyncio.gather(*(request() for _place in range(width)))


async def one_round(
    run: Callable[..., Awaitable[None]],
    request: Callable[[], Awaitable[None]],
    client: "redis.Redis",
    options: argparse.Namespace,
) -> Round:
    with measured(client) as work:
        wall, cpu = time.perf_counter(), time.process_time()
        await run(request, options.requests, options.together)
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    per_request = 1e6 / options.requests
    return Round(wall * per_request, cpu * per_request, work.scripts_us / options.requests)


async def measure(url: str, options: argparse.Namespace) -> None:
    client: redis.Redis = redis.Redis.from_url(url, protocol=2)
    ring = Keyring(client, Keys(NAMESPACE))
    keys = [
        ring.create(tenant="a", scopes=[Scope.READ], rates=Rates(read_per_min=limit))[0].text for limit in (0, LIMIT)
    ]
    headers: list[list[tuple[bytes, bytes]]] = [[], *([(b"authorization", f"Bearer {key}".encode())] for key in keys)]
    app = create_app(Settings(redis_url=url, namespace=NAMESPACE, access_log=False))
    app.add_api_route("/nothing", nothing)
    async with app.router.lifespan_context(app):
        requests = [lambda sent=sent: ask(app, sent) for sent in headers]
        for request in requests:
            await alone(request, WARM_UP, 1)
        for run in (alone, together):
            rounds = [[await one_round(run, each, client, options) for each in requests] for _ in range(options.rounds)]
            report(run.__name__, rounds)
    client.close()


def report(title: str, rounds: list[list[Round]]) -> None:
    rows: list[list[object]] = []
    for number, kind in enumerate(KINDS):
        of_kind = [each[number] for each in rounds]
        middle = [statistics.median(getattr(each, name) for each in of_kind) for name in ("wall", "cpu", "scripts")]
        rows.append([kind, *middle])
    show(f"us per request, {title}", ["request", "clock", "CPU of the API", "Redis in scripts"], rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=2_000)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--together", type=int, default=50)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        server = local_redis.start_server(Path(server_binary()), Path(folder), appendonly=False)
        try:
            uvloop.run(measure(server.url, options))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
