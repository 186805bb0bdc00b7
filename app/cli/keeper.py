"""
Keeps children running: one that dies is started again, after pauses that grow, and up to a limit.

A child gets a SIGTERM when the thread that started it ends (see `app.cli.child`). So the thread of a keeper
outlives the children: `rest` before they are ended, `end` behind them.
"""

import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from app.cli.children import POLL_S, Child
from app.errors import StepstreamError


class StackError(StepstreamError):
    """Something could not be started or has ended; `log` holds the last lines it wrote."""

    def __init__(self, message: str, log: tuple[str, ...] = ()) -> None:
        self.log = log
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Patience:
    """How often a child may die within the window, and how long the pauses are: each is twice the one before."""

    restarts_max: int = 5
    window_s: float = 60.0
    pause_s: float = 0.5
    pause_s_max: float = 8.0


class Kept:
    """One child, however often its process is replaced."""

    def __init__(self, start: Callable[[], Child], stop_s: float, patience: Patience) -> None:
        self.child = start()
        self._start = start
        self._stop_s = stop_s
        self._patience = patience
        self._deaths_s: deque[float] = deque(maxlen=patience.restarts_max + 1)
        self._due_s: float | None = None

    def stop(self, hurry: threading.Event) -> None:
        if self._due_s is None:
            self.child.stop(self._stop_s, hurry)

    def look(self, say: Callable[[str], None]) -> bool:
        """Whether there is a new process; raises `StackError` when there were too many."""
        now_s = time.monotonic()
        if self._due_s is None:
            if self.child.exit_code is not None:
                say(self._bury(now_s))
            return False
        if now_s < self._due_s:
            return False
        self.child = self._start()
        self._due_s = None
        return True

    def _bury(self, now_s: float) -> str:
        """Ends what its process left behind and sets the time of the next one; returns the line that tells it."""
        child, patience, deaths_s = self.child, self._patience, self._deaths_s
        child.stop(0, threading.Event())
        while deaths_s and deaths_s[0] < now_s - patience.window_s:
            deaths_s.popleft()
        deaths_s.append(now_s)
        pause_s = min(patience.pause_s_max, patience.pause_s * 2.0 ** (len(deaths_s) - 1))
        self._due_s = now_s + pause_s
        ended = f"The {child.name} ended with exit code {child.exit_code}"
        limit = f"{patience.restarts_max} restarts within {patience.window_s:.0f} s"
        if len(deaths_s) > patience.restarts_max:
            raise StackError(f"{ended} after {limit}; it is not started again.", tuple(child.tail))
        return f"{ended}; the next start is in {pause_s:.1f} s ({len(deaths_s)} of at most {limit})"


class Keeper:
    """
    Looks after children from a thread of its own.

    `check` raises `StackError` for what cannot be mended; then, and when a child died too often, `failure`
    holds the reason, `gave_up` is called once, and nothing is started any more.
    """

    def __init__(self, say: Callable[[str], None], check: Callable[[], None], patience: Patience | None = None) -> None:
        self.kept: list[Kept] = []
        self.failure: StackError | None = None
        self.changed: Callable[[], None] = lambda: None
        self.gave_up: Callable[[], None] = lambda: None
        self._say = say
        self._check = check
        self._patience = patience or Patience()
        self._lock = threading.Lock()
        self._resting = threading.Event()
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="keeper", daemon=True)

    @property
    def children(self) -> list[Child]:
        return [kept.child for kept in self.kept]

    def add(self, start: Callable[[], Child], stop_s: float) -> Kept:
        """Starts a child; call it before `begin`."""
        self.kept.append(Kept(start, stop_s, self._patience))
        return self.kept[-1]

    def begin(self) -> None:
        self._thread.start()

    def rest(self) -> None:
        """When this returns, no child is started any more."""
        self._resting.set()
        with self._lock:
            return

    def end(self) -> None:
        self._over.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._resting.wait(POLL_S) and self.failure is None:
            with self._lock:
                self._look()
        self._over.wait()  # `end` is the limit, and the thread dies with its process

    def _look(self) -> None:
        if self._resting.is_set():
            return
        try:
            self._check()
            changed = [kept.look(self._say) for kept in self.kept]
        except StackError as error:
            self.failure = error
        except OSError as error:
            self.failure = StackError(f"A process could not be started again: {error.strerror}.")
        else:
            if any(changed):
                self.changed()
            return
        self.gave_up()
