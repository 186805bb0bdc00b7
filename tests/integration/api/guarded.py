"""An API that asks for keys, with keys of every kind and tasks of two tenants."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx2
import redis
import uvicorn
from fastapi import FastAPI
from fastapi.routing import RouteContext, iter_route_contexts

from app.access.keyring import Keyring
from app.access.principal import Scope
from app.access.token import new_token
from app.api.auth import declared_scope
from app.config import Settings
from app.keys import Keys
from app.main import create_app
from app.model.task import new_task_id
from tests.integration.api.support import LINE, Api, ThreadlessServer
from tests.redis_users import as_user

#: The routes that are for everybody.
OPEN_ROUTES = {"/healthz", "/readyz", "/openapi.json", "/", "/static/{version}/{path:path}"}
UNKNOWN = new_task_id(time.time_ns() // 1_000_000, 7)
LONG_AGO = new_task_id(1_600_000_000_000, 7)
FOREIGN_LONG_AGO = new_task_id(1_600_000_000_000, 8)
#: How a key that the matrix tries is called, and what it may do.
SCOPED = {
    "submitter": Scope.SUBMIT, "reader": Scope.READ, "scraper": Scope.METRICS, "administrator": Scope.ADMIN,
}  # fmt: skip
REFUSED = ("none", "malformed", "unknown", "revoked", "expired", "basic", "empty")


@dataclass
class Guarded(Api):
    """A server of a tenant `mine` and another `theirs`."""

    keys: dict[str, str] = field(default_factory=dict)
    theirs: dict[str, str] = field(default_factory=dict)
    foreign_task: str = ""

    def headers(self, kind: str) -> dict[str, str]:
        """What a client sends that has such a key."""
        if kind == "none":
            return {}
        scheme = "Basic" if kind == "basic" else "Bearer"
        return {"Authorization": f"{scheme} {self.keys.get(kind, '')}".strip()}

    async def task(self, headers: dict[str, str] | None = None) -> str:
        """A task that has ended, so that its stream does too."""
        headers = headers or self.headers("administrator")
        reply = await self.http.post("/run-task", json={"task": "Do it", "plan": LINE}, headers=headers)
        assert reply.status_code == 202, reply.text
        task_id: str = reply.json()["task_id"]
        ended = await self.http.post(f"/tasks/{task_id}/cancel", json={"mode": "force"}, headers=headers)
        assert ended.json()["status"] == "cancelled"
        return task_id

    async def call(self, route: "Route", task_id: str, headers: dict[str, str]) -> httpx2.Response:
        path = route.path.replace("{task_id}", task_id).replace("{step_id}", "1")
        query = {"task_id": task_id} if route.in_query else {}
        if route.path == "/events":
            query = {"follow": "false"}  # it has no end of its own
        if route.method == "HEAD":
            # What it would say is what GET says.
            head = await self.http.head(path, params=query, headers=headers)
            reply = await self.http.get(path, params=query, headers=headers)
            assert (head.status_code, head.content) == (reply.status_code, b"")
            return reply
        body = None if route.method in ("GET", "DELETE") else route.body
        return await self.http.request(route.method, path, params=query, json=body, headers=headers)


@dataclass(frozen=True)
class Route:
    """A row of the route table."""

    method: str
    path: str
    scope: Scope | None
    in_query: bool

    @property
    def of_a_task(self) -> bool:
        return "{task_id}" in self.path or self.in_query

    @property
    def body(self) -> dict[str, Any]:
        if self.path in ("/run-task", "/plan"):
            return {"task": "Do it", "plan": LINE}
        return {"from_step": 1} if self.path.endswith("/fork") else {}


def routes(app: FastAPI) -> list[Route]:
    """Every route there is, one per method."""
    return [_row(route, method) for route in iter_route_contexts(app.routes) for method in sorted(route.methods or ())]


def _row(route: RouteContext, method: str) -> Route:
    assert route.path
    assert route.endpoint
    query = _query(getattr(route, "dependant", None))
    return Route(method, route.path, declared_scope(route.endpoint), "task_id" in query)


def _query(dependant: Any) -> set[str]:
    """The names of all query parameters, those of dependencies too."""
    if dependant is None:
        return set()
    deeper = (_query(below) for below in dependant.dependencies)
    return {parameter.alias for parameter in dependant.query_params}.union(*deeper)


@asynccontextmanager
async def serving(app: FastAPI, **config: Any) -> AsyncIterator[int]:
    """A real server before the application; its port, where it has one."""
    server = ThreadlessServer(uvicorn.Config(app, **({"port": 0, "log_level": "warning", "backlog": 512} | config)))
    running = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.005)
    name = server.servers[0].sockets[0].getsockname()
    yield name[1] if isinstance(name, tuple) else 0
    app.state.services.draining.set()
    server.should_exit = True
    await running


@asynccontextmanager
async def guarded(redis_url: str, namespace: str, *, alone: bool = True, **settings: Any) -> AsyncIterator[Guarded]:
    """Such a server at a loopback address, and a client without a key; `alone` it leaves nothing in Redis."""
    app = create_app(Settings(redis_url=as_user(redis_url, "api"), namespace=namespace, auth="required", **settings))
    client: redis.Redis = redis.Redis.from_url(redis_url, protocol=2)
    ring = Keyring(client, Keys(namespace))
    async with serving(app) as port, httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as http:
        yield Guarded(app, http, keys=_keys(ring), theirs=_theirs(ring))
    for key in client.scan_iter(match=f"{{{namespace}:*", count=1000) if alone else ():
        client.delete(key)
    client.close()


def _keys(ring: Keyring) -> dict[str, str]:
    made = {name: ring.create(tenant="mine", scopes=[scope], name=name)[0].text for name, scope in SCOPED.items()}
    gone, _ = ring.create(tenant="mine", scopes=[Scope.ADMIN])
    ring.revoke(gone.key_id)
    late, _ = ring.create(tenant="mine", scopes=[Scope.ADMIN], expires_ms=1)
    good = made["administrator"]
    return made | {
        "malformed": good[:-1], "unknown": new_token().text, "revoked": gone.text, "expired": late.text, "basic": good,
    }  # fmt: skip


def _theirs(ring: Keyring) -> dict[str, str]:
    return {"Authorization": f"Bearer {ring.create(tenant='theirs', scopes=[Scope.ADMIN])[0].text}"}
