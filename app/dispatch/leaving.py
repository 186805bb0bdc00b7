"""
How a worker process ends: what runs may finish, the rest is handed back, and nothing keeps the process.

    asked to end -> grace -> attempts interrupted and released -> HAND_BACK_S -> process without the agents that hold it
"""

import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future
from contextlib import suppress
from types import FrameType

import anyio
import structlog

from app.dispatch.attempt import Attempt, Fenced
from app.dispatch.step_store import StepStore

#: So long behind the grace interrupted attempts have to be back in Redis.
HAND_BACK_S = 5.0
#: What an attempt has of that to be handed back; below it, or agents that did stop would be taken for some that do not.
RELEASE_S_MAX = 4.0
#: A process that is still there so long behind its grace ends as it is; what it held lapses with its leases.
EXIT_S_MAX = 8.0
EXIT_HELD_UP = 70  # EX_SOFTWARE of sysexits(3)
#: A service manager may tell the main process and the workers themselves: that is one request and not two.
ONE_REQUEST_S = 1.0
LOOK_S = 0.05

log = structlog.get_logger(__name__)


class Batches:
    """Counts the batches that run, each in a `with` block of its own."""

    def __init__(self) -> None:
        self._count = 0
        self._changed = anyio.Event()

    def __enter__(self) -> None:
        self._count += 1

    def __exit__(self, *_: object) -> None:
        self._count -= 1
        self._changed.set()

    async def ended(self, within_s: float) -> bool:
        """Waits for the last one, at most so long; whether none runs."""
        with anyio.move_on_after(within_s):
            while self._count:
                self._changed = anyio.Event()
                await self._changed.wait()
        return not self._count


class Leaving:
    """The end of one process. `hurry` ends its grace: what still runs is handed back at once."""

    def __init__(self, grace_ms: int) -> None:
        self._grace_s = grace_ms / 1000
        self.hurried = threading.Event()

    def hurry(self) -> None:
        log.warning("shutdown_hurried")
        self.hurried.set()

    def wait(self, drained: "Future[bool]") -> bool:
        """Whether everything came to an end; false when something holds the loop or does not let itself be stopped."""
        give_up_s = time.monotonic() + self._grace_s + HAND_BACK_S
        hurried = False
        while not drained.done() and time.monotonic() < give_up_s:
            if self.hurried.is_set() and not hurried:
                hurried, give_up_s = True, time.monotonic() + HAND_BACK_S
            time.sleep(LOOK_S)
        return drained.done() and drained.exception() is None and drained.result()

    def end_in_time(self) -> None:
        """From now on this process has its grace and a few seconds to end, whatever holds it up."""
        threading.Thread(target=self._end, name="end-in-time", daemon=True).start()

    def _end(self) -> None:
        self.hurried.wait(self._grace_s)
        time.sleep(EXIT_S_MAX)
        log.critical("shutdown_overran")
        os._exit(EXIT_HELD_UP)


async def release_all(store: StepStore, attempts: Iterable[Attempt]) -> None:
    """Hands back attempts that another loop has begun and does not end."""
    for attempt in attempts:
        with suppress(Fenced):
            await store.release(attempt, "shutdown")


class Requests:
    """
    Signals that ask this process to end: the first one drains it, the second hurries it, the third kills it.

    Dramatiq kills at the second one, which would cost a running step a crash.
    """

    def __init__(self, hurry: Callable[[], None]) -> None:
        self._hurry = hurry
        self._heard = 0
        self._last_s = 0.0

    def listen(self) -> None:
        """Stands before the handlers that Dramatiq has set for its worker process."""
        for number in (signal.SIGTERM, signal.SIGHUP):
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, self._reacting(handler))

    def _reacting(self, handler: Callable[[int, FrameType | None], object]) -> Callable[[int, FrameType | None], None]:
        def react(number: int, frame: FrameType | None) -> None:
            now_s = time.monotonic()
            if self._heard and now_s - self._last_s < ONE_REQUEST_S:
                return
            self._heard, self._last_s = self._heard + 1, now_s
            if self._heard == 2:  # the second one
                self._hurry()
            else:
                handler(number, frame)

        return react
