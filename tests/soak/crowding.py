"""What no ledger of a soak knows of: others that want the processors."""

from os import cpu_count, getloadavg

#: With so much to do per processor, a worker may get none of it for longer than its lease.
CROWDED = 1.5


def crowded() -> bool:
    """Whether the machine may itself have broken what a soak has found; it is worth another one then."""
    return getloadavg()[0] > CROWDED * (cpu_count() or 1)
