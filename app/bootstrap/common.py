"""What is wired in the same way in every process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import redis
import redis.asyncio

from app import redis_async, redis_urls
from app.broker.broker import SHARED_STREAM
from app.config import Settings
from app.dispatch.housekeeping import Housekeeper


@asynccontextmanager
async def running(housekeeper: Housekeeper) -> AsyncIterator[None]:
    async with anyio.create_task_group() as group:
        group.start_soon(housekeeper.run)
        yield
        group.cancel_scope.cancel()


def shared_stream(settings: Settings) -> str:
    """The stream of the layout `single`, or nothing when each queue has its own."""
    return SHARED_STREAM if settings.layout == "single" else ""


def sync_client(url: str) -> "redis.Redis":
    return redis_urls.sync_client(
        url, timeout_s=redis_async.SOCKET_TIMEOUT_S, connect_timeout_s=redis_async.CONNECT_TIMEOUT_S
    )
