"""
How the running attempts of a process learn that they are no longer wanted.

A script that ends a running step says so on the worker's channel; that takes about a millisecond. Under it
lies a net: once a second one call asks for all running attempts at once, so a lost push costs a second.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import redis.asyncio
import structlog

from app.dispatch.attempt import Attempt
from app.errors import Unavailable
from app.events.pushes import Pushes

CHECK_INTERVAL_S = 1.0

log = structlog.get_logger(__name__)

Unwanted = Callable[[Sequence[Attempt]], Awaitable[list[Attempt]]]


@dataclass(slots=True)
class Running:
    """An attempt under way; `stopped` says that its end was asked for."""

    attempt: Attempt
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    stopped: bool = False
    #: It was cut short because its time was over.
    overran: bool = False
    #: Why it is handed back when neither is the case.
    reason: str = "shutdown"
    #: By the monotonic clock.
    since_s: float = field(default_factory=time.monotonic)
    _timer: asyncio.TimerHandle | None = None

    def limit(self, seconds: float) -> None:
        """The attempt's time begins now."""
        self._timer = asyncio.get_running_loop().call_later(seconds, self._overrun)

    def unlimit(self) -> None:
        """The agent is done; what follows is not its time."""
        if self._timer is not None:
            self._timer.cancel()

    def _overrun(self) -> None:
        self.overran = True
        self.scope.cancel()

    def stop(self) -> None:
        self.stopped = True
        self.scope.cancel()


class Stops:
    """The running attempts of one worker process; `listening` brings them the word to stop."""

    def __init__(self, client: "redis.asyncio.Redis", channel: str, unwanted: Unwanted) -> None:
        self._client = client
        self._channel = channel
        self._unwanted = unwanted
        self._running: dict[str, Running] = {}
        self._doubt = anyio.Event()

    def add(self, running: Running) -> None:
        self._running[_name(running.attempt)] = running

    def remove(self, running: Running) -> None:
        self._running.pop(_name(running.attempt), None)

    @property
    def running(self) -> list[Running]:
        """What runs now; may be asked from another thread."""
        return list(self._running.values())

    def cancel_all(self) -> None:
        """Interrupts everything, for a worker that has no time left."""
        for running in self.running:
            running.scope.cancel()

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Listens to the channel, with the net under it, until the block ends."""
        pushes = Pushes(
            self._client,
            on_push=lambda _, payload: self._stop(payload.decode()),
            on_confirmed=lambda _: self._look(),
            on_lost=self._look,
        )
        pushes.subscribe(self._channel)
        async with anyio.create_task_group() as group:
            group.start_soon(pushes.run)
            group.start_soon(self._check_regularly)
            try:
                yield
            finally:
                group.cancel_scope.cancel()

    def _look(self) -> None:
        """A push may have been missed."""
        self._doubt.set()

    def _stop(self, name: str) -> None:
        running = self._running.get(name)
        if running is not None:
            running.stop()

    async def _check_regularly(self) -> None:
        while True:
            with anyio.move_on_after(CHECK_INTERVAL_S):
                await self._doubt.wait()
            self._doubt = anyio.Event()
            try:
                for attempt in await self._unwanted([running.attempt for running in self._running.values()]):
                    self._stop(_name(attempt))
            except Unavailable as error:
                log.warning("running_attempts_not_checked", error=str(error))
            # A key that is damaged or away is no reason to stop anybody else.
            except Exception:
                log.exception("running_attempts_not_checked")


def _name(attempt: Attempt) -> str:
    """How `call_off` in `lua/_flow.lua` names an attempt."""
    return f"{attempt.ref.task_id} {attempt.ref.step_id} {attempt.token}"
