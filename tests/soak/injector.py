"""Breaks things at random moments and writes down which and when."""

import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from random import Random

import redis

from .faults import Blow, Fault
from .fleet import Fleet
from .servers import Server

DOWN_S_MAX = 1.0
FULL_S_MAX = 1.5

#: Breaks something and says whom it hit: a process group, 1 for no process of a fleet, 0 when nothing was done.
Act = Callable[[], int]


class Injector:
    """
    One thread of faults, chosen by weight; a frozen process is thawed by a timer of its own.

    `weights` says which faults there are and how often each is chosen.
    """

    def __init__(
        self, workers: Fleet, server: Server, weights: Mapping[Fault, int], *, lease_s: float, seed: int,
        pause_s: float = 1.0, apis: Fleet | None = None,
    ) -> None:  # fmt: skip
        self._server = server
        self._weights = weights
        self._lease_s = lease_s
        self._pause_s = pause_s
        self._random = Random(seed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-injector", daemon=True)
        self._timers: list[threading.Timer] = []
        self.blows: list[Blow] = []
        self.failure: BaseException | None = None
        self._acts: dict[Fault, Act] = {
            Fault.KILL: lambda: workers.kill(self._random),
            Fault.TERMINATE: lambda: workers.terminate(self._random),
            Fault.RESTART: self._restart,
            Fault.CUT: self._cut,
            Fault.FULL: self._fill,
        }
        self._freezes = {Fault.FREEZE: workers}
        if apis is not None:
            api_fleet = apis
            self._acts[Fault.API_KILL] = lambda: api_fleet.kill(self._random)
            self._acts[Fault.API_TERMINATE] = lambda: api_fleet.terminate(self._random)
            self._freezes[Fault.API_FREEZE] = api_fleet

    def start(self) -> None:
        self._thread.start()

    def heal(self) -> None:
        """No more faults; returns when all that were begun are over."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        for timer in self._timers:
            timer.join()

    def _run(self) -> None:
        # An injector that dies in silence would make the rest of a soak a control.
        try:
            self._break_things()
        except Exception as error:  # noqa: BLE001
            self.failure = error

    def _break_things(self) -> None:
        while not self._stopped.wait(self._random.expovariate(1 / self._pause_s)):
            fault = self._random.choices(list(self._weights), list(self._weights.values()))[0]
            began_s = time.time()
            if fault in self._freezes:
                self._freeze(fault, began_s)
            elif victim := self._acts[fault]():
                self._note(fault, began_s, victim)

    def _note(self, fault: Fault, began_s: float, victim: int) -> None:
        self.blows.append(Blow(fault, began_s, time.time(), victim))

    def _freeze(self, fault: Fault, began_s: float) -> None:
        fleet = self._freezes[fault]
        victim = fleet.freeze(self._random)
        if not victim:
            return

        def thaw() -> None:
            fleet.thaw(victim)
            self._note(fault, began_s, victim)

        timer = threading.Timer(self._lease_s * self._random.uniform(1.2, 2.0), thaw)
        timer.start()
        self._timers.append(timer)

    def _restart(self) -> int:
        self._server.kill()
        self._stopped.wait(self._random.uniform(0, DOWN_S_MAX))
        self._server.start()
        return 1

    def _cut(self) -> int:
        """Cuts about half of all connections at once."""
        cut = False
        with suppress(redis.RedisError):
            for row in self._server.client.client_list():
                if self._random.random() < 0.5:
                    cut = bool(self._server.client.client_kill_filter(_id=row["id"])) or cut
        return int(cut)

    def _fill(self) -> int:
        """Takes Redis its room for a while: what is new is refused, what was accepted must go on."""
        self._server.limit_memory(1)
        self._stopped.wait(self._random.uniform(0.2, FULL_S_MAX))
        self._server.limit_memory(0)
        return 1
