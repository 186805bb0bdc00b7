"""How an agent reports on its step: what it awaits in a coroutine, and the same for plain functions."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, ParamSpec, TypeVar

from anyio import from_thread
from pydantic import JsonValue

from app.dispatch.memos import Memos, decoded
from app.model.events import CitationsVerified, EventData, OutputDelta, Passage, SourceFound, StepProgress
from app.model.output import MARKDOWN, suffix_of

Emit = Callable[[EventData], Awaitable[None]]
P = ParamSpec("P")
T = TypeVar("T")

PROGRESS_CHARS_MAX = 2_000
DELTA_CHARS_MAX = 32 << 10


def artifact_name(agent: str, step_id: int, media_type: str) -> str:
    """What a step's document is called, in `output.delta` and `artifact.completed` alike."""
    return f"{agent}-{step_id}{suffix_of(media_type)}"


class Reports:
    """The reporting methods of `StepContext`, which has the fields."""

    __slots__ = ("_written",)

    step_id: int
    agent: str
    emit: Emit
    memos: Memos
    cancelled: Callable[[], bool]

    def __post_init__(self) -> None:
        #: Characters of the step's text that were streamed.
        self._written = 0

    async def once(self, name: str, effect: Callable[[], Any]) -> JsonValue:
        """
        What `effect()` returned the first time, also when the step runs again; it may be a coroutine function.

        The value is kept after the effect: a crash between the two runs the effect again, so pass
        `idempotency_key` on as well where that matters. The value must be JSON of at most 64 KiB. Raises
        `Fenced` when this attempt is no longer the current one, `Permanent` for a value that cannot be kept or a
        task that remembers too much already.
        """
        return await self.memos.once(name, effect)

    async def progress(self, current: int, total: int | None = None, message: str = "") -> None:
        """Says how far the step has come, in units of the agent's choice."""
        await self.emit(StepProgress(current=current, total=total, message=message[:PROGRESS_CHARS_MAX]))

    async def source(self, *, pid: str, title: str, uri: str, score: float) -> None:
        """Reports a passage that was found."""
        await self.emit(SourceFound(passage=Passage(pid=pid, title=title, uri=uri, score=score)))

    async def delta(self, text: str, *, media_type: str = MARKDOWN) -> None:
        """Streams the next piece of the step's text; the type is that of the whole text, as in `StepOutput`."""
        artifact = artifact_name(self.agent, self.step_id, media_type)
        for start in range(0, len(text), DELTA_CHARS_MAX):
            piece = text[start : start + DELTA_CHARS_MAX]
            offset, self._written = self._written, self._written + len(piece)
            await self.emit(OutputDelta(artifact=artifact, offset=offset, text=piece))

    async def citations(self, *, total: int, ok: int, repaired: int, dropped: int) -> None:
        """Reports the outcome of checking a report's citations."""
        await self.emit(CitationsVerified(total=total, ok=ok, repaired=repaired, dropped=dropped))


class SyncReports:
    """
    The same methods, each of which returns when the awaitable one would have.

    Only from the thread that a worker, or `actors.testing`, runs a `def` agent in; elsewhere they raise
    `RuntimeError`. When the attempt is no longer wanted they raise `asyncio.CancelledError`, as an `await` does in a
    coroutine: so a plain function that reports now and then ends early without asking `cancelled()`.
    """

    def __init__(self, ctx: Reports) -> None:
        self._ctx = ctx

    def run(self, function: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs) -> T:
        """Awaits `function(…)` on the worker's loop, for any other coroutine function; this thread waits meanwhile."""

        if self._ctx.cancelled():
            raise asyncio.CancelledError

        async def awaited() -> T:
            return await function(*args, **kwargs)

        return from_thread.run(awaited)

    def progress(self, current: int, total: int | None = None, message: str = "") -> None:
        """See `Reports.progress`."""
        self.run(self._ctx.progress, current, total, message)

    def source(self, *, pid: str, title: str, uri: str, score: float) -> None:
        """See `Reports.source`."""
        self.run(self._ctx.source, pid=pid, title=title, uri=uri, score=score)

    def delta(self, text: str, *, media_type: str = MARKDOWN) -> None:
        """See `Reports.delta`."""
        self.run(partial(self._ctx.delta, media_type=media_type), text)

    def citations(self, *, total: int, ok: int, repaired: int, dropped: int) -> None:
        """See `Reports.citations`."""
        self.run(self._ctx.citations, total=total, ok=ok, repaired=repaired, dropped=dropped)

    def once(self, name: str, effect: Callable[[], Any]) -> JsonValue:
        """See `Reports.once`. The effect runs in this thread, so it may block; a coroutine runs on the loop."""
        memos = self._ctx.memos
        kept = self.run(memos.recall, name)
        if kept is None:
            value = effect()
            kept = self.run(memos.keep, name, self.run(_result, value) if inspect.isawaitable(value) else value)
        return decoded(kept)


async def _result(value: Awaitable[T]) -> T:
    return await value
