"""
The same client for asyncio.

    async with AsyncClient("http://127.0.0.1:8000") as api:
        task_id = (await api.submit("Compare A and B")).task_id
        async with aclosing(api.follow(task_id)) as events:
            async for event in events:
                print(event.seq, event.type)
        print(await api.markdown(task_id))

A follower that is cancelled while it waits closes its stream at once, and so does one whose iteration is ended by
`contextlib.aclosing`. What can be asked, and what each method means, is in `app/client/calls.py`,
`list_calls.py`, `event_calls.py` and `fleet_calls.py`.
"""

from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import aclosing
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

import anyio
import httpx2

from app.client import calls, event_calls, fleet_calls, list_calls
from app.client.call import Call, Patience
from app.client.core import Core, described
from app.client.errors import ClientError
from app.client.follower import Follower
from app.client.pages import Pages
from app.model.task import TaskView

P = ParamSpec("P")
T = TypeVar("T")


def _one(call: Callable[P, Call[T]]) -> Callable[Concatenate["AsyncClient", P], Coroutine[Any, Any, T]]:
    """A method that makes the call."""

    async def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self.send(call(*args, **kwargs))

    described(method, call)
    return method


def _pages(pages: Callable[P, Pages[T]]) -> Callable[Concatenate["AsyncClient", P], AsyncGenerator[T]]:
    """A method that iterates over what is on the pages."""

    def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        return pages(*args, **kwargs).aiterate(self.send)

    described(method, pages)
    return method


def _live(follower: Callable[P, Follower[T]]) -> Callable[Concatenate["AsyncClient", P], AsyncGenerator[T]]:
    """A method that iterates over events as they happen."""

    def method(self: "AsyncClient", /, *args: P.args, **kwargs: P.kwargs) -> AsyncGenerator[T]:
        return self.stream(follower(*args, **kwargs))

    described(method, follower)
    return method


class AsyncClient(Core):
    """An asynchronous context manager; for any number of tasks of one event loop."""

    submit = _one(calls.submit)
    preview = _one(calls.preview)
    task = _one(calls.task)
    tasks = _pages(list_calls.tasks)
    counts = _one(list_calls.counts)
    bulk = _pages(list_calls.bulk)
    whoami = _one(calls.whoami)
    plan = _one(calls.plan)
    request = _one(calls.request)
    result = _one(calls.result)
    output = _one(calls.output)
    markdown = _one(calls.markdown)
    html = _one(calls.html)
    metrics = _one(calls.metrics)
    events = _pages(event_calls.events)
    follow = _live(event_calls.follow)
    follow_many = _live(event_calls.follow_many)
    firehose = _live(event_calls.firehose)
    cancel = _one(calls.cancel)
    pause = _one(calls.pause)
    resume = _one(calls.resume)
    retry = _one(calls.retry)
    fork = _one(calls.fork)
    delete = _one(calls.delete)
    ready = _one(calls.ready)
    agents = _one(calls.agents)
    workers = _one(fleet_calls.workers)
    worker_targets = _one(fleet_calls.worker_targets)
    queues = _one(fleet_calls.queues)
    queue_history = _one(fleet_calls.queue_history)
    system = _one(fleet_calls.system)
    pause_queue = _one(fleet_calls.pause_queue)
    resume_queue = _one(fleet_calls.resume_queue)
    dead_letters = _pages(fleet_calls.dead_letters)
    dead_letter = _one(fleet_calls.dead_letter)
    requeue = _one(fleet_calls.requeue)
    discard = _one(fleet_calls.discard)

    def _open(self, options: dict[str, Any]) -> None:
        self._http = httpx2.AsyncClient(**options)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        await self._http.aclose()

    async def wait(self, task_id: str, timeout_s: float | None = None) -> TaskView:
        """The task when it has ended; raises `WaitTimeout` when that takes longer than `timeout_s`."""
        async for _ in self.stream(event_calls.ending(task_id), timeout_s):
            pass
        return await self.send(calls.ended(task_id))

    async def send(self, call: Call[T]) -> T:
        """Makes a call, again and again where that is safe; see `Call`."""
        patience = Patience(call, self._silence_s_max)
        while True:
            try:
                return call.answer(await self._exchange(call))
            except ClientError as error:
                pause_s = patience.pause_s(error)
            await anyio.sleep(pause_s)

    async def stream(self, follower: Follower[T], timeout_s: float | None = None) -> AsyncGenerator[T]:
        """The events of a follower, over as many connections as it takes."""
        follower.limit(self._silence_s_max, timeout_s)
        while not follower.ended:
            async with aclosing(self._connection(follower)) as events:
                async for event in events:
                    yield event
            await anyio.sleep(follower.pause_s())

    async def _connection(self, follower: Follower[T]) -> AsyncGenerator[T]:
        """What one connection brings. Generators are closed here and above, so that nobody waits for that."""
        try:
            async with (
                self._http.stream(**follower.request()) as response,
                aclosing(_events(response, follower)) as events,
            ):
                async for event in events:
                    yield event
            follower.closed()
        except (httpx2.TransportError, httpx2.InvalidURL, ClientError) as error:
            follower.failed(error)

    async def _exchange(self, call: Call[T]) -> httpx2.Response:
        try:
            return await self._http.request(**call.request)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from error


async def _events(response: httpx2.Response, follower: Follower[T]) -> AsyncGenerator[T]:
    if not response.is_success:
        await response.aread()
    follower.opened(response)
    async for chunk in response.aiter_bytes():
        for event in follower.feed(chunk):
            yield event
        if follower.over:
            return
