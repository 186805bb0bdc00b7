"""Places for a few at a time, by name: shared by all steps of a process, forgotten when nobody uses them."""

from weakref import WeakValueDictionary

import anyio
from anyio.lowlevel import RunVar

_gates: RunVar["WeakValueDictionary[str, anyio.Semaphore]"] = RunVar("web_gates")


def gate(name: str, places: int = 1) -> anyio.Semaphore:
    """The semaphore of that name in this event loop."""
    gates = _gates.get(None)
    if gates is None:
        gates = WeakValueDictionary()
        _gates.set(gates)
    found = gates.get(name)
    if found is None:
        found = gates[name] = anyio.Semaphore(places)
    return found
