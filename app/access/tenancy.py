"""To which tenant a task belongs."""

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
        commands = [("HGET", self._keys.task(task_id), "tenant") for task_id in task_ids]
        found = await patient(lambda: self._shared.execute_many(commands), self._retry_ms_max)
        return [owner == tenant.encode() for owner in found]
