"""The application on a real Redis, with and without a server before it."""

import asyncio
from collections.abc import AsyncIterator

import httpx2
import pytest
import redis.asyncio
import uvicorn

from app import redis_async
from app.config import Settings
from app.keys import Keys
from app.main import create_app
from tests.integration.api.support import Api, ThreadlessServer, Worker, running


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    client = redis_async.connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def worker(client: "redis.asyncio.Redis", namespace: str) -> Worker:
    return Worker(client, Keys(namespace))


@pytest.fixture
async def api(redis_url: str, namespace: str) -> AsyncIterator[Api]:
    """The application itself, called directly."""
    async with running(redis_url=redis_url, namespace=namespace, body_bytes_max=100_000) as api:
        yield api


@pytest.fixture
async def served(redis_url: str, namespace: str) -> AsyncIterator[Api]:
    """The application behind a real server, which streams need."""
    settings = Settings(redis_url=redis_url, namespace=namespace, heartbeat_s=0.05, viewers_max=3, waiters_max=2)
    app = create_app(settings)
    server = ThreadlessServer(uvicorn.Config(app, port=0, log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110  # uvicorn has no event for it
        await asyncio.sleep(0.005)
    port = server.servers[0].sockets[0].getsockname()[1]
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as http:
        yield Api(app, http)
    server.should_exit = True
    await serving
