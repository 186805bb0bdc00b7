"""What an API process needs to let people watch: logs, hub, firehose, and the word that it is about to end."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import redis.asyncio

from app.bootstrap.open_files import affordable
from app.config import Settings
from app.draining import Draining
from app.events.fire_log import FireLog
from app.events.firehose import Firehose
from app.events.hub import Hub
from app.events.log import EventLog
from app.events.places import Places
from app.events.waiters import Waiters
from app.keys import Keys
from app.redis_shared import SharedConnection


@dataclass(frozen=True, slots=True)
class Watching:
    """The parts; all viewers of a process share its places."""

    log: EventLog
    hub: Hub
    firehose: Firehose
    waiters: Waiters
    draining: Draining


@asynccontextmanager
async def watching(
    client: "redis.asyncio.Redis", keys: Keys, settings: Settings, *, retry_ms_max: int
) -> AsyncIterator[Watching]:
    """From start to stop. Logs are read over a connection of their own, so that no transition waits behind a page."""
    shared = SharedConnection(client)
    log = EventLog(shared, keys, retry_ms_max=retry_ms_max)
    places, draining = Places(affordable(settings.viewers_max)), Draining()
    hub = Hub(client, keys, log, viewer_queue_max=settings.viewer_queue_max, places=places)
    firehose = Firehose(FireLog(client, shared, keys, retry_ms_max=retry_ms_max), places)
    try:
        async with hub:
            yield Watching(log, hub, firehose, Waiters(hub, draining, settings.waiters_max), draining)
    finally:
        await firehose.aclose()
        await shared.aclose()
