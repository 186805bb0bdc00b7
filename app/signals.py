"""How the application hears that its process shall end, whatever server runs it."""

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from app.draining import Draining

Handler = Callable[[int, FrameType | None], object]


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
