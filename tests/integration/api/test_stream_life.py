"""How streams end other than by the end of their task: by age, by a farewell, by a client that does not read."""

import asyncio
import gc
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from app.api.event_stream import SSE, EventStream, Pace
from app.api.stream import ALL
from app.draining import Draining
from tests.integration.api.support import LINE, Api, Worker, problem_of, running, serving
from tests.integration.api.test_stream_route import ids, open_stream

pytestmark = pytest.mark.anyio

FAREWELL = re.compile(rb"retry: ([0-9]+)\n\n\Z")


@pytest.fixture
async def hasty(redis_url: str, namespace: str) -> AsyncIterator[Api]:
    """A server whose streams live for a moment."""
    async with serving(redis_url=redis_url, namespace=namespace, heartbeat_s=0.01, stream_s_max=0.05) as api:
        yield api


async def test_a_stream_of_a_certain_age_ends_and_is_taken_up_again(hasty: Api, worker: Worker) -> None:
    """It asks the client to come back, at a time that differs; the pieces join to the whole log."""
    task_id = await hasty.submit()
    seen: list[str] = []
    pauses_ms: set[int] = set()

    async def piece() -> bytes:
        headers = {"last-event-id": seen[-1]} if seen else {}
        async with open_stream(hasty, f"/stream/{task_id}", **headers) as reply:
            body = await reply.aread()
        seen.extend(ids(body))
        return body

    for step_id in (1, 2, 3):
        body = await piece()
        farewell = FAREWELL.search(body)
        assert farewell
        assert b"stream.end" not in body
        pauses_ms.add(int(farewell[1]))
        await worker.finish(task_id, step_id)
    # A slow server may reach that age with nothing but the beginning sent.
    while (await hasty.view(task_id))["last_seq"] > int((seen or ["0-0"])[-1].partition("-")[0]):
        await piece()

    assert seen == [event.id async for page in hasty.services.log.pages(task_id) for event in page]
    assert all(1_000 <= pause_ms <= 3_000 for pause_ms in pauses_ms)


async def test_a_process_that_is_about_to_end_says_so_to_all(served: Api) -> None:
    """Open streams end with a farewell, whoever waits is answered, and nothing that would stay is let in."""
    task_id = await served.submit()
    async with open_stream(served, f"/stream/{task_id}") as reply, asyncio.TaskGroup() as group:
        waiting = group.create_task(
            served.http.post("/run-task", json={"task": "x", "plan": LINE}, headers={"prefer": "wait=60"})
        )
        while served.services.hub.counters.viewers < 2:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.005)
        served.services.draining.set()
        body = await reply.aread()

    assert FAREWELL.search(body)
    assert (await waiting).status_code == 202
    for path in (f"/stream/{task_id}", "/readyz"):
        refused = await served.http.get(path)
        problem_of(refused, 503)
        assert refused.headers["retry-after"] == "1"
    assert (await served.http.get("/healthz")).status_code == 200


async def test_a_client_that_takes_nothing_is_let_go(redis_url: str, namespace: str) -> None:
    """Where the server's connection is out of reach, the one send that never returns is given up."""
    async with running(redis_url=redis_url, namespace=namespace) as api:
        task_id = await api.submit()
        viewer = api.services.hub.watch(task_id)
        stream = EventStream(viewer, SSE, ALL, Pace(0.01, 0.02, 60), Draining())
        async with asyncio.timeout(60):
            await call(stream, stuck_at=2)

        assert api.services.hub.counters.viewers == 0


async def test_a_farewell_does_not_wait_for_a_client_that_takes_nothing(
    redis_url: str, namespace: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process ends within its grace, whatever its clients do."""
    monkeypatch.setattr("app.api.event_stream.FAREWELL_S_MAX", 0.05)
    async with running(redis_url=redis_url, namespace=namespace) as api:
        task_id = await api.submit()
        viewer, draining = api.services.hub.watch(task_id), Draining()
        stream = EventStream(viewer, SSE, ALL, Pace(60, 60, 600), draining)
        async with asyncio.timeout(60):
            await call(stream, stuck_at=2, when_stuck=draining.set)

        assert api.services.hub.counters.viewers == 0


async def test_a_request_that_is_cancelled_gives_its_place_back(redis_url: str, namespace: str) -> None:
    """A cancellation from outside is no business of the stream: it is passed on."""
    async with running(redis_url=redis_url, namespace=namespace) as api:
        viewer = api.services.hub.watch(await api.submit())
        stuck = asyncio.Event()
        stream = EventStream(viewer, SSE, ALL, Pace(60, 60, 600), Draining())
        calling = asyncio.create_task(call(stream, stuck_at=2, when_stuck=stuck.set))
        await asyncio.wait_for(stuck.wait(), 60)
        calling.cancel()
        with pytest.raises(asyncio.CancelledError):
            await calling

        assert api.services.hub.counters.viewers == 0


async def call(stream: EventStream, stuck_at: int, when_stuck: Callable[[], object] = lambda: None) -> None:
    """Runs the response as a server does whose client takes no more from the n-th message on."""
    sent = 0

    async def send(message: Any) -> None:
        nonlocal sent
        sent += 1
        if sent >= stuck_at:
            when_stuck()
            await asyncio.Event().wait()

    receive: Callable[[], Awaitable[Any]] = asyncio.Event().wait
    await stream({"type": "http", "method": "GET"}, never(receive), send)


def never(wait: Callable[[], Awaitable[Any]]) -> Callable[[], Awaitable[Any]]:
    """A client that sends nothing and does not hang up; a plain function, so no connection is found through it."""

    async def receive() -> Any:
        await wait()

    return receive


async def test_a_stream_that_has_ended_leaves_nothing_to_the_garbage_collector(served: Api) -> None:
    """With ten thousand of them a collection takes long, so it is rare, so nobody may count on it."""
    task_id = await served.submit()
    host, port = served.http.base_url.host, served.http.base_url.port

    async def watch() -> None:
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(f"GET /stream/{task_id} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        await reader.readuntil(b"step.queued")
        writer.transport.abort()
        while served.services.hub.counters.viewers:  # noqa: ASYNC110  # the server tells nobody
            await asyncio.sleep(0.001)

    async def left_behind(streams: int) -> int:
        gc.collect()
        gc.disable()
        try:
            for _ in range(streams):
                await watch()
            return gc.collect()
        finally:
            gc.enable()

    await watch()
    # Whatever else lives in this process may leave something once; what a stream leaves is there each time.
    assert min([await left_behind(20) for _ in range(2)]) < 20
