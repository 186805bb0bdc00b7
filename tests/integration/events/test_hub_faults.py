"""Lost pushes, lost connections and lost history: no viewer ever misses an event silently."""

import asyncio

import pytest
import redis.asyncio

from app import redis_async
from app.events.hub import Hub
from app.events.log import Cursor, EventLog
from app.keys import Keys
from app.redis_shared import SharedConnection
from tests.integration.events.support import TASK, PrivateServer, Writer, drain, take

pytestmark = pytest.mark.anyio


async def test_a_lost_push_is_filled_by_the_next_one(hub: Hub, writer: Writer) -> None:
    """A seq that does not follow on sends the viewer to the log."""
    await writer.append()
    with hub.watch(TASK) as viewer:
        seen = await take(viewer, 1)
        await writer.append_many(3, push=False)
        await writer.append("task.completed")
        seen += await drain(viewer)

    assert seen == writer.written
    assert hub.counters.gap_fills == 1


async def test_a_lost_last_push_is_found_by_the_reconciliation(
    client: "redis.asyncio.Redis", keys: Keys, log: EventLog, writer: Writer
) -> None:
    """The terminal event arrives although nobody was told of it."""
    await writer.append()
    async with Hub(client, keys, log, reconcile_s=0.05) as hub:
        with hub.watch(TASK) as viewer:
            seen = await take(viewer, 1)
            await writer.append("task.completed", push=False)
            seen += await asyncio.wait_for(drain(viewer), 60)

    assert seen == writer.written


async def test_killed_push_connections_cost_no_viewer_an_event(
    hub: Hub, writer: Writer, client: "redis.asyncio.Redis"
) -> None:
    """Events written while the connection is away come once it is back, without any reconciliation period."""

    async def write_and_kill() -> None:
        for number in range(60):
            await writer.append()
            if number % 10 == 5:
                await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await writer.append("task.completed")

    async with asyncio.TaskGroup() as group:
        viewers = [group.create_task(drain(hub.watch(TASK))) for _ in range(5)]
        group.create_task(write_and_kill())

    assert all(viewer.result() == writer.written for viewer in viewers)
    assert hub.counters.reconnects >= 1


async def test_a_terminal_event_written_during_a_reconnect_is_found(
    hub: Hub, writer: Writer, client: "redis.asyncio.Redis"
) -> None:
    """The last event may fall into the hole; the resubscription looks for it."""
    await writer.append()
    with hub.watch(TASK) as viewer:
        seen = await take(viewer, 1)
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await writer.append("task.completed")
        seen += await asyncio.wait_for(drain(viewer), 60)

    assert seen == writer.written


async def test_a_cursor_from_a_lost_history_resets(hub: Hub, writer: Writer) -> None:
    """A client that saw what a failover lost is told so and gets the whole new history."""
    await writer.append_many(3)
    lost = writer.written[2]
    await writer.lose_tail(2)
    await writer.append(rand=999)
    await writer.append("task.completed", rand=998)

    with hub.watch(TASK, Cursor.parse(lost)) as viewer:
        seen = await drain(viewer)

    assert seen == ["RESET", *writer.written]
    assert hub.counters.resets == 1


async def test_a_cursor_beyond_the_end_resets(hub: Hub, writer: Writer) -> None:
    """A position that the log has not reached yet was given out by a history that is lost."""
    await writer.append("task.completed")

    with hub.watch(TASK, Cursor(9)) as viewer:
        seen = await drain(viewer)

    assert seen == ["RESET", *writer.written]


async def test_open_streams_notice_that_history_was_rewritten(hub: Hub, writer: Writer) -> None:
    """The first push of the new history differs from what viewers hold: all of them start over."""
    await writer.append_many(5)
    with hub.watch(TASK) as one, hub.watch(TASK) as other:
        await take(one, 5)
        await take(other, 5)
        await writer.lose_tail(3)
        await writer.append(rand=999)
        await writer.append("task.completed", rand=998)
        seen = await asyncio.gather(drain(one), drain(other))

    assert seen == [["RESET", *writer.written]] * 2


async def test_a_number_that_was_known_before_is_looked_into(hub: Hub, writer: Writer) -> None:
    """More was lost than the process remembers: the first push of the new history has nothing to be held against."""
    await writer.append_many(9)
    with hub.watch(TASK) as viewer:
        await take(viewer, 9)
        await writer.append()
        await take(viewer, 1)
        await writer.lose_tail(2)
        await writer.append(rand=999)
        seen = await take(viewer, 4)

    assert seen == ["RESET", *writer.written]


async def test_another_history_is_not_taken_for_what_follows(
    hub: Hub, writer: Writer, client: "redis.asyncio.Redis", keys: Keys
) -> None:
    """While the connection is away the log is rewritten as far as viewers have come; the next push seems to follow."""
    await writer.append_many(5)
    with hub.watch(TASK) as viewer:
        await take(viewer, 5)
        await client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        await writer.lose_tail(3)
        await writer.append(push=False, rand=901)
        await writer.append(push=False, rand=902)
        async with asyncio.timeout(60):
            while not (await client.pubsub_shardnumsub(keys.events(TASK)))[0][1]:  # noqa: ASYNC110  # no signal
                await asyncio.sleep(0)
        await writer.append("task.completed", rand=903)
        seen = await drain(viewer)

    assert seen == ["RESET", *writer.written]


async def test_a_rollback_without_a_new_event_is_found_by_the_reconciliation(
    client: "redis.asyncio.Redis", keys: Keys, log: EventLog, writer: Writer
) -> None:
    """Viewers learn that the tail is gone even while nothing is written."""
    await writer.append_many(5)
    async with Hub(client, keys, log, reconcile_s=0.05) as hub:
        with hub.watch(TASK) as viewer:
            await take(viewer, 5)
            await writer.lose_tail(3)
            seen = await asyncio.wait_for(take(viewer, 4), 60)

    assert seen == ["RESET", *writer.written]


async def test_a_log_that_is_gone_ends_its_streams(
    client: "redis.asyncio.Redis", keys: Keys, log: EventLog, writer: Writer
) -> None:
    """An expired or flushed task ends the stream instead of keeping it open for nothing."""
    await writer.append_many(2)
    async with Hub(client, keys, log, reconcile_s=0.05) as hub:
        with hub.watch(TASK) as viewer:
            await take(viewer, 2)
            await client.delete(keys.events(TASK))
            seen = await asyncio.wait_for(drain(viewer), 60)

    assert seen in ([], ["RESET"])


async def test_a_server_restart_in_the_middle_leaves_no_gap(private_server: PrivateServer) -> None:
    """Redis goes away with streams open; they wait, and go on without a hole when it is back."""
    client, keys = redis_async.connect(private_server.start()), Keys("restart")
    writer = Writer(client, keys)
    await writer.append_many(3)
    shared = SharedConnection(client)
    async with Hub(client, keys, EventLog(shared, keys, retry_ms_max=50)) as hub:
        with hub.watch(TASK) as viewer, hub.watch(TASK, Cursor(3)) as late:
            seen = await take(viewer, 3)
            private_server.stop()
            waiting, joining = asyncio.create_task(drain(viewer)), asyncio.create_task(drain(late))
            writer.client = redis_async.connect(private_server.start())
            await writer.append_many(2)
            await writer.append("task.completed")
            rest, suffix = await asyncio.gather(waiting, joining)
    await shared.aclose()
    await client.aclose()
    await writer.client.aclose()

    assert seen + rest == writer.written
    assert suffix == writer.written[3:]
