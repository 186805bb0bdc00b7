"""Whether this process is about to end, and how it hears of that: whoever waits is told at once."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

Handler = Callable[[int, FrameType | None], object]


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


@contextmanager
def heard(draining: Draining) -> Iterator[None]:
    """
    Inside, SIGTERM and SIGINT set `draining` before they reach the server.

    A server ends its application only after all requests are answered, and an event stream never is. So it must
    be told by the signal itself. A handler that the server has set is called as before; where there is none, the
    signals are somebody else's business.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before: dict[signal.Signals, Handler] = {}
    ours: dict[signal.Signals, Handler] = {}
    for kind in (signal.SIGTERM, signal.SIGINT):
        handler = signal.getsignal(kind)
        if callable(handler):
            before[kind], ours[kind] = handler, _after(loop, draining, handler)
            signal.signal(kind, ours[kind])
    try:
        yield
    finally:
        for kind, handler in before.items():
            if signal.getsignal(kind) is ours[kind]:
                signal.signal(kind, handler)


def _after(loop: asyncio.AbstractEventLoop, draining: Draining, handler: Handler) -> Handler:
    def react(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(draining.set)
        handler(number, frame)

    return react
