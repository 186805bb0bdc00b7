"""Asks Redis, at the time of a scrape, for what is told of it: one write, then one look at queues and workers."""

from collections.abc import Mapping
from typing import Any

import anyio
import redis.asyncio
from redis import exceptions

from app.broker.errors import is_passing
from app.dispatch.counters import Counters
from app.dispatch.fleet import Fleet
from app.errors import Unavailable
from app.keys import Keys
from app.metrics.prometheus.truth import RedisTruth, ServerFacts
from app.model.agents import AgentRegistry
from app.redis_async import translated

#: Prometheus gives up after ten seconds unless told otherwise.
SCRAPE_S_MAX = 5.0
LLM_COUNTERS = ("calls", "input_tokens", "output_tokens", "nano_usd")


class TruthReader:
    """Reads the truth of one installation."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, fleet: Fleet, registry: AgentRegistry) -> None:
        self._client = client
        self._keys = keys
        self._fleet = fleet
        self._registry = registry

    async def read(self) -> RedisTruth | None:
        """What there is, or nothing when Redis is away or slower than `SCRAPE_S_MAX`."""
        try:
            with anyio.fail_after(SCRAPE_S_MAX), translated():
                return await self._read()
        except (Unavailable, TimeoutError):
            return None

    async def _read(self) -> RedisTruth:
        async with self._client.pipeline(transaction=False) as pipe:
            pipe.zcard(self._keys.open)
            pipe.xlen(self._keys.fire)
            pipe.hget(self._keys.audit, "repaired")
            pipe.hmget(self._keys.llm, LLM_COUNTERS)
            pipe.hgetall(self._keys.totals)
            pipe.info("memory", "persistence")
            replies = await pipe.execute(raise_on_error=False)
        open_tasks, fire, repaired, llm, totals, server = map(_allowed, replies)
        survey = await self._fleet.survey()
        return RedisTruth(
            queues=survey.queues,
            workers=[worker.queues for worker in survey.workers if worker.alive],
            agents=self._registry.names,
            open_tasks=open_tasks,
            repaired=int(repaired or 0),
            counters=None if totals is None else Counters.read(totals),
            llm=None if llm is None else {name: int(n or 0) for name, n in zip(LLM_COUNTERS, llm, strict=True)},
            firehose_entries=fire,
            server=_facts(server or {}),
        )


def _allowed(reply: Any) -> Any:
    """
    The reply; nothing for what this user of Redis may not ask, or what another program has put there.

    Raises what says that the server is away.
    """
    if not isinstance(reply, Exception):
        return reply
    if is_passing(reply) or not isinstance(reply, exceptions.ResponseError):
        raise reply
    return None


def _facts(info: Mapping[str, Any]) -> ServerFacts:
    """What INFO says (https://redis.io/docs/latest/commands/info/), as far as this server knows it."""
    policy, append_only = info.get("maxmemory_policy"), info.get("aof_enabled")
    return ServerFacts(
        memory_bytes=info.get("used_memory"),
        memory_bytes_max=info.get("maxmemory"),
        evicting=None if policy is None else policy != "noeviction",
        persistent=None if append_only is None else bool(append_only),
    )
