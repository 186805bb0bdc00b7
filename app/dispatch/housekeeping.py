"""
What must happen to tasks without anybody asking: deadlines, retention, the audit.

Every API and worker process runs it; the scripts see to it that the fleet does each thing once.
"""

import time
from collections.abc import Awaitable, Callable, Sequence

import anyio
import structlog

from app.dispatch.store import TaskStore
from app.errors import Unavailable

#: How long an earlier deadline that another process has accepted may be overlooked.
NAP_S_MAX = 5.0
NAP_S_MIN = 0.01
FORGET_INTERVAL_S = 60.0
PAUSE_S = 0.1
CALLS_MAX = 400

Duty = Callable[[], Awaitable[None]]

log = structlog.get_logger(__name__)


class Housekeeper:
    """Ends what is over its time, deletes what is over its retention, and looks for what should not be."""

    def __init__(self, store: TaskStore, *, audit_interval_ms: int, duties: Sequence[tuple[float, Duty]] = ()) -> None:
        """`duties` are further ones of the process: how often, in seconds, and what."""
        self._store = store
        self._duties = [
            (FORGET_INTERVAL_S, self._forget),
            (audit_interval_ms / 1000, self._audit),
            *duties,
        ]
        self._woken = anyio.Event()

    def wake(self) -> None:
        """A deadline was set: it may be earlier than the one that is waited for."""
        self._woken.set()

    async def run(self) -> None:
        """Works until cancelled."""
        async with anyio.create_task_group() as group:
            group.start_soon(self._deadlines)
            for interval_s, duty in self._duties:
                group.start_soon(self._regularly, interval_s, duty)

    async def _deadlines(self) -> None:
        while True:
            nap_s = NAP_S_MAX
            try:
                _, next_ms = await self._store.expire()
                if next_ms is not None:
                    nap_s = min(NAP_S_MAX, max(NAP_S_MIN, next_ms / 1000))
            except Unavailable as error:
                log.warning("deadlines_not_looked_at", error=str(error))
            # One task whose keys were damaged must not take the process with it.
            except Exception:
                log.exception("deadlines_not_looked_at")
            with anyio.move_on_after(nap_s):
                await self._woken.wait()
            self._woken = anyio.Event()

    async def _regularly(self, interval_s: float, duty: Duty) -> None:
        while True:
            began_s = time.monotonic()
            try:
                await duty()
            except Unavailable as error:
                log.warning("housekeeping_put_off", duty=duty.__name__, error=str(error))
            # One task whose keys were damaged must not take the process with it.
            except Exception:
                log.exception("housekeeping_put_off", duty=duty.__name__)
            await anyio.sleep(max(0.0, interval_s - (time.monotonic() - began_s)))

    async def _forget(self) -> None:
        for _ in range(CALLS_MAX):
            if not await self._store.forget_expired():
                return
            await anyio.sleep(PAUSE_S)

    async def _audit(self) -> None:
        """One round over all open tasks, in small bites."""
        for _ in range(CALLS_MAX):
            audited = await self._store.audit()
            if audited is None:
                return
            if audited.repaired:
                log.error("tasks_repaired", count=audited.repaired)
            if audited.round_over:
                return
            await anyio.sleep(PAUSE_S)
