"""Gathers what a running agent reports and writes it in few calls."""

from collections.abc import Awaitable, Callable
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from app.errors import Unavailable
from app.model.events import EventData, OutputDelta

FLUSH_INTERVAL_S = 0.1
DELTA_CHARS_MAX = 4096
BUFFERED_MAX = 256
CHECK_INTERVAL_S = 1.0

Write = Callable[[int, list[EventData]], Awaitable[None]]


class ProgressBuffer:
    """
    Coalesces reports: the first goes out at once, then at most one write per 100 ms. A silent agent is
    checked on once a second, so that one whose step was cancelled or taken over is stopped.

    Neighbouring pieces of one text become one `output.delta`. `emit` waits when `BUFFERED_MAX` reports
    are pending, so a chatty agent is slowed down rather than buffered without end. An error of the
    writer (the attempt is fenced, Redis stays away) surfaces in the surrounding `async with`.
    """

    def __init__(self, write: Write) -> None:
        self._write = write
        self._pending: list[EventData] = []
        self._number = 0
        self._wake = anyio.Event()
        self._flushed = anyio.Event()
        self._lock = anyio.Lock()
        self._group: TaskGroup

    async def __aenter__(self) -> Self:
        self._group = await anyio.create_task_group().__aenter__()
        self._group.start_soon(self._flush_regularly)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        self._group.cancel_scope.cancel()
        try:
            return await self._group.__aexit__(kind, error, traceback)
        except BaseExceptionGroup as group:
            # One task reports and one writes: callers want the error itself, not a group of one.
            if len(group.exceptions) == 1:
                raise group.exceptions[0] from None
            raise

    async def emit(self, event: EventData) -> None:
        """Buffers one report."""
        while len(self._pending) >= BUFFERED_MAX:
            await self._flushed.wait()
        self._append(event)
        self._wake.set()

    async def flush(self) -> None:
        """Writes everything that is pending; must be awaited before the attempt is settled."""
        async with self._lock:
            events, self._pending = self._pending, []
            self._wake = anyio.Event()
            if events:
                self._number += 1
                await self._write(self._number, events)
            flushed, self._flushed = self._flushed, anyio.Event()
            flushed.set()

    def _append(self, event: EventData) -> None:
        last = self._pending[-1] if self._pending else None
        if (
            isinstance(event, OutputDelta)
            and isinstance(last, OutputDelta)
            and last.artifact == event.artifact
            and len(last.text) + len(event.text) <= DELTA_CHARS_MAX
        ):
            self._pending[-1] = last.model_copy(update={"text": last.text + event.text})
        else:
            self._pending.append(event)

    async def _flush_regularly(self) -> None:
        while True:
            with anyio.move_on_after(CHECK_INTERVAL_S):
                await self._wake.wait()
            if self._pending:
                await self.flush()
            else:
                await self._check()
            await anyio.sleep(FLUSH_INTERVAL_S)

    async def _check(self) -> None:
        """An empty report: it finds out whether the attempt is still wanted, and shows that it lives."""
        # Redis being away is no reason to stop an agent that has nothing to write.
        with suppress(Unavailable):
            async with self._lock:
                self._number += 1
                await self._write(self._number, [])
