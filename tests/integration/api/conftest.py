"""The application on a real Redis, with and without a server before it."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from app import redis_async
from app.keys import Keys
from tests.integration.api.support import Api, Worker, running, serving


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
    async with serving(redis_url=redis_url, namespace=namespace, heartbeat_s=0.05, viewers_max=3, waiters_max=2) as api:
        yield api
