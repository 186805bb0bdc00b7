"""What an API process does without being asked: deadlines and audits, the history of the queues, a sign of life."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
import redis.asyncio

from app.bootstrap.common import running
from app.bootstrap.watching import Watching
from app.config import Settings
from app.dispatch import history, presence
from app.dispatch.fleet import Fleet
from app.dispatch.housekeeping import Housekeeper
from app.dispatch.store import TaskStore
from app.errors import Unavailable
from app.keys import Keys
from app.model.agents import AgentRegistry

LEAVE_S_MAX = 1.0


@dataclass(frozen=True, slots=True)
class Upkeep:
    """The parts."""

    housekeeper: Housekeeper
    history: history.QueueHistory
    presence: presence.ApiPresence


@asynccontextmanager
async def kept_up(
    client: "redis.asyncio.Redis",
    settings: Settings,
    agents: AgentRegistry,
    store: TaskStore,
    fleet: Fleet,
    watch: Watching,
) -> AsyncIterator[Upkeep]:
    """From start to stop; with the process goes the word that it is there."""
    keys = Keys(settings.namespace)
    sampler = history.QueueHistory(client, keys, fleet, watch.firehose.log, agents)
    present = presence.ApiPresence(client, keys, lambda: _state(watch))
    keeper = Housekeeper(
        store,
        audit_interval_ms=settings.audit_interval_ms,
        duties=((history.INTERVAL_S, sampler.sample), (presence.BEAT_S, present.beat)),
    )
    try:
        async with running(keeper):
            yield Upkeep(keeper, sampler, present)
    finally:
        # Without Redis the word is gone by itself a little later.
        with anyio.move_on_after(LEAVE_S_MAX, shield=True), suppress(Unavailable):
            await present.leave()


def _state(watch: Watching) -> presence.State:
    places = watch.firehose.places
    return presence.State(
        draining=watch.draining.is_set(),
        viewers=places.counters.viewers,
        viewers_max=places.viewers_max,
        events_sent=places.counters.events_sent,
    )
