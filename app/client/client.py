"""
The synchronous client: submit a task, follow its events to the end, fetch what it made.

    with Client("http://127.0.0.1:8000") as api:
        task_id = api.submit("Compare A and B").task_id
        for event in api.follow(task_id):
            print(event.seq, event.type)
        print(api.markdown(task_id))

What can be asked, and what each method means, is in `app/client/calls.py`,
`list_calls.py`, `event_calls.py` and `fleet_calls.py`.
"""

import time
from collections.abc import Callable, Iterator
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

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


def _one(call: Callable[P, Call[T]]) -> Callable[Concatenate["Client", P], T]:
    """A method that makes the call."""

    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> T:
        return self.send(call(*args, **kwargs))

    described(method, call)
    return method


def _pages(pages: Callable[P, Pages[T]]) -> Callable[Concatenate["Client", P], Iterator[T]]:
    """A method that iterates over what is on the pages."""

    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return pages(*args, **kwargs).iterate(self.send)

    described(method, pages)
    return method


def _live(follower: Callable[P, Follower[T]]) -> Callable[Concatenate["Client", P], Iterator[T]]:
    """A method that iterates over events as they happen."""

    def method(self: "Client", /, *args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return self.stream(follower(*args, **kwargs))

    described(method, follower)
    return method


class Client(Core):
    """A context manager; not for use by several threads at once."""

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
        self._http = httpx2.Client(**options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def wait(self, task_id: str, timeout_s: float | None = None) -> TaskView:
        """The task when it has ended; raises `WaitTimeout` when that takes longer than `timeout_s`."""
        for _ in self.stream(event_calls.ending(task_id), timeout_s):
            pass
        return self.send(calls.ended(task_id))

    def send(self, call: Call[T]) -> T:
        """Makes a call, again and again where that is safe; see `Call`."""
        patience = Patience(call, self._silence_s_max)
        while True:
            try:
                return call.answer(self._exchange(call))
            except ClientError as error:
                pause_s = patience.pause_s(error)
            time.sleep(pause_s)

    def stream(self, follower: Follower[T], timeout_s: float | None = None) -> Iterator[T]:
        """The events of a follower, over as many connections as it takes."""
        follower.limit(self._silence_s_max, timeout_s)
        while not follower.ended:
            yield from self._connection(follower)
            time.sleep(follower.pause_s())

    def _connection(self, follower: Follower[T]) -> Iterator[T]:
        """What one connection brings."""
        try:
            with self._http.stream(**follower.request()) as response:
                yield from _events(response, follower)
            follower.closed()
        except (httpx2.TransportError, httpx2.InvalidURL, ClientError) as error:
            follower.failed(error)

    def _exchange(self, call: Call[T]) -> httpx2.Response:
        try:
            return self._http.request(**call.request)
        except (httpx2.TransportError, httpx2.InvalidURL) as error:
            raise self._unreachable(error) from error


def _events(response: httpx2.Response, follower: Follower[T]) -> Iterator[T]:
    if not response.is_success:
        response.read()
    follower.opened(response)
    for chunk in response.iter_bytes():
        yield from follower.feed(chunk)
        if follower.over:
            return
