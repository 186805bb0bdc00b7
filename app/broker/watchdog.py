"""
Replaces worker threads that died.

An interrupt (a time limit, a shutdown) that strikes a worker thread outside of an actor ends the thread,
and Dramatiq goes on with fewer. A new thread takes its place, and the message it had is settled as far as
it was decided, or lapses and is run again.
"""

import threading
import time
from collections.abc import Callable, Iterable

from dramatiq import Worker
from dramatiq.worker import ConsumerThread, WorkerThread

from .held import Held
from .reporting import reporter
from .workqueue import WorkQueue

logger = reporter(__name__)

LOOK_EVERY_S = 0.5
#: A message that left the work queue so long ago and never began was in the hands of a dead thread.
STRAY_S = 1.0
#: A thread begins within a millisecond, unless the machine has no time for it.
BEGIN_S_MAX = 5.0
BEGIN_LOOK_S = 0.001


class Watchdog:
    """The thread that watches one worker's threads."""

    def __init__(self, worker: Worker, holdings: Callable[[], Iterable[Held]]) -> None:
        self._worker = worker
        self._holdings = holdings
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._strays_possible = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="broker-watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Lets the worker's threads be stopped: nobody replaces them any more, and each of them will hear of it."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join()
        self._await_begin()

    def _await_begin(self) -> None:
        """Dramatiq's threads say that they run as they begin: one that was told to stop before that would run on."""
        give_up_s = time.monotonic() + BEGIN_S_MAX
        threads: list[WorkerThread | ConsumerThread] = [*self._worker.workers, *self._worker.consumers.values()]
        for thread in threads:
            while thread.is_alive() and not thread.running and time.monotonic() < give_up_s:
                time.sleep(BEGIN_LOOK_S)

    def _run(self) -> None:
        while not self._stopped.wait(LOOK_EVERY_S):
            try:
                self.look()
            # Whatever it was, the worker needs its threads.
            except Exception:
                logger.critical("watchdog failed", exc_info=True)

    def look(self) -> None:
        """Replaces threads that ended without being told to, and frees what they had."""
        for thread in list(self._worker.workers):
            if thread.ident is not None and not thread.is_alive() and thread.running:
                logger.error("worker thread died, a new one takes its place", extra={"thread_name": thread.name})
                self._replace(thread)
                self._settle_abandoned(thread)
                self._strays_possible = True
        if self._strays_possible:
            self._strays_possible = self._release_strays()

    def _replace(self, thread: WorkerThread) -> None:
        self._worker.workers.remove(thread)
        self._worker._add_worker()
        if thread.paused:
            self._worker.workers[-1].pause()
        # Who pauses the worker waits for each of its threads.
        thread.paused_event.set()

    def _settle_abandoned(self, thread: WorkerThread) -> None:
        queue = self._worker.work_queue
        item = queue.abandoned_by(thread) if isinstance(queue, WorkQueue) else None
        if item is None:
            return
        proxy = item.message
        consumer = self._worker.consumers[proxy.queue_name].consumer
        if consumer is not None and proxy.started_s is None:
            consumer.requeue([proxy])
        elif consumer is not None:
            # Does nothing when it was settled before the thread died.
            (consumer.nack if proxy.failed else consumer.ack)(proxy)
        queue.task_done(thread)

    def _release_strays(self) -> bool:
        """Hands back what a thread took and never began; whether there may be more."""
        waiting = [
            proxy
            for held in self._holdings()
            for proxy in held.all()
            if proxy.verdict is None and proxy.started_s is None and "eta" not in proxy.options
        ]
        handed = [proxy for proxy in waiting if proxy.handed_s is not None]
        # While the work queue holds something, the messages in it look the same as strays.
        if not handed or not self._worker.work_queue.empty():
            return bool(handed)
        for proxy in handed:
            consumer = self._worker.consumers[proxy.queue_name].consumer
            if consumer is not None and time.monotonic() - (proxy.handed_s or 0.0) > STRAY_S:
                consumer.requeue([proxy])
        return True
