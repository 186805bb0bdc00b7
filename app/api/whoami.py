"""What the caller's key is good for."""

from fastapi import APIRouter

from app.api.deps import Reader
from app.model.answers import CallerBody

router = APIRouter(tags=["access"])


@router.get("/whoami")
async def whoami(caller: Reader) -> CallerBody:
    """The name, tenant and scopes of the key that came with the request, or of whoever needs none."""
    return CallerBody(name=caller.name, tenant=caller.tenant, scopes=sorted(caller.scopes))
