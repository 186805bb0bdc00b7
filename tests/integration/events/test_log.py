"""The event log is read in bounded pages, from positions that are held against what is stored."""

import pytest

from app import redis_async
from app.errors import BadCursor, Unavailable
from app.events.log import START, Cursor, EventLog, RolledBack
from app.keys import Keys
from app.redis_shared import SharedConnection
from tests.integration.events.support import TASK, Writer

pytestmark = pytest.mark.anyio


async def test_a_log_is_read_behind_the_cursor_in_order(log: EventLog, writer: Writer) -> None:
    """Reading goes on exactly where the cursor says, whether or not it has a random half."""
    await writer.append_many(5)

    whole = [event.id for event in await log.read(TASK)]
    by_seq = [event.id for event in await log.read(TASK, Cursor.parse("2"))]
    by_id = [event.id for event in await log.read(TASK, Cursor.parse(writer.written[1]))]

    assert whole == writer.written
    assert by_seq == by_id == writer.written[2:]


async def test_pages_are_bounded_and_complete(log: EventLog, writer: Writer) -> None:
    """A long log comes in pages of the given size with nothing missing between them."""
    await writer.append_many(11)

    pages = [[event.id for event in page] async for page in log.pages(TASK, limit=4)]

    assert [len(page) for page in pages] == [4, 4, 3]
    assert [entry_id for page in pages for entry_id in page] == writer.written


@pytest.mark.parametrize("text", ["2-9", "6", "900-1"], ids=["other half", "beyond the end", "far beyond"])
async def test_a_position_the_log_does_not_hold_is_told(log: EventLog, writer: Writer, text: str) -> None:
    """Another random half, or a position behind the end, means that the log was rolled back."""
    await writer.append_many(5)

    with pytest.raises(RolledBack):
        await log.read(TASK, Cursor.parse(text))


@pytest.mark.parametrize("text", ["x", "-1", "1-", "1-70000", "1-2-3", "1.5", "٣", "9" * 16, " 1"])
def test_a_malformed_position_is_refused(text: str) -> None:
    """Nothing but a number or an event id is a position."""
    with pytest.raises(BadCursor):
        Cursor.parse(text)


@pytest.mark.parametrize("text", [None, "", "0", "0-0"])
async def test_nothing_and_zero_mean_the_start(log: EventLog, writer: Writer, text: str | None) -> None:
    """A reader without a position gets the whole log."""
    await writer.append_many(2)

    events = await log.read(TASK, Cursor.parse(text))

    assert [event.id for event in events] == writer.written


async def test_the_last_event_is_known_without_reading_the_log(log: EventLog, writer: Writer) -> None:
    """The end of the log tells whether a task exists and whether it is over."""
    nothing = await log.last(TASK)
    await writer.append()
    await writer.append("task.completed")

    last = await log.last(TASK)

    assert nothing is None
    assert last is not None
    assert (last.id, last.terminal) == (writer.written[-1], True)


async def test_a_missing_server_is_unavailable() -> None:
    """The driver's errors do not reach the readers."""
    client = redis_async.connect("unix:///nonexistent/redis.sock")

    log = EventLog(SharedConnection(client), Keys("x"), retry_ms_max=50)

    with pytest.raises(Unavailable):
        await log.read(TASK, START)
    with pytest.raises(Unavailable):
        await log.last(TASK)
    await client.aclose()
