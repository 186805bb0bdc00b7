"""The connection that all commands of a loop share, on a real server."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest
from redis import exceptions

from app import redis_async
from app.redis_shared import SharedConnection

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def shared(redis_url: str, reply_s_max: float = 5.0) -> AsyncIterator[SharedConnection]:
    client = redis_async.connect(redis_url)
    connection = SharedConnection(client, reply_s_max=reply_s_max)
    try:
        yield connection
    finally:
        await connection.aclose()
        await client.aclose()


async def test_each_caller_gets_its_own_reply(redis_url: str) -> None:
    """Many commands at once: the replies come in order, and an error is for its command alone."""
    async with shared(redis_url) as connection:
        commands = [*(("ECHO", str(i)) for i in range(100)), ("NOSUCH",), ("ECHO", "x")]
        asked = [connection.execute_command(*words) for words in commands]
        *echoes, error, last = await asyncio.gather(*asked, return_exceptions=True)
    assert echoes == [str(i).encode() for i in range(100)]
    assert isinstance(error, exceptions.ResponseError)
    assert last == b"x"


async def test_the_reply_of_a_caller_that_has_left_goes_to_nobody_else(redis_url: str, namespace: str) -> None:
    """Whoever is cancelled while it waits leaves its place in the order of replies."""
    async with shared(redis_url) as connection:
        left = asyncio.ensure_future(connection.execute_command("BLPOP", f"{{{namespace}:0}}:none", 0.1))
        stays = asyncio.ensure_future(connection.execute_command("ECHO", "mine"))
        await asyncio.sleep(0.02)
        left.cancel()
        assert await stays == b"mine"


async def test_a_server_that_owes_a_reply_for_too_long_is_left(redis_url: str, namespace: str) -> None:
    """All that waits fails after the limit, and the next command goes over a new connection."""
    async with shared(redis_url, reply_s_max=0.3) as connection:
        began_s = time.monotonic()
        with pytest.raises(exceptions.ConnectionError, match="no reply"):
            await connection.execute_command("BLPOP", f"{{{namespace}:0}}:none", 5)
        assert 0.25 < time.monotonic() - began_s < 60
        assert await connection.execute_command("ECHO", "again") == b"again"


async def test_a_command_after_a_quiet_time_has_the_whole_limit(redis_url: str, namespace: str) -> None:
    """The silence of a server begins when it is asked, not when the connection fell quiet."""
    async with shared(redis_url, reply_s_max=2.0) as connection:
        await connection.execute_command("PING")
        await anyio.sleep(3.8)
        assert await connection.execute_command("BLPOP", f"{{{namespace}:0}}:none", 0.4) is None
