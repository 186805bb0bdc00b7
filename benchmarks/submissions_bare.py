"""The floor: a route as anybody would write it, that puts what it is sent on a stream."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
from fastapi import FastAPI, Request
from pydantic import BaseModel

STREAM = "bare"
LENGTH_MAX = 10_000


class Body(BaseModel):
    """What a task is, at its least."""

    task: str


class Added(BaseModel):
    """Where it stands now."""

    id: str


def create_app() -> FastAPI:
    app = FastAPI(lifespan=_lifespan)
    app.add_api_route("/run-task", run_task, methods=["POST"], status_code=202)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(os.environ["REDIS_URL"], protocol=2)
    app.state.redis = client
    yield
    await client.aclose()


async def run_task(body: Body, request: Request) -> Added:
    entry = await request.app.state.redis.xadd(STREAM, {"task": body.task}, maxlen=LENGTH_MAX, approximate=True)
    return Added(id=entry.decode())
