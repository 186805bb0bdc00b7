"""Whether the process lives, and whether it can serve."""

from fastapi import APIRouter
from pydantic import BaseModel

from app.api.deps import Services
from app.api.problems import documented
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
    """Requests can be served: Redis answers."""
    with translated():
        await services.redis.ping()
    return Health()
