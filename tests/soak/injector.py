"""Breaks things at random moments and writes down which and when."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from random import Random

import redis

from .evidence import Blow, Fault
from .fleet import Fleet
from .servers import Server

#: How often each is chosen.
WEIGHTS = {Fault.KILL: 4, Fault.FREEZE: 2, Fault.RESTART: 2, Fault.CUT: 4, Fault.TERMINATE: 2}
PAUSE_S_MEAN = 1.0
DOWN_S_MAX = 1.0


class Injector:
    """One thread of faults; a frozen worker is thawed by a timer of its own."""

    def __init__(self, fleet: Fleet, server: Server, lease_s: float, seed: int) -> None:
        self._fleet = fleet
        self._server = server
        self._lease_s = lease_s
        self._random = Random(seed)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="soak-injector", daemon=True)
        self._timers: list[threading.Timer] = []
        self.blows: list[Blow] = []
        self._acts: dict[Fault, Callable[[], bool]] = {
            Fault.KILL: lambda: self._fleet.kill(self._random),
            Fault.TERMINATE: lambda: self._fleet.terminate(self._random),
            Fault.RESTART: self._restart,
            Fault.CUT: self._cut,
        }

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
        while not self._stopped.wait(self._random.expovariate(1 / PAUSE_S_MEAN)):
            fault = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
            began_s = time.time()
            if fault is Fault.FREEZE:
                self._freeze(began_s)
            elif self._acts[fault]():
                self._note(fault, began_s)

    def _note(self, fault: Fault, began_s: float) -> None:
        self.blows.append(Blow(fault, began_s, time.time()))

    def _freeze(self, began_s: float) -> None:
        worker = self._fleet.freeze(self._random)
        if worker is None:
            return

        def thaw() -> None:
            self._fleet.thaw(worker)
            self._note(Fault.FREEZE, began_s)

        timer = threading.Timer(self._lease_s * self._random.uniform(1.2, 2.0), thaw)
        timer.start()
        self._timers.append(timer)

    def _restart(self) -> bool:
        self._server.kill()
        self._stopped.wait(self._random.uniform(0, DOWN_S_MAX))
        self._server.start()
        return True

    def _cut(self) -> bool:
        """Cuts about half of all connections at once."""
        cut = False
        with suppress(redis.RedisError):
            for row in self._server.client.client_list():
                if self._random.random() < 0.5:
                    cut = bool(self._server.client.client_kill_filter(_id=row["id"])) or cut
        return cut
