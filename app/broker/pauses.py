"""
Queues that nobody may fetch from for now.

The list lies in Redis and outlives every restart. A worker reads it with each look for lapsed entries, and hears of
changes over the wake channel at once.
"""

import threading

PAUSE_PREFIX = "pause:"
RESUME_PREFIX = "resume:"


class Pauses:
    """What this process knows of paused queues."""

    def __init__(self) -> None:
        self._paused: set[str] = set()
        self._changed = threading.Condition()

    def holds(self, queue: str) -> bool:
        return queue in self._paused

    def set(self, queue: str, paused: bool) -> None:
        with self._changed:
            if paused == (queue in self._paused):
                return
            (self._paused.add if paused else self._paused.discard)(queue)
            self._changed.notify_all()

    def wait(self, queue: str, timeout_s: float) -> None:
        """Returns when the queue is not paused any more, at the latest after `timeout_s`."""
        with self._changed:
            self._changed.wait_for(lambda: queue not in self._paused, timeout_s)

    def hear(self, said: str) -> None:
        """Takes note of what was said on the wake channel, if it is about a pause."""
        if said.startswith(PAUSE_PREFIX):
            self.set(said.removeprefix(PAUSE_PREFIX), paused=True)
        elif said.startswith(RESUME_PREFIX):
            self.set(said.removeprefix(RESUME_PREFIX), paused=False)
