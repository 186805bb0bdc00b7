"""A client of the API in both its kinds, and a server that plays one."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator
from inspect import isasyncgen, iscoroutine
from typing import Any, Self, cast

import pytest

from app.client import AsyncClient, Client
from tests.unit.scripted_server import ScriptedServer, serving

SILENCE_S_MAX = 2.0
Connect = Callable[..., Client]


class Blocking:
    """An `AsyncClient` to use like a `Client`: so one test holds both to the same."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        self._runner = asyncio.Runner()
        self._client = AsyncClient(*arguments, **options)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        return (lambda *a, **k: self._finished(method(*a, **k))) if callable(method) else method

    def _finished(self, answer: Any) -> Any:
        if iscoroutine(answer):
            return self._runner.run(answer)
        return self._items(answer) if isasyncgen(answer) else answer

    def _items(self, found: AsyncGenerator[Any]) -> Iterator[Any]:
        try:
            while True:
                try:
                    item = self._runner.run(anext(found))  # type: ignore[arg-type]  # what it returns is a coroutine
                except StopAsyncIteration:
                    return
                yield item
        finally:
            self._runner.run(found.aclose())


@pytest.fixture
def server() -> Iterator[ScriptedServer]:
    with serving() as http:
        yield http


@pytest.fixture(params=[Client, Blocking], ids=["sync", "async"])
def connect(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Connect:
    """Makes a client, of one kind and of the other, with short pauses."""
    monkeypatch.setattr("app.client.follower.BACKOFF_S", 0.01)
    monkeypatch.setattr("app.client.call.BACKOFF_S", 0.01)
    return cast("Connect", request.param)


@pytest.fixture
def client(server: ScriptedServer, connect: Connect) -> Iterator[Client]:
    with connect(server.url, silence_s_max=SILENCE_S_MAX) as api:
        yield api
