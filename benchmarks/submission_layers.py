"""
Where does the time of a submission go inside the API process?

    python -m benchmarks.submission_layers [--rounds 80]

CPU of the application without a web server, 50 requests under way at once, each layer added to the ones before it;
the least of many short rounds, because whatever else runs here only ever adds to it.
"""

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

import uvloop
from fastapi import FastAPI, Response

from app import local_redis
from app.api import tasks
from app.config import Settings
from app.dispatch.dispatcher import Accepted, Dispatcher
from app.dispatch.submission import Submission
from app.main import create_app
from app.redis_shared import SharedConnection

from . import submissions_bare as bare
from .broker_rig import show
from .submissions import CASES, TASKS
from .task_rig import server_binary

TOGETHER, REQUESTS = 50, 100
WARM_UP = 500

Rows = list[list[object]]


async def ask(app: Any, path: str, bodies: Iterator[bytes]) -> None:
    """One request, as a web server hands it over."""
    body, statuses = next(bodies), []

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def receive() -> Any:
        return {"type": "http.request", "body": body, "more_body": False}

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": "POST", "scheme": "http",
        "path": path, "raw_path": path.encode(), "root_path": "", "query_string": b"", "state": {},
        "server": ("127.0.0.1", 8000), "client": ("127.0.0.1", 5000),
        "headers": [
            (b"host", b"127.0.0.1:8000"), (b"content-type", b"application/json"), (b"accept", b"*/*"),
            (b"content-length", b"%d" % len(body)),
        ],
    }  # fmt: skip
    await app(scope, receive, send)
    if statuses != [202]:
        raise RuntimeError(f"answered {statuses}")


class Ladder:
    """Measures one rung after the other, and what each adds."""

    def __init__(self, rounds: int) -> None:
        self.rows: Rows = []
        self._rounds = rounds
        self._below_us = 0.0
        requests = (request.partition(b"\r\n\r\n")[2] for request in CASES[1].requests(8000))
        self._bodies = cycle(list(requests))

    async def rung(self, name: str, app: Any, path: str) -> None:
        await self._ask(app, path, WARM_UP)
        spent_us = min([await self._round(app, path) for _ in range(self._rounds)])
        self.rows.append([name, f"{spent_us:.0f}", f"{spent_us - self._below_us:.0f}"])
        self._below_us = spent_us

    async def _round(self, app: Any, path: str) -> float:
        began_s = time.process_time()
        await self._ask(app, path, REQUESTS)
        return (time.process_time() - began_s) * 1e6 / REQUESTS

    async def _ask(self, app: Any, path: str, count: int) -> None:
        for _ in range(count // TOGETHER):
            await asyncio.gather(*(ask(app, path, self._bodies) for _ in range(TOGETHER)))


@contextmanager
def replaced(owner: Any, name: str, stand_in: Any) -> Iterator[None]:
    real = getattr(owner, name)
    setattr(owner, name, stand_in)
    try:
        yield
    finally:
        setattr(owner, name, real)


async def nothing() -> Response:
    return Response(b"{}", 202)


async def reads(body: bare.Body) -> Response:  # FastAPI reads it
    return Response(b"{}", 202)


async def answers(body: bare.Body) -> bare.Added:
    return bare.Added(id="1")


async def measure_bare(rounds: int) -> Rows:
    app, ladder = bare.create_app(), Ladder(rounds)
    for path, endpoint in (("/nothing", nothing), ("/reads", reads), ("/answers", answers)):
        app.add_api_route(path, endpoint, methods=["POST"], status_code=202)
    async with app.router.lifespan_context(app):
        await ladder.rung("FastAPI, a route that does nothing", app, "/nothing")
        await ladder.rung("a model of the body", app, "/reads")
        await ladder.rung("a model of the answer", app, "/answers")
        await ladder.rung("XADD: the bare route", app, "/run-task")
    return ladder.rows


async def measure_ours(settings: Settings, rounds: int) -> Rows:
    app, ladder = create_app(settings), Ladder(rounds)
    app.add_api_route("/nothing", nothing, methods=["POST"], status_code=202)
    app.router.routes.insert(0, app.router.routes.pop())
    async with app.router.lifespan_context(app):
        await ladder.rung("our middleware, a route that does nothing", app, "/nothing")
        plan = await app.state.services.dispatcher.plan(Submission(task=TASKS[0]))
        await climb(ladder, app, Accepted("0-01a21576-bd3d-7ab8-af11-3cbec5e1d7d3", plan))
        await ladder.rung("Redis: POST /run-task", app, "/run-task")
    return ladder.rows


async def climb(ladder: Ladder, app: FastAPI, accepted: Accepted) -> None:
    """The parts of a submission, the last ones first replaced by nothing and then let in."""

    async def accept(_: Dispatcher, __: Submission) -> Accepted:
        return accepted

    async def plan_only(self: Dispatcher, submitted: Submission) -> Accepted:
        await self.plan(submitted)
        return accepted

    async def answer(*_: object) -> Response:
        return Response(b"{}", 202)

    call = SharedConnection.execute_command

    async def ok(self: SharedConnection, *words: Any) -> Any:
        return [b"ok"] if str(words[1]).endswith("_submit") else await call(self, *words)

    with replaced(Dispatcher, "submit", accept):
        with replaced(tasks, "answer", answer):
            await ladder.rung("who asks, the body, the headers", app, "/run-task")
        await ladder.rung("the answer", app, "/run-task")
    with replaced(Dispatcher, "submit", plan_only):
        await ladder.rung("a plan from the words, validated", app, "/run-task")
    with replaced(SharedConnection, "execute_command", ok):
        await ladder.rung("the task as Redis gets it", app, "/run-task")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=80)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as folder:
        server = local_redis.start_server(Path(server_binary()), Path(folder), appendonly=False)
        os.environ["REDIS_URL"] = server.url
        settings = Settings(redis_url=server.url, access_log=False, open_tasks_max=10**7, backlog_max=10**7)
        head = ["with", "CPU us", "more than before"]
        try:
            show("the bare route", head, uvloop.run(measure_bare(rounds)))
            show("ours", head, uvloop.run(measure_ours(settings, rounds)))
        finally:
            server.stop()


if __name__ == "__main__":
    main()
