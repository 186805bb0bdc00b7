"""
How a host is treated: one request after another, with a pause between them that all workers of this machine keep.

A host that says 429 or 503 is left alone for as long as it asks, by everybody here.
"""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime

import anyio
from anyio import to_thread

from actors.tools.web.gates import gate
from actors.tools.web.http import Answer
from actors.tools.web.store import WebStore
from actors.tools.web.trouble import NoTime

#: At once, to one host, from one process.
REQUESTS_MAX = 2
#: What a host that is busy and does not say for how long is given.
PATIENCE_S = 30.0
PATIENCE_S_MAX = 86_400.0
BUSY = frozenset({429, 503})


class Manners:
    """Whose turn it is; `deadline_s` is when the step has no time left, by the monotonic clock."""

    def __init__(self, store: WebStore, *, interval_s: float, deadline_s: float) -> None:
        self._store = store
        self._interval_s = interval_s
        self._deadline_s = deadline_s

    @asynccontextmanager
    async def turn(self, host: str, delay_s: float = 0.0) -> AsyncIterator[None]:
        """Waits until the host may be asked; raises `NoTime` when the step has not that much time."""
        async with gate(f"host {host}", REQUESTS_MAX)():
            await self._wait(host, max(self._interval_s, delay_s))
            yield

    async def _wait(self, host: str, interval_s: float) -> None:
        latest_s = time.time() + self._deadline_s - time.monotonic()
        at_s = await to_thread.run_sync(
            lambda: self._store.turn(host, interval_s=interval_s, latest_s=latest_s), abandon_on_cancel=True
        )
        if at_s > latest_s:
            raise NoTime(
                "is on a host that is asked rarely, and the step has no time to wait", retry_after_s=at_s - time.time()
            )
        await anyio.sleep(max(0.0, at_s - time.time()))

    async def heed(self, host: str, answer: Answer) -> float | None:
        """How long a busy host wants to be left alone, which it will be; `None` when it is not busy."""
        if answer.status not in BUSY:
            return None
        wait_s = retry_after_s(answer.headers.get("retry-after", ""))
        await to_thread.run_sync(self._store.leave_alone, host, time.time() + wait_s)
        return wait_s


def retry_after_s(text: str) -> float:
    """The seconds of a `Retry-After` (RFC 9110, section 10.2.3), within reason; a default for what is none."""
    text = text.strip()
    if text.isdecimal() and len(text) < 10:
        wait_s = float(text)
    else:
        try:
            wait_s = parsedate_to_datetime(text).timestamp() - time.time()
        except (ValueError, OverflowError):
            wait_s = PATIENCE_S
    return min(max(wait_s, 0.1), PATIENCE_S_MAX)
