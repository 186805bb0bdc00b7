"""Looks at Redis for a process, tells the log, and looks again later where Redis was away."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass

import anyio
import anyio.to_thread
import structlog

from app import redis_async, redis_urls
from app.errors import Unavailable
from app.local_redis import without_password
from app.preflight.finding import Finding
from app.preflight.needs import Role
from app.preflight.start import look

PAUSE_S = 1.0
_postponed: list["Watch"] = []

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Watch:
    """The look that one process has to take at its Redis."""

    url: str
    namespace: str
    role: Role
    may_evict: bool = False

    def look(self) -> bool:
        """Whether this Redis is refused, for which there is a line in the log; raises `Unavailable` when it is away."""
        client = redis_urls.sync_client(
            self.url, timeout_s=redis_async.SOCKET_TIMEOUT_S, connect_timeout_s=redis_async.CONNECT_TIMEOUT_S
        )
        with client:
            url_shown = without_password(self.url)
            verdict = look(client, url_shown, self.namespace, self.role, may_evict=self.may_evict)
        if verdict.unchecked:
            log.info("redis_unchecked", checks=verdict.unchecked, said="this user may not ask")
        for finding in verdict.warnings:
            log.warning("redis_doubtful", **_told(finding))
        for finding in verdict.refusals:
            log.critical("redis_refused", **_told(finding))
        return bool(verdict.refusals)

    def postpone(self) -> None:
        """Leaves the look to `looking`, in this process."""
        _postponed.append(self)


def _told(finding: Finding) -> dict[str, str]:
    return {"check": finding.check, "said": finding.said, "advice": finding.advice}


@asynccontextmanager
async def looking() -> AsyncIterator[None]:
    """Inside, what was postponed is done as soon as Redis answers; a refusal asks this process to end."""
    waiting = asyncio.create_task(_look_later()) if _postponed else None
    try:
        yield
    finally:
        if waiting:
            waiting.cancel()
            with suppress(asyncio.CancelledError):
                await waiting


async def _look_later() -> None:
    while _postponed:
        await anyio.sleep(PAUSE_S)
        try:
            refused = await anyio.to_thread.run_sync(_postponed[0].look)
        except Unavailable:
            continue
        _postponed.pop(0)
        if refused:
            os.kill(os.getpid(), signal.SIGTERM)
