"""Gathers what a running agent reports and writes it in few calls."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio

from app.model.events import EventData, OutputDelta

FLUSH_INTERVAL_S = 0.1
DELTA_CHARS_MAX = 4096
BUFFERED_MAX = 256

Write = Callable[[int, list[EventData]], Awaitable[None]]


class ProgressBuffer:
    """
    Coalesces reports: the first goes out at once, then at most one write per 100 ms.

    Neighbouring pieces of one text become one `output.delta`. `emit` waits when `BUFFERED_MAX` reports
    are pending, so a chatty agent is slowed down rather than buffered without end. When a write fails (the
    attempt is fenced, Redis stays away) `on_failure` is called, and `failure` says why. From then on, or once
    it was flushed or abandoned, reports are dropped: what an agent left running may go on to report for ever.
    """

    def __init__(self, write: Write, on_failure: Callable[[], None]) -> None:
        self.failure: Exception | None = None
        self._write = write
        self._on_failure = on_failure
        self._pending: list[EventData] = []
        self._number = 0
        self._closed = False
        self._flushed = asyncio.Event()
        self._hurry = asyncio.Event()
        self._writing: asyncio.Task[None] | None = None

    async def emit(self, event: EventData) -> None:
        """Buffers one report."""
        while len(self._pending) >= BUFFERED_MAX and not self._closed:
            self._flushed.clear()
            await self._flushed.wait()
        if self._closed:
            return
        self._append(event)
        # Started late, because most attempts of short steps report nothing.
        if self._writing is None:
            self._writing = asyncio.get_running_loop().create_task(self._write_regularly())

    async def flush(self) -> None:
        """Writes what is pending and takes no more; must be awaited before the attempt is settled. Raises `failure`."""
        self._closed = True
        if self._writing is not None:
            self._hurry.set()
            await self._writing
        if self.failure is not None:
            raise self.failure

    def abandon(self) -> None:
        """Drops what is pending, and takes no more: the attempt is not wanted any more."""
        self._closed = True
        self._pending.clear()
        if self._writing is not None:
            self._writing.cancel()

    async def _write_regularly(self) -> None:
        try:
            while self._pending:
                events, self._pending = self._pending, []
                self._number += 1
                await self._write(self._number, events)
                self._flushed.set()
                await self._pause()
        # It belongs to the attempt, which is told; raised here it would be nobody's.
        except Exception as error:  # noqa: BLE001
            self.failure, self._closed = error, True
            self._pending.clear()
            self._on_failure()
        finally:
            self._writing = None
            self._flushed.set()

    async def _pause(self) -> None:
        with anyio.move_on_after(FLUSH_INTERVAL_S):
            await self._hurry.wait()

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
