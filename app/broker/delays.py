"""
The mover: delayed messages reach their stream when they are due.

One thread per worker process. It sleeps until the earliest due time on the server, hears over a channel
when an earlier one is added, and moves a bounded number per call. Any worker moves for all queues.
"""

import threading
import time
from collections.abc import Callable, Collection
from random import Random

import redis

from .backoff import Backoff
from .ear import Ear
from .keys import ShardKeys
from .retrying import Trouble
from .scripts import ScriptArgument, command, load_script, run_script

DUE = load_script(__package__, "due.lua", includes=("_layout.lua",))

MOVED_PER_CALL_MAX = 100
SLEEP_MS_MAX = 10_000
#: How often the list of all queues is read; a queue that the channel names is known at once.
LIST_EVERY_S = 60.0
#: Spreads the movers of a fleet, which all sleep until the same moment.
JITTER_MS = 20
ERROR_BACKOFF = Backoff(base_ms=100, max_ms=2_000)


class Mover:
    """Moves due messages while it runs."""

    def __init__(
        self,
        client: "redis.Redis",
        keys: ShardKeys,
        declared: Callable[[], Collection[str]],
        hear: Callable[[str], bool] = lambda _: False,
        missed: Callable[[], None] = lambda: None,
    ) -> None:
        self._client = client
        self._keys = keys
        self._declared = declared
        self._hear = hear
        self._missed = missed
        self._random = Random()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._ear = Ear(client, keys.wake)
        self._trouble = Trouble("delayed messages")
        self._listed: set[str] = set()
        self._list_at_s = 0.0

    def start(self) -> None:
        self._stopped.clear()
        self._thread = threading.Thread(target=self._run, name="broker-mover", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread; it looks up at least four times per second."""
        if self._thread is None:
            return
        self._stopped.set()
        self._thread.join()
        self._thread = None

    def move(self) -> int:
        """Moves all that is due; returns the ms until the next one, at most ten seconds."""
        queues = [self._keys.queue(name) for name in sorted(self._names())]
        keys = [key for queue in queues for key in queue.put_keys]
        args: list[ScriptArgument] = [MOVED_PER_CALL_MAX, "1" if self._keys.shared else ""]
        args += [queue.queue for queue in queues]
        moved, next_ms = MOVED_PER_CALL_MAX, 0
        while moved == MOVED_PER_CALL_MAX and not self._stopped.is_set():
            moved, next_ms = run_script(self._client, DUE, keys, args)
        return SLEEP_MS_MAX if next_ms < 0 else min(next_ms, SLEEP_MS_MAX)

    def _names(self) -> set[str]:
        """All queues that may hold delays, declared here or anywhere."""
        if time.monotonic() >= self._list_at_s:
            self._listed = {name.decode() for name in command(self._client, "SMEMBERS", self._keys.queues)}
            self._list_at_s = time.monotonic() + LIST_EVERY_S
        return self._listed | set(self._declared())

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                # Before the look, so that nothing falls between look and sleep.
                if self._ear.listen():
                    # Who knows what was said before.
                    self._missed()
                sleep_ms = self.move()
                self._trouble.over()
                self._sleep(sleep_ms)
            # Whatever it was, delayed messages depend on the next look.
            except Exception as error:  # noqa: BLE001
                failures = self._trouble.met(error)
                self._ear.hang_up()
                self._stopped.wait(ERROR_BACKOFF.ceiling_ms(failures) * self._random.uniform(0.5, 1) / 1000)
        self._ear.hang_up()

    def _sleep(self, sleep_ms: int) -> None:
        until_s = time.monotonic() + (sleep_ms + self._random.randint(0, JITTER_MS)) / 1000
        while not self._stopped.is_set() and (left_s := until_s - time.monotonic()) > 0:
            said = self._ear.hear(min(left_s, 0.25))
            if said is not None and self._must_look(said):
                return

    def _must_look(self, said: str) -> bool:
        if self._hear(said):
            return False
        self._listed.add(said)
        return True
