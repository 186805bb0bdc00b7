"""The installation as a whole, for its operators: Redis, the API processes, what queues have held."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.deps import Admin, Services
from app.api.problems import documented
from app.model.fleet import QueueHistoryBody, RedisBody, SystemBody
from app.redis_async import translated

MS_MAX = 2**53 - 1

router = APIRouter(tags=["operations"])


@router.get("/queues/history", responses=documented(422, 503))
async def queue_history(
    _: Admin,
    services: Services,
    after_ms: Annotated[
        int, Query(ge=0, le=MS_MAX, description="Only samples taken after this time, epoch ms: the last of `times_ms`.")
    ] = 0,
) -> QueueHistoryBody:
    """What every queue held during the last hour, a sample every ten seconds."""
    return await services.history.read(after_ms)


@router.get("/system", responses=documented(503))
async def system(_: Admin, services: Services) -> SystemBody:
    """The Redis server as it says itself, and all API processes as they last told of themselves."""
    processes = await services.presence.processes()
    with translated():
        return SystemBody(redis=_redis(await services.redis.info()), api_processes=processes)


def _redis(said: dict[str, object]) -> RedisBody:
    """From INFO (https://redis.io/docs/latest/commands/info/); what a server does not tell is empty or 0."""

    def text(name: str) -> str:
        return str(said.get(name, ""))

    def number(name: str) -> int:
        return int(text(name) or 0)

    name, known = ("Valkey", "valkey_version") if "valkey_version" in said else ("Redis", "redis_version")
    return RedisBody(
        version=f"{name} {text(known)}",
        role=text("role"),
        up_ms=number("uptime_in_seconds") * 1000,
        memory_bytes=number("used_memory"),
        memory_bytes_max=number("maxmemory"),
        eviction_policy=text("maxmemory_policy"),
        append_only=bool(number("aof_enabled")),
        saved="err" not in (text("aof_last_write_status"), text("rdb_last_bgsave_status")),
        clients=number("connected_clients"),
        replicas=number("connected_slaves"),
    )
