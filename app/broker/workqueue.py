"""
The queue between consumer and worker threads, faster than the one Dramatiq makes.

Dramatiq's `PriorityQueue` wakes threads through a lock and a condition written in Python. As long as all
actors have the same priority, order is arrival, and a queue written in C does the same for a tenth of the
time. From the first other priority on, a heap decides.
"""

import heapq
import threading
from queue import SimpleQueue
from typing import Any


class WorkQueue:
    """What Dramatiq's worker uses of `queue.PriorityQueue`."""

    def __init__(self) -> None:
        self.unfinished_tasks = 0
        self._waiting: SimpleQueue[Any] = SimpleQueue()
        #: What each thread took and is not done with. Idents would not do: they are used again.
        self._taken: dict[threading.Thread, Any] = {}
        #: The one priority seen so far; a heap is used as soon as there are two.
        self._priority: int | None = None
        self._heap: list[Any] | None = None
        self._lock = threading.Lock()
        self._all_done = threading.Condition(self._lock)

    def put(self, item: Any) -> None:
        with self._lock:
            self.unfinished_tasks += 1
            if self._priority is None:
                self._priority = item.priority
            if self._heap is None and item.priority != self._priority:
                self._heap = []
            if self._heap is None:
                self._waiting.put(item)
            else:
                heapq.heappush(self._heap, item)
                # A place in the line; who takes it gets the first of the heap.
                self._waiting.put(None)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        item = self._waiting.get(block, timeout)
        if self._heap is not None:
            with self._lock:
                item = item if item is not None else heapq.heappop(self._heap)
        self._taken[threading.current_thread()] = item
        return item

    def get_nowait(self) -> Any:
        return self.get(block=False)

    def abandoned_by(self, thread: threading.Thread) -> Any | None:
        """What a thread that is no more had taken and was not done with."""
        return self._taken.get(thread)

    def task_done(self, thread: threading.Thread | None = None) -> None:
        self._taken.pop(thread or threading.current_thread(), None)
        with self._lock:
            self.unfinished_tasks -= 1
            if self.unfinished_tasks <= 0:
                self._all_done.notify_all()

    def join(self) -> None:
        with self._all_done:
            while self.unfinished_tasks > 0:
                self._all_done.wait()

    def qsize(self) -> int:
        return self._waiting.qsize()

    def empty(self) -> bool:
        return self._waiting.empty()
