"""What this process holds: entries it must settle, and how many more it may take."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable

from .keys import LEVELS, QueueKeys
from .message import StreamProxy


class Held:
    """
    The entries of one queue that this process has fetched and not yet settled on the server.

    An acknowledged message stays here until its acknowledgement has been flushed: until then it is
    pending under our name, and must be neither taken for a stray nor left to lapse.
    """

    def __init__(self, keys: QueueKeys) -> None:
        self.keys = keys
        #: The queue's theft counter as last seen; None until the first look.
        self.epoch: str | None = None
        self._by_level: tuple[dict[str, StreamProxy], ...] = tuple({} for _ in LEVELS)

    def add(self, proxy: StreamProxy) -> None:
        self._by_level[proxy.entry.level][proxy.entry.entry_id] = proxy

    def drop(self, level: int, entry_ids: Iterable[str]) -> None:
        held = self._by_level[level]
        for entry_id in entry_ids:
            held.pop(entry_id, None)

    def get(self, level: int, entry_id: str) -> StreamProxy | None:
        return self._by_level[level].get(entry_id)

    def at(self, level: int) -> list[StreamProxy]:
        """A copy, in the order of fetching."""
        return list(self._by_level[level].values())

    def __len__(self) -> int:
        return sum(len(held) for held in self._by_level)


class Slots:
    """
    Room for messages: per queue as much as its prefetch, over all queues as much as `total`.

    A slot is taken when an entry is fetched and free again when its worker is done with it, which is
    before its acknowledgement reaches the server.
    """

    def __init__(self, total: int | None = None) -> None:
        self.total = total
        self._freed = threading.Condition()
        self._taken: defaultdict[str, int] = defaultdict(int)
        self._taken_total = 0
        self._waiting = 0

    def take(self, queue: str, count: int = 1) -> None:
        with self._freed:
            self._taken[queue] += count
            self._taken_total += count

    def free(self, queue: str, count: int = 1) -> None:
        with self._freed:
            self._taken[queue] -= count
            self._taken_total -= count
            if self._waiting:
                self._freed.notify_all()

    def taken(self, queue: str) -> int:
        return self._taken[queue]

    def wait_for_room(self, queue: str, prefetch: int, timeout_s: float) -> int:
        """How many more this queue may fetch; 0 when none became free in time."""
        with self._freed:
            give_up_s = time.monotonic() + timeout_s
            while (room := self._room(queue, prefetch)) <= 0:
                left_s = give_up_s - time.monotonic()
                if left_s <= 0:
                    return 0
                self._waiting += 1
                self._freed.wait(left_s)
                self._waiting -= 1
            return room

    def wake(self) -> None:
        with self._freed:
            self._freed.notify_all()

    def _room(self, queue: str, prefetch: int) -> int:
        room = prefetch - self._taken[queue]
        return room if self.total is None else min(room, self.total - self._taken_total)
