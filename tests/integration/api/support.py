"""An API on a real Redis, and a worker's part played by hand."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2
import orjson
import redis.asyncio
import uvicorn
from fastapi import FastAPI

from app.bootstrap.api import ApiServices
from app.config import Settings
from app.dispatch.attempt import Attempt, StepRef
from app.dispatch.record import STEP_STATE, parse_line
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepLimits, StepStore
from app.keys import Keys
from app.main import create_app
from app.model.agents import StepOutput
from app.model.events import ErrorInfo

LINE = [
    {"step_id": 1, "agent": "retriever", "payload": "Find"},
    {"step_id": 2, "agent": "analyzer", "payload": "Think"},
    {"step_id": 3, "agent": "writer", "payload": "Write"},
]
LIMITS = StepLimits(events_max=100, crashes_max=3)


@dataclass
class Api:
    """A running application and a client of it."""

    app: FastAPI
    http: httpx2.AsyncClient

    @property
    def services(self) -> ApiServices:
        services: ApiServices = self.app.state.services
        return services

    async def steer(self, task_id: str, verb: str, **body: Any) -> httpx2.Response:
        return await self.http.post(f"/tasks/{task_id}/{verb}", json=body)

    async def events(self, task_id: str) -> list[dict[str, Any]]:
        return [orjson.loads(event.body) async for page in self.services.log.pages(task_id) for event in page]

    async def view(self, task_id: str) -> dict[str, Any]:
        view: dict[str, Any] = (await self.http.get(f"/tasks/{task_id}")).json()
        return view

    async def submit(self, plan: list[dict[str, Any]] | None = None, **body: Any) -> str:
        reply = await self.http.post("/run-task", json={"task": "Do it", "plan": plan or LINE, **body})
        assert reply.status_code == 202, reply.text
        task_id: str = reply.json()["task_id"]
        return task_id


@asynccontextmanager
async def running(**settings: Any) -> AsyncIterator[Api]:
    """The application without a server: good for all but streams."""
    app = create_app(Settings(**settings))
    transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    http = httpx2.AsyncClient(transport=transport, base_url="http://127.0.0.1")
    async with app.router.lifespan_context(app), http:
        yield Api(app, http)


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Api]:
    """The application behind a real server in this loop."""
    app = create_app(Settings(**settings))
    server = ThreadlessServer(uvicorn.Config(app, port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        yield Api(app, http)
    app.state.services.draining.set()
    server.should_exit = True
    await serving


class Worker:
    """Moves the steps of tasks as a worker does, by the transition scripts."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys) -> None:
        self._redis = client
        self._keys = keys
        self._store = StepStore(ScriptRunner(client, keys, retry_ms_max=1000), LIMITS)

    async def start(self, task_id: str, step_id: int) -> Attempt:
        line = await self._redis.hget(self._keys.task(task_id), f"s:{step_id}") or b""
        number = int(parse_line(STEP_STATE, line.decode())["dispatch"])
        attempt = await self._store.start(StepRef(task_id, step_id, number), worker="w1")
        assert attempt is not None
        return attempt

    async def finish(self, task_id: str, *step_ids: int, text: str | None = None) -> None:
        for step_id in step_ids:
            attempt = await self.start(task_id, step_id)
            output = StepOutput(summary=f"step {step_id}", data={"n": step_id}, text=text)
            await self._store.complete(attempt, output.model_dump_json().encode(), output.summary)

    async def leave(self, task_id: str, step_id: int, output: StepOutput) -> Attempt:
        """Runs one step, which leaves this behind."""
        attempt = await self.start(task_id, step_id)
        await self._store.complete(attempt, output.model_dump_json().encode(), output.summary)
        return attempt

    async def fail(self, task_id: str, step_id: int) -> None:
        attempt = await self.start(task_id, step_id)
        error = ErrorInfo(type="ValueError", code="permanent", message="no good")
        await self._store.fail(attempt, error, retryable=False, delay_ms=0, max_attempts=1)

    async def stop(self, attempt: Attempt) -> None:
        """Ends an attempt as a worker does that was told to stop."""
        await self._store.stop(attempt)

    async def defer(self, task_id: str, step_id: int) -> None:
        attempt = await self.start(task_id, step_id)
        assert await self._store.defer(attempt, delay_ms=60_000, provider="elsewhere", deferrals_max=3)

    async def is_wanted(self, attempt: Attempt) -> bool:
        return await self._store.unwanted([attempt]) == []


class ThreadlessServer(uvicorn.Server):
    """A server in the test's own loop; the test's signals stay the test's."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def problem_of(reply: httpx2.Response, status: int) -> dict[str, Any]:
    """The problem document of a refusal, its form checked."""
    assert reply.status_code == status, reply.text
    assert reply.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = reply.json()
    assert {"type", "title", "status", "detail", "instance"} <= set(body)
    assert body["status"] == status
    return body


def pointers(problem: dict[str, Any]) -> list[str]:
    return [error.get("pointer", error.get("parameter")) for error in problem["errors"]]
