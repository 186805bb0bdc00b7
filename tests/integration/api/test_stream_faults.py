"""Streams while processes and servers go away under them."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator

import httpx2
import pytest
import redis.asyncio

from app import redis_async
from app.api.event_stream import FAREWELL_S_MAX
from app.keys import Keys
from tests.integration.api.support import LINE, Worker
from tests.integration.events.conftest import private_server
from tests.integration.events.support import PrivateServer

__all__ = ["private_server"]

pytestmark = pytest.mark.anyio

WAIT_S = 60.0


class Process:
    """An API process of its own on a free port."""

    def __init__(self, environment: dict[str, str]) -> None:
        self._environment = environment
        self.output = ""
        self.http = httpx2.AsyncClient(timeout=WAIT_S)

    async def start(self) -> None:
        self._process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", "0",
            env=os.environ | self._environment, stderr=asyncio.subprocess.PIPE,
        )  # fmt: skip
        line = ""
        while "running on" not in line:
            line = await self._line()
        self.http.base_url = httpx2.URL(line.split("running on ")[1].split(" ")[0])

    async def stop(self) -> int:
        """SIGTERM; the exit code once it has ended."""
        if self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
        while await self._line():
            pass
        return await asyncio.wait_for(self._process.wait(), WAIT_S)

    async def _line(self) -> str:
        assert self._process.stderr
        line = (await asyncio.wait_for(self._process.stderr.readline(), WAIT_S)).decode()
        self.output += line
        return line


@pytest.fixture
async def process(redis_url: str, namespace: str) -> AsyncIterator[Process]:
    environment = {"STEPSTREAM_REDIS_URL": redis_url, "STEPSTREAM_NAMESPACE": namespace}
    process = Process(environment)
    await process.start()
    yield process
    await process.stop()
    await process.http.aclose()


async def test_a_shutdown_ends_streams_cleanly(process: Process) -> None:
    """
    SIGTERM closes every open stream with a proper end, so that clients go elsewhere, and answers those who wait for
    the end of their task; the process is gone soon.
    """
    task_id = (await process.http.post("/run-task", json={"task": "x", "plan": LINE})).json()["task_id"]

    async def read_to_the_end() -> bytes:
        async with process.http.stream("GET", f"/stream/{task_id}") as reply:
            begun.release()
            return await reply.aread()

    begun = asyncio.Semaphore(0)
    readers = [asyncio.create_task(read_to_the_end()) for _ in range(10)]
    for _ in readers:
        await begun.acquire()
    waiting = {"json": {"task": "x", "plan": LINE}, "headers": {"prefer": "wait=60"}}
    waiters = [asyncio.create_task(process.http.post("/run-task", **waiting)) for _ in range(3)]
    while len((await process.http.get("/tasks")).json()["tasks"]) < 4:
        pass
    async with asyncio.timeout(60):
        code = await process.stop()
        bodies = await asyncio.gather(*readers)
        replies = await asyncio.gather(*waiters)

    assert code in (0, -signal.SIGTERM)
    assert all(b"event: step.queued" in body and b"stream.end" not in body for body in bodies)
    assert all(re.search(rb"retry: [0-9]+\n\n\Z", body) for body in bodies)
    assert [reply.status_code for reply in replies] == [202] * 3
    assert not re.search("ERROR|WARNING|Traceback", process.output)


@pytest.mark.full
async def test_a_shutdown_does_not_wait_for_a_client_that_never_reads(
    process: Process, redis_url: str, namespace: str
) -> None:
    """Its connection is cut, so that a server without a limit of its own ends too."""
    task_id = (await process.http.post("/run-task", json={"task": "x", "plan": LINE})).json()["task_id"]
    client: redis.asyncio.Redis = redis_async.connect(redis_url)
    await make_long(client, Keys(namespace), task_id)
    deaf = socket.create_connection((process.http.base_url.host, process.http.base_url.port or 0))
    deaf.sendall(f"GET /stream/{task_id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode())
    # A client that does read has all of it only when the server has long sent to the other what it would take.
    async with asyncio.timeout(WAIT_S), process.http.stream("GET", f"/stream/{task_id}") as reply:
        async for line in reply.aiter_lines():
            if line.startswith(f"id: {LONG}-"):
                break

    async with asyncio.timeout(FAREWELL_S_MAX + 60):
        code = await process.stop()
    deaf.close()
    await client.aclose()

    assert code in (0, -signal.SIGTERM)
    assert not re.search("ERROR|WARNING|Traceback", process.output)


LONG = 200


async def make_long(client: "redis.asyncio.Redis", keys: Keys, task_id: str) -> None:
    """Up to `LONG` events in the log, most of them 64 KiB, as many agents' texts would make it."""
    for seq in range(await client.xlen(keys.events(task_id)) + 1, LONG + 1):
        body = {"v": 1, "seq": seq, "type": "output.delta", "data": {"text": "x" * (64 << 10)}}
        await client.xadd(keys.events(task_id), {"e": json.dumps(body, separators=(",", ":"))}, id=f"{seq}-7")


async def test_a_stream_outlives_its_redis(private_server: PrivateServer) -> None:
    """The HTTP stream stays open over a restart of the server and goes on without a gap."""
    process = Process({"STEPSTREAM_REDIS_URL": private_server.start(), "STEPSTREAM_HEARTBEAT_S": "0.2"})
    await process.start()
    task_id = (await process.http.post("/run-task", json={"task": "x", "plan": LINE})).json()["task_id"]

    async with asyncio.timeout(WAIT_S), process.http.stream("GET", f"/stream/{task_id}") as reply:
        chunks = reply.aiter_bytes()
        body = await anext(chunks)
        while b"step.queued" not in body:
            body += await anext(chunks)
        private_server.stop()
        heard = await anext(chunks)
        client: redis.asyncio.Redis = redis_async.connect(private_server.start())
        await Worker(client, Keys("stepstream")).finish(task_id, 1, 2, 3)
        rows = await client.xrange(Keys("stepstream").events(task_id))
        body += heard + b"".join([chunk async for chunk in chunks])
    await client.aclose()
    await process.stop()
    await process.http.aclose()

    ids = [line.removeprefix(b"id: ") for line in body.splitlines() if line.startswith(b"id: ")]
    assert ids == [entry_id for entry_id, _ in rows]
    assert b": heartbeat" in body
    assert body.endswith(b"event: stream.end\ndata: {}\n\n")
