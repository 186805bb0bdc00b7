"""Whoever waits for the end of a task: the hub tells them, nobody asks."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

import anyio

from app.draining import Draining
from app.errors import Unavailable
from app.events.hub import Hub
from app.events.log import Cursor
from app.events.viewer import Viewer


class Waiters:
    """Those of a process, at most `waiters_max` at once; each takes the place of a viewer too."""

    def __init__(self, hub: Hub, draining: Draining, waiters_max: int) -> None:
        self._hub = hub
        self._draining = draining
        self._waiters_max = waiters_max
        self._count = 0

    async def wait(
        self, task_id: str, after: Cursor, seconds: float, given_up: Callable[[], Awaitable[object]]
    ) -> bool:
        """
        Returns when the task ends, when `given_up` returns, when this process is about to end, and at the latest
        after `seconds`.

        False when there is no room for another one.
        """
        with self._place() as free:
            viewer = self._viewer(task_id, after) if free else None
            if viewer is None:
                return False
            with viewer, self._draining.calling(viewer.stop), anyio.move_on_after(seconds):
                await _until_end(viewer, given_up)
            return True

    @contextmanager
    def _place(self) -> Iterator[bool]:
        if self._count >= self._waiters_max:
            yield False
            return
        self._count += 1
        try:
            yield True
        finally:
            self._count -= 1

    def _viewer(self, task_id: str, after: Cursor) -> Viewer | None:
        try:
            return self._hub.watch(task_id, after)
        except Unavailable:
            return None


async def _until_end(viewer: Viewer, given_up: Callable[[], Awaitable[object]]) -> None:
    async def stop() -> None:
        await given_up()
        viewer.stop()

    async with anyio.create_task_group() as group:
        group.start_soon(stop)
        async for _ in viewer:
            pass
        group.cancel_scope.cancel()
