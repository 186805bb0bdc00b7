"""A log to write to, as the transition scripts write it, and a hub that watches it."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis.asyncio

from app import redis_async
from app.events.hub import Hub
from app.events.log import EventLog
from app.events.places import Places
from app.keys import Keys
from app.redis_shared import SharedConnection
from tests.integration.events.support import PrivateServer, Writer


@pytest.fixture
async def client(redis_url: str) -> AsyncIterator["redis.asyncio.Redis"]:
    client = redis_async.connect(redis_url)
    yield client
    await client.aclose()


@pytest.fixture
def keys(namespace: str) -> Keys:
    return Keys(namespace)


@pytest.fixture
async def log(client: "redis.asyncio.Redis", keys: Keys) -> AsyncIterator[EventLog]:
    shared = SharedConnection(client)
    yield EventLog(shared, keys, retry_ms_max=50)
    await shared.aclose()


@pytest.fixture
def writer(client: "redis.asyncio.Redis", keys: Keys) -> Writer:
    return Writer(client, keys)


@pytest.fixture
async def hub(client: "redis.asyncio.Redis", keys: Keys, log: EventLog) -> AsyncIterator[Hub]:
    """Small rings, and a reconciliation so rare that a test which needs it must say so."""
    async with Hub(client, keys, log, viewer_queue_max=8, places=Places(50), reconcile_s=60) as hub:
        yield hub


@pytest.fixture
def private_server(tmp_path: Path) -> Iterator[PrivateServer]:
    server = PrivateServer(tmp_path)
    yield server
    server.stop()
