"""A list that comes in pages: each is a call, made when it is needed."""

from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from typing import Any, Generic, TypeVar

from app.client.call import Call

T = TypeVar("T")


class Pages(Generic[T]):
    """`page` makes the call for a cursor, `None` for the first page; its answer is (items, next cursor)."""

    def __init__(self, page: Callable[[str | None], Call[tuple[list[T], str | None]]]) -> None:
        self._page = page

    def iterate(self, send: Callable[[Call[Any]], Any]) -> Iterator[T]:
        cursor: str | None = None
        while True:
            found, cursor = send(self._page(cursor))
            yield from found
            if cursor is None:
                return

    async def aiterate(self, send: Callable[[Call[Any]], Awaitable[Any]]) -> AsyncGenerator[T]:
        cursor: str | None = None
        while True:
            found, cursor = await send(self._page(cursor))
            for item in found:
                yield item
            if cursor is None:
                return
