"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import Services, refuse_while_draining
from app.api.problems import documented
from app.dispatch.replicas import MARK_TTL_MS
from app.redis_async import translated

router = APIRouter(tags=["health"])


class Health(BaseModel):
    """A process that answers."""

    status: str = "ok"


@router.get("/healthz")
async def healthz() -> Health:
    """The process lives; says nothing about Redis, so that an outage restarts nobody."""
    return Health()


@router.get("/readyz", responses=documented(503))
async def readyz(services: Services) -> Health:
    """Tasks can be accepted: Redis answers and takes a write, and this process is not about to end."""
    refuse_while_draining(services)
    with translated():
        await services.redis.set(services.keys.ready, 1, px=MARK_TTL_MS)
    return Health()
