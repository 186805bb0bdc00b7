"""The application on a real Redis, with and without a server before it."""

from collections.abc import AsyncIterator

import pytest
import redis.asyncio

from app import redis_async
from app.keys import Keys
from tests.integration.api.support import Api, Worker, running, serving
from tests.redis_users import as_user


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    client = redis_async.connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
async def worker(redis_url: str, namespace: str) -> AsyncIterator[Worker]:
    client = redis_async.connect(as_user(redis_url, "worker"))
    yield Worker(client, Keys(namespace))
    await client.aclose()


@pytest.fixture
async def api(redis_url: str, namespace: str) -> AsyncIterator[Api]:
    """The application itself, called directly."""
    url = as_user(redis_url, "api")
    async with running(redis_url=url, namespace=namespace, body_bytes_max=100_000) as api:
        yield api


@pytest.fixture
async def served(redis_url: str, namespace: str) -> AsyncIterator[Api]:
    """The application behind a real server, which streams need."""
    url = as_user(redis_url, "api")
    async with serving(redis_url=url, namespace=namespace, heartbeat_s=0.05, viewers_max=3, waiters_max=2) as api:
        yield api
