"""To which tenant a task belongs."""

import asyncio
from collections.abc import Sequence

from app.keys import Keys
from app.redis_async import patient
from app.redis_shared import SharedConnection


class Tenancy:
    """Looks tasks up over the connection that all share; raises `Unavailable` when Redis is away for `retry_ms_max`."""

    def __init__(self, shared: SharedConnection, keys: Keys, *, retry_ms_max: int) -> None:
        self._shared = shared
        self._keys = keys
        self._retry_ms_max = retry_ms_max

    async def owned(self, tenant: str, task_ids: Sequence[str]) -> list[bool]:
        """Which of the tasks are there and the tenant's, in one round trip."""
        found = await asyncio.gather(*(self._tenant_of(task_id) for task_id in task_ids))
        return [owner == tenant.encode() for owner in found]

    async def _tenant_of(self, task_id: str) -> bytes | None:
        words = ("HGET", self._keys.task(task_id), "tenant")
        owner: bytes | None = await patient(lambda: self._shared.execute_command(*words), self._retry_ms_max)
        return owner
