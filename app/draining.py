"""Whether this process is about to end: what waits on its behalf is told at once, so that it ends cleanly."""

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Draining(asyncio.Event):
    """
    Set once, when the process is asked to end. New work that would wait is refused from then on.

    Wait for it, or have a function called; functions are called in the loop and must return at once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._calls: set[Callable[[], None]] = set()

    def set(self) -> None:
        super().set()
        for call in tuple(self._calls):
            call()

    @contextmanager
    def calling(self, call: Callable[[], None]) -> Iterator[None]:
        """Has `call` called when the event is set inside the block; at once when it is set already."""
        self._calls.add(call)
        if self.is_set():
            call()
        try:
            yield
        finally:
            self._calls.discard(call)
