"""
Numbers of one process in a file, which others read and which outlives the process.

A number is a cell of eight bytes in a shared mapping, so whatever is counted is with the system at once, and a kill -9
loses nothing of it. The file begins with the length of its head; the head, as JSON, says which series have how many
cells; the cells follow. Its writer holds a POSIX lock on it for as long as it lives, which children that it forks do
not inherit: so a reader knows whose gauges still hold.

The multiprocess mode of `prometheus_client` does the same for four times the time per step. It is turned on by a
variable of the environment for all of a process, the metrics of agents too, and keeps the gauges of the dead.
"""

import fcntl
import json
import mmap
import struct
from collections.abc import Mapping
from pathlib import Path
from threading import Lock

#: A metric and the values of its labels.
Series = tuple[str, ...]

SUFFIX = ".cells"
WORD_BYTES = 8
_LENGTH = struct.Struct("=q")


class Cells:
    """The cells of this process; any of its threads may add to them. A series it does not have is not counted."""

    def __init__(self, path: Path, sizes: Mapping[Series, int]) -> None:
        """Makes the file with its room taken, since a mapping could not say later that there is none: `OSError`."""
        head = json.dumps([[series, size] for series, size in sizes.items()]).encode()
        head += b" " * (-len(head) % WORD_BYTES)
        draft = path.with_suffix(".draft")
        self._file = draft.open("x+b")
        self._file.write(_LENGTH.pack(len(head)) + head + bytes(WORD_BYTES * sum(sizes.values())))
        self._file.flush()
        fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._map = mmap.mmap(self._file.fileno(), 0)
        self._cells = memoryview(self._map)[WORD_BYTES + len(head) :].cast("d")
        self._places = _places(sizes)
        self._lock = Lock()
        # Only now that it is whole and locked may it be found.
        draft.rename(path)

    def add(self, series: Series, amount: float) -> None:
        """Adds to the only cell of a series."""
        place = self._places.get(series)
        if place is not None:
            with self._lock:
                self._cells[place[0]] += amount

    def observe(self, series: Series, at: int, amount: float) -> None:
        """Adds one to the cell `at` of a series, and the amount to its last one."""
        place = self._places.get(series)
        if place is not None:
            first, last = place
            with self._lock:
                self._cells[first + at] += 1
                self._cells[last] += amount

    def close(self) -> None:
        """For a process that goes on: whoever adds after this gets a `ValueError`."""
        self._cells.release()
        self._map.close()
        self._file.close()


class Reading:
    """Another process's cells; raises `ValueError` for a file that is none, `OSError` for one that cannot be read."""

    def __init__(self, path: Path) -> None:
        # Kept open: what was counted can be read even when somebody has deleted the folder.
        self._file = path.open("rb")
        self._map = mmap.mmap(self._file.fileno(), 0, prot=mmap.PROT_READ)
        (length,) = _LENGTH.unpack_from(self._map)
        head = json.loads(self._map[WORD_BYTES : WORD_BYTES + length])
        self._cells = memoryview(self._map)[WORD_BYTES + length :].cast("d")
        self._places = _places({tuple(series): int(size) for series, size in head})
        self._ended = False

    def values(self) -> dict[Series, list[float]]:
        """What is in the cells now."""
        cells = [float(cell) for cell in self._cells]
        return {series: cells[first : last + 1] for series, (first, last) in self._places.items()}

    @property
    def alive(self) -> bool:
        """Whether the process that writes them runs."""
        if not self._ended:
            try:
                fcntl.lockf(self._file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except OSError:
                return True
            self._ended = True
        return False

    def close(self) -> None:
        self._cells.release()
        self._map.close()
        self._file.close()


def _places(sizes: Mapping[Series, int]) -> dict[Series, tuple[int, int]]:
    """The first and the last cell of each series."""
    places, first = {}, 0
    for series, size in sizes.items():
        places[series] = (first, first + size - 1)
        first += size
    return places
