"""
What the program of every queue shares: where its server is, and the ledger of chains that began and ended.

The programs in this folder run in virtualenvs of their own, with this folder as theirs, and import nothing of ours.
"""

import os
import struct
import time

STORE_URL = os.environ.get("BENCH_STORE", "")
THREADS = int(os.environ.get("BENCH_THREADS", "8"))
#: Number of the chain, process id, start, end (0 where a chain began); the same as in broker_actors.py.
RECORD = struct.Struct("<iidd")

_ledger = -1


def begin(number: int) -> None:
    """The first step runs."""
    _write(number, time.time(), 0.0)


def end(number: int) -> None:
    """The last step runs."""
    now = time.time()
    _write(number, now, now)


def _write(number: int, start: float, stop: float) -> None:
    """Appended in one piece, by whatever process; Redis knows nothing of it."""
    global _ledger  # noqa: PLW0603  # opened once per process
    if _ledger < 0:
        _ledger = os.open(os.environ["BENCH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_ledger, RECORD.pack(number, os.getpid(), start, stop))
