"""The buffer between an agent's reports and the log of its task."""

import asyncio
import gc
import weakref

import anyio
import pytest

from app.dispatch.progress import ProgressBuffer
from app.errors import Unavailable
from app.model.events import EventData, StepProgress

pytestmark = pytest.mark.anyio


def report() -> StepProgress:
    return StepProgress(current=1, total=None, message="x")


async def is_kept(buffer: ProgressBuffer) -> bool:
    """Whether the buffer holds on to what it is handed now, once it had time to write it."""
    event = report()
    await buffer.emit(event)
    kept = weakref.ref(event)
    del event
    await asyncio.sleep(0.01)
    gc.collect()
    return kept() is not None


async def test_reports_without_end_do_not_put_off_the_end_of_an_attempt() -> None:
    """A flush writes what was reported before it and nothing after it, though the reports go on."""
    written: list[int] = []

    async def write(number: int, events: list[EventData]) -> None:
        await asyncio.sleep(0)
        written.append(len(events))
        await buffer.emit(report())

    buffer = ProgressBuffer(write, lambda: None)
    await buffer.emit(report())
    with anyio.fail_after(60):
        await buffer.flush()
    assert not await is_kept(buffer)
    assert written == [1]


async def test_reports_of_an_abandoned_attempt_are_dropped() -> None:
    """Whatever an agent left running reports is neither written nor kept."""
    written: list[int] = []

    async def write(number: int, events: list[EventData]) -> None:
        written.append(number)

    buffer = ProgressBuffer(write, lambda: None)
    buffer.abandon()
    assert not await is_kept(buffer)
    assert written == []


async def test_reports_after_a_failed_write_are_dropped() -> None:
    """The attempt is told once; what an agent that takes no notice reports is not kept."""
    told: list[bool] = []

    async def write(number: int, events: list[EventData]) -> None:
        raise Unavailable("away")

    buffer = ProgressBuffer(write, lambda: told.append(True))
    await buffer.emit(report())
    await asyncio.sleep(0.01)
    assert not await is_kept(buffer)
    assert told == [True]
    with pytest.raises(Unavailable):
        await buffer.flush()
