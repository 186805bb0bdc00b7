"""Viewers of the firehose that are slow, and a Redis that goes away under them."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest
import redis.asyncio

from app import redis_async
from app.events.fire_log import OLDEST, FireEvent, FireLog
from app.events.firehose import Firehose, FireViewer
from app.events.places import Places
from app.events.sse import Piece
from app.keys import Keys
from app.redis_shared import SharedConnection
from tests.integration.events.support import WAIT_S, PrivateServer

pytestmark = pytest.mark.anyio


async def tell(client: "redis.asyncio.Redis", keys: Keys, numbers: range) -> None:
    for number in numbers:
        await client.xadd(keys.fire, {"e": b'{"v":1,"type":"worker.up","number":%d}' % number})


def numbers(pieces: Sequence[Piece]) -> list[int]:
    return [int(piece.body.rpartition(b":")[2].strip(b"}")) for piece in pieces if isinstance(piece, FireEvent)]


async def take(viewer: FireViewer, count: int) -> list[int]:
    seen: list[int] = []
    async with asyncio.timeout(WAIT_S):
        while len(seen) < count:
            seen += numbers(await anext(viewer))
    return seen


@pytest.fixture
async def firehose(client: "redis.asyncio.Redis", keys: Keys) -> AsyncIterator[Firehose]:
    shared = SharedConnection(client)
    firehose = Firehose(FireLog(client, shared, keys, retry_ms_max=50), Places(10))
    yield firehose
    await firehose.aclose()
    await shared.aclose()


async def test_a_slow_viewer_reads_on_by_itself(
    firehose: Firehose, client: "redis.asyncio.Redis", keys: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The ring is small and bounded; who is behind it misses nothing and is back in it at last."""
    monkeypatch.setattr("app.events.firehose.RING_MAX", 4)
    fast, slow = await firehose.watch(), await firehose.watch()
    await anext(slow)

    await tell(client, keys, range(100))
    quick = await take(fast, 100)
    assert firehose.after(OLDEST) is None
    late = await take(slow, 100)
    await tell(client, keys, range(100, 103))

    assert quick == late == list(range(100))
    assert await take(slow, 3) == await take(fast, 3) == [100, 101, 102]


async def test_more_than_a_page_is_read_whole(firehose: Firehose, client: "redis.asyncio.Redis", keys: Keys) -> None:
    """From the oldest on, page by page, then live."""
    await tell(client, keys, range(450))

    replay = await firehose.watch(OLDEST, follow=False)
    live = await firehose.watch(OLDEST)
    async with asyncio.timeout(WAIT_S):
        assert [number async for pieces in replay for number in numbers(pieces)] == list(range(450))
    seen = await take(live, 450)
    await tell(client, keys, range(450, 460))
    assert seen + await take(live, 10) == list(range(460))


async def test_a_stopped_viewer_ends(firehose: Firehose) -> None:
    """As at a shutdown, whatever it waits for."""
    viewer = await firehose.watch()
    await anext(viewer)
    waiting = asyncio.create_task(take(viewer, 1))
    await asyncio.sleep(0)
    viewer.stop()

    with pytest.raises(StopAsyncIteration):
        await asyncio.wait_for(waiting, WAIT_S)
    assert not viewer.complete


async def test_a_restart_of_the_server_costs_no_event(private_server: PrivateServer) -> None:
    """Open viewers wait and go on; what was written before the server went is not sent again."""
    client, keys = redis_async.connect(private_server.start()), Keys("restart")
    shared = SharedConnection(client)
    firehose = Firehose(FireLog(client, shared, keys, retry_ms_max=50), Places(10))
    viewer = await firehose.watch()
    await tell(client, keys, range(3))
    seen = await take(viewer, 3)

    private_server.stop()
    waiting = asyncio.create_task(take(viewer, 3))
    after = redis_async.connect(private_server.start())
    await tell(after, keys, range(3, 6))
    seen += await waiting
    await firehose.aclose()
    await shared.aclose()
    await client.aclose()
    await after.aclose()

    assert seen == [0, 1, 2, 3, 4, 5]
