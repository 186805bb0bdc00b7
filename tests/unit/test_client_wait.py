"""The client waits for the end of a task, for as long as it was told to, and lets go at once."""

import asyncio
import threading
import time
from collections.abc import Callable
from contextlib import aclosing
from http.server import BaseHTTPRequestHandler

import anyio
import pytest

from app.client import ApiError, AsyncClient, Client, WaitTimeout
from tests.unit.scripted_server import END, VIEW, ScriptedServer, frame, say, stream

TASK = say(200, VIEW, content_type="application/json")
HEARTBEAT_S = 0.05


class Open:
    """A stream that is held open, with heartbeats; knows when the client has hung up."""

    def __init__(self, *parts: str) -> None:
        self._parts = parts
        self.closed = threading.Event()

    def __call__(self, request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream")
        request.end_headers()
        request.wfile.write(("retry: 2000\n\n" + "".join(self._parts)).encode())
        request.connection.settimeout(HEARTBEAT_S)
        while not self.closed.is_set():
            try:
                if request.connection.recv(1) == b"":
                    self.closed.set()
            except TimeoutError:
                request.wfile.write(b": heartbeat\n\n")
            except OSError:
                self.closed.set()


def test_a_task_is_waited_for_across_drops(server: ScriptedServer, client: Client) -> None:
    """Only the event that ends it is asked for; then the task is fetched, if need be twice."""
    server.answers = [stream(broken=True), stream(frame(9, "task.failed"), END), say(503, {}, Retry_After="0"), TASK]

    assert client.wait("0-x").last_seq == 5
    paths = [path for _, path, *_ in server.asked]
    assert paths[0] == "/stream/0-x?types=task.cancelled%2Ctask.completed%2Ctask.expired%2Ctask.failed"
    assert paths[1:] == [paths[0], "/tasks/0-x", "/tasks/0-x"]


def test_a_wait_ends_in_time_whatever_the_server_does(server: ScriptedServer, client: Client) -> None:
    """Heartbeats keep a connection alive, not a wait: it ends when its time is up, and the stream with it."""
    held = Open()
    server.answers = [held]
    before_s = time.monotonic()

    with pytest.raises(WaitTimeout) as caught:
        client.wait("0-x", timeout_s=0.5)

    assert 0.5 <= time.monotonic() - before_s < 5
    assert isinstance(caught.value, TimeoutError)
    assert held.closed.wait(5)


def test_an_unknown_task_is_not_waited_for(server: ScriptedServer, client: Client) -> None:
    """The refusal comes at once."""
    server.answers = [say(404, {"detail": "There is no task."})]

    with pytest.raises(ApiError, match="404"):
        client.wait("0-x", timeout_s=60)


def test_with_types_events_may_be_missing_but_never_turn_back(server: ScriptedServer, client: Client) -> None:
    """A filtered stream has gaps by nature; a resume names the last event that was seen."""
    server.answers = [stream(frame(3), frame(7), broken=True), stream(frame(9, "task.completed"), END)]

    assert [event.seq for event in client.follow("0-x", types=["step.progress"])] == [3, 7, 9]
    assert server.asked[1][2]["last-event-id"] == "7-77"


def test_who_stops_iterating_hangs_up(server: ScriptedServer, client: Client) -> None:
    """A generator that is closed closes its stream."""
    held = Open(frame(1))
    server.answers = [held]

    events = client.follow("0-x")
    assert next(events).seq == 1
    events.close()  # type: ignore[attr-defined]  # it is a generator, though it need not be

    assert held.closed.wait(5)


async def cancelled_by_asyncio(api: AsyncClient) -> None:
    seen = asyncio.Event()

    async def watch() -> None:
        async for _ in api.follow("0-x"):
            seen.set()

    task = asyncio.create_task(watch())
    await seen.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def cancelled_by_a_scope(api: AsyncClient) -> None:
    with anyio.CancelScope() as scope:
        async for _ in api.follow("0-x"):
            # The next wait for an event is the one that is cancelled.
            asyncio.get_running_loop().call_later(0.01, scope.cancel)


async def left_with_its_block(api: AsyncClient) -> None:
    async with aclosing(api.follow("0-x")) as events:
        async for _ in events:
            break


async def timed_out(api: AsyncClient) -> None:
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await api.wait("0-x")


@pytest.mark.parametrize("leave", [cancelled_by_asyncio, cancelled_by_a_scope, left_with_its_block, timed_out])
def test_a_follower_that_is_cancelled_hangs_up_at_once(
    server: ScriptedServer, leave: Callable[[AsyncClient], object]
) -> None:
    """The server sees the connection close while the client itself stays open."""
    held = Open(frame(1))
    server.answers = [held]

    async def main() -> None:
        async with AsyncClient(server.url) as api:
            await leave(api)  # type: ignore[misc]  # all of them are coroutines
            assert await asyncio.to_thread(held.closed.wait, 5)

    asyncio.run(main())
