"""Places for a few at a time, by name: shared by all steps of a process, forgotten when nobody uses them."""

import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import anyio
from anyio.lowlevel import RunVar

from actors.tools.web.trouble import NoTime, Unreached


class Gate:
    """Lets `places` through at a time."""

    def __init__(self, places: int) -> None:
        self._places = anyio.Semaphore(places)
        self._failure: tuple[float, Unreached] | None = None

    @property
    def waiting(self) -> int:
        return self._places.statistics().tasks_waiting

    @asynccontextmanager
    async def __call__(self) -> AsyncIterator[None]:
        async with self._places:
            yield

    @asynccontextmanager
    async def together(self) -> AsyncIterator[None]:
        """For many who want the same: whoever has waited while it failed fails with it instead of trying again."""
        began_s = time.monotonic()
        async with self._places:
            if self._failure is not None and self._failure[0] >= began_s:
                raise self._failure[1].again()
            try:
                yield
            except NoTime:
                raise
            except Unreached as trouble:
                self._failure = (time.monotonic(), trouble)
                raise


_gates: RunVar["WeakValueDictionary[str, Gate]"] = RunVar("web_gates")


def gate(name: str, places: int = 1) -> Gate:
    """The gate of that name in this event loop."""
    gates = _gates.get(None)
    if gates is None:
        gates = WeakValueDictionary()
        _gates.set(gates)
    found = gates.get(name)
    if found is None:
        found = gates[name] = Gate(places)
    return found
