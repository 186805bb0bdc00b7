"""Viewers get every event once and in order, whenever they join and however many they are."""

import asyncio

import pytest
import redis.asyncio

from app.errors import Unavailable
from app.events.hub import Hub
from app.events.log import START, Cursor, EventLog, StoredEvent
from app.keys import Keys
from tests.integration.events.support import TASK, Writer, drain, take

pytestmark = pytest.mark.anyio


async def test_a_viewer_gets_the_history_then_what_is_pushed(hub: Hub, writer: Writer) -> None:
    """Replay and live tail make one sequence, closed by the terminal event."""
    await writer.append_many(3)

    with hub.watch(TASK) as viewer:
        history = await take(viewer, 3)
        await writer.append_many(2)
        await writer.append("task.completed")
        rest = await drain(viewer)

    assert history + rest == writer.written


async def test_events_written_while_a_viewer_joins_are_neither_lost_nor_doubled(hub: Hub, writer: Writer) -> None:
    """A writer that never pauses while viewers join one after another leaves no viewer with a gap."""
    viewers = []

    async def write() -> None:
        await writer.append_many(60)
        await writer.append("task.completed")

    async with asyncio.TaskGroup() as group:
        group.create_task(write())
        for _ in range(20):
            viewers.append(group.create_task(drain(hub.watch(TASK))))
            await asyncio.sleep(0)

    assert all(viewer.result() == writer.written for viewer in viewers)


async def test_a_drop_at_any_event_resumes_with_the_exact_suffix(hub: Hub, writer: Writer) -> None:
    """For every position, with and without the random half, the rest of the log is what comes."""
    await writer.append_many(11)
    await writer.append("task.completed")

    for index, entry_id in enumerate(writer.written[:-1]):
        for text in (entry_id, entry_id.partition("-")[0]):
            with hub.watch(TASK, Cursor.parse(text)) as viewer:
                assert await drain(viewer) == writer.written[index + 1 :]


async def test_an_event_is_encoded_once_for_all_viewers(hub: Hub, writer: Writer) -> None:
    """Two viewers of one task are handed the same bytes, not equal ones."""
    await writer.append()
    with hub.watch(TASK) as one, hub.watch(TASK) as other:
        await take(one, 1)
        await take(other, 1)
        await writer.append()
        first, second = await anext(one), await anext(other)

    assert first[0].frame is second[0].frame
    assert first[0].frame.startswith(b"id: 2-14\nevent: step.progress\ndata: {")


async def test_a_slow_viewer_reads_on_from_its_own_position(hub: Hub, writer: Writer) -> None:
    """A viewer far behind the ring misses nothing, and the ring stays small."""
    with hub.watch(TASK) as slow, hub.watch(TASK) as fast:
        await writer.append()
        begun = await take(slow, 1)
        for _ in range(100):
            await writer.append()
            await take(fast, 1)
        await writer.append("task.completed")

        rest = await drain(slow)

    assert begun + rest == writer.written
    assert hub.counters.gap_fills >= 1


async def test_a_log_longer_than_a_page_is_replayed_whole(hub: Hub, writer: Writer, log: EventLog) -> None:
    """Pages are an inner matter: 1,201 events arrive as 1,201 events."""
    await writer.append_many(1200, push=False)
    await writer.append("task.completed", push=False)

    with hub.watch(TASK) as viewer:
        seen = await drain(viewer)

    assert seen == writer.written


async def test_more_viewers_than_allowed_are_refused(hub: Hub) -> None:
    """The maximum is named, and a viewer that leaves makes room."""
    viewers = [hub.watch(TASK) for _ in range(50)]

    with pytest.raises(Unavailable):
        hub.watch(TASK)
    viewers[0].close()
    viewers[0].close()

    hub.watch(TASK).close()
    assert hub.counters.viewers == 49


async def test_a_stopped_viewer_ends_without_a_terminal_event(hub: Hub, writer: Writer) -> None:
    """A process that shuts down ends its streams at once."""
    await writer.append()
    with hub.watch(TASK) as viewer:
        await take(viewer, 1)
        waiting = asyncio.create_task(drain(viewer))
        await asyncio.sleep(0)
        viewer.stop()
        seen = await asyncio.wait_for(waiting, 60)

    assert seen == []


async def test_closing_the_hub_ends_its_viewers(client: "redis.asyncio.Redis", keys: Keys, log: EventLog) -> None:
    """Nobody waits on a hub that is gone."""
    async with Hub(client, keys, log) as hub:
        viewer = hub.watch(TASK)
        waiting = asyncio.create_task(drain(viewer))
        await asyncio.sleep(0)

    assert await asyncio.wait_for(waiting, 60) == []


async def test_tasks_nobody_watches_are_unsubscribed(
    client: "redis.asyncio.Redis", keys: Keys, log: EventLog, writer: Writer
) -> None:
    """After a while an idle task costs the server no channel."""
    await writer.append()
    async with Hub(client, keys, log, reconcile_s=0.05) as hub:
        with hub.watch(TASK) as viewer:
            await take(viewer, 1)
            watched = await client.pubsub_shardnumsub(keys.events(TASK))
        async with asyncio.timeout(60):
            while (await client.pubsub_shardnumsub(keys.events(TASK)))[0][1]:  # noqa: ASYNC110  # Redis gives no signal
                await asyncio.sleep(0.01)

    assert watched[0][1] == 1


async def test_batches_are_events_in_order(hub: Hub, writer: Writer) -> None:
    """What a viewer hands out at once is a contiguous part of the log."""
    await writer.append_many(4)

    with hub.watch(TASK, START) as viewer:
        batch = await anext(viewer)

    assert [event.seq for event in batch if isinstance(event, StoredEvent)] == [1, 2, 3, 4]
    assert len(batch) == 4
