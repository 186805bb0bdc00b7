"""What this process holds: entries it must settle, and how many more it may take."""

import threading
import time
from collections import defaultdict
from collections.abc import Iterable

from .calls import Calls
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
        self.calls = Calls()
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

    def all(self) -> list[StreamProxy]:
        """A copy, level by level."""
        return [proxy for level in LEVELS for proxy in self.at(level)]

    def __len__(self) -> int:
        return sum(len(held) for held in self._by_level)


#: A process fetches what its threads finish in so long; more would wait here while another process idles.
LOOKAHEAD_MS = 20.0
LOOKAHEAD_MAX = 256
#: Share of the newest run in the average.
PACE_WEIGHT = 0.05


class Slots:
    """
    Room for messages: per queue as much as its prefetch, over all queues `threads` and some to look ahead.

    A slot is taken when an entry is fetched and free again when its worker is done with it, which is
    before its acknowledgement reaches the server. Without `threads` only the prefetch counts. Without a
    `lookahead` it follows from how long messages run, with `lookahead_min` below: short ones are fetched in
    numbers, long ones almost one by one.
    """

    def __init__(self, threads: int | None = None, lookahead: int | None = None, lookahead_min: int = 2) -> None:
        self.threads = threads
        self._lookahead = lookahead
        self._lookahead_min = lookahead_min
        self._run_ms = 1_000.0
        self._freed = threading.Condition()
        self._taken: defaultdict[str, int] = defaultdict(int)
        self._taken_total = 0
        self._waiting = 0
        self._wanted = 1

    @property
    def lookahead(self) -> int:
        if self._lookahead is not None:
            return self._lookahead
        ahead = int((self.threads or 0) * LOOKAHEAD_MS / max(self._run_ms, 0.1))
        return min(max(ahead, self._lookahead_min), LOOKAHEAD_MAX)

    def take(self, queue: str, count: int = 1) -> None:
        with self._freed:
            self._taken[queue] += count
            self._taken_total += count

    def free(self, queue: str, run_s: float | None = None) -> None:
        with self._freed:
            self._taken[queue] -= 1
            self._taken_total -= 1
            if run_s is not None:
                self._run_ms += (run_s * 1_000 - self._run_ms) * PACE_WEIGHT
            if self._waiting and self._room_total() >= self._wanted:
                self._freed.notify_all()

    def taken(self, queue: str) -> int:
        return self._taken[queue]

    def wait_for_room(self, queue: str, prefetch: int, timeout_s: float, *, hurry: bool = True) -> int:
        """
        How many more this queue may fetch; 0 when none became free in time.

        Who is in no hurry, because every thread has work still, waits for half of what is looked ahead:
        fewer and larger reads.
        """
        with self._freed:
            wanted = 1 if hurry else max(1, min(self.lookahead, prefetch - (self.threads or prefetch)) // 2)
            give_up_s = time.monotonic() + timeout_s
            while self._room(queue, prefetch) < wanted:
                left_s = give_up_s - time.monotonic()
                if left_s <= 0:
                    break
                self._wait(left_s, wanted)
            return max(0, self._room(queue, prefetch))

    def _wait(self, left_s: float, wanted: int) -> None:
        self._wanted = wanted if not self._waiting else 1
        self._waiting += 1
        try:
            self._freed.wait(left_s)
        finally:
            self._waiting -= 1

    def _room(self, queue: str, prefetch: int) -> int:
        return min(prefetch - self._taken[queue], self._room_total())

    def _room_total(self) -> int:
        return LOOKAHEAD_MAX if self.threads is None else self.threads + self.lookahead - self._taken_total
