"""A primary and a replica: what was written is waited for, and who is led to a replica goes elsewhere."""

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass

import pytest
import redis
import redis.asyncio
from redis import exceptions

from app import local_redis, redis_async
from app.dispatch.replicas import NotCopied, Replicas
from app.keys import Keys
from app.redis_shared import SharedConnection
from tests.deployment import free_port, wait_for

pytestmark = pytest.mark.anyio

KEYS = Keys("test-replicas")


@dataclass(frozen=True)
class Pair:
    """Two servers, the second of which follows the first."""

    primary: local_redis.LocalServer
    replica: local_redis.LocalServer


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    binary = local_redis.find_binary()
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("no Redis server binary in CI")
        pytest.skip("no Redis server binary")
    folder, port = tmp_path_factory.mktemp("pair"), free_port()
    with ExitStack() as stack:
        servers = [local_redis.start_server(binary, folder / name, appendonly=False) for name in ("primary", "replica")]
        for server in servers:
            stack.callback(server.stop)
        first, second = (stack.enter_context(redis.Redis.from_url(server.url, protocol=2)) for server in servers)
        for name, value in (("bind", "127.0.0.1"), ("repl-diskless-sync-delay", 0), ("port", port)):
            first.config_set(name, value)
        second.replicaof("127.0.0.1", port)
        # Only what has been written is waited for.
        wait_for(lambda: first.set(f"{KEYS.tag}:x", "y") and first.wait(1, 100) == 1, "the replica does not follow")
        yield Pair(*servers)


@asynccontextmanager
async def connected(server: local_redis.LocalServer) -> AsyncIterator["redis.asyncio.Redis"]:
    client = redis_async.connect(server.url)
    try:
        yield client
    finally:
        await client.aclose()


@asynccontextmanager
async def frozen(server: local_redis.LocalServer) -> AsyncIterator[None]:
    os.kill(server.pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(server.pid, signal.SIGCONT)


async def test_a_replica_that_has_it_all_confirms(pair: Pair) -> None:
    """What another connection wrote before is with the replica by then."""
    async with connected(pair.primary) as client, connected(pair.replica) as copy:
        await client.set(f"{KEYS.tag}:before", "x")
        await Replicas(client, KEYS, confirmed_min=1, wait_ms=4_000).confirm()

        assert await copy.get(f"{KEYS.tag}:before") == b"x"


async def test_a_replica_that_stands_still_confirms_nothing(pair: Pair) -> None:
    """Though the connection that asks has written nothing itself; nor do two confirm where there is one."""
    async with connected(pair.primary) as client:
        with pytest.raises(NotCopied, match="of 2 replicas have confirmed within 100 ms"):
            await Replicas(client, KEYS, confirmed_min=2, wait_ms=100).confirm()
    async with frozen(pair.replica), connected(pair.primary) as client:
        with pytest.raises(NotCopied, match="0 of 1"):
            await Replicas(client, KEYS, confirmed_min=1, wait_ms=100).confirm()
        await Replicas(client, KEYS, confirmed_min=0, wait_ms=100).confirm()


async def test_who_is_led_to_a_replica_looks_for_the_primary_anew(pair: Pair) -> None:
    """A write that it refuses ends the connection that all share, with what else was under way."""
    async with connected(pair.replica) as client:
        shared = SharedConnection(client)
        try:
            with pytest.raises(exceptions.ConnectionError):
                await shared.execute_command("SET", f"{KEYS.tag}:x", "y")
        finally:
            await shared.aclose()
