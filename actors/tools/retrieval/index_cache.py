"""Keeps the folder of indexes bounded: those not used for longest go first."""

import os
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from actors.tools.retrieval.index_file import IndexFile

KINDS = ("texts", "folder")  # how the keys of corpora begin
INDEXES_MAX = 64
INDEXES_BYTES_MAX = 16 << 30
USED_EVERY_S = 60  # how exactly the last use is known
LEFTOVER_S = 3_600  # a file that nobody names and that is older than this belongs to a writer that died


def used(file: IndexFile) -> None:
    """Notes that the index was of use."""
    with suppress(OSError):
        if time.time() - file.lock.stat().st_mtime > USED_EVERY_S:
            os.utime(file.lock)


def make_room(kept: IndexFile) -> None:
    """Removes indexes beyond the limits, but never `kept` nor one that somebody writes."""
    locks = sorted(_all(kept.folder, ".lock"), key=_used_at, reverse=True)
    left = INDEXES_BYTES_MAX - _size(kept.folder, kept.lock)
    for number, lock in enumerate([lock for lock in locks if lock != kept.lock], start=2):
        left -= _size(kept.folder, lock)
        if number > INDEXES_MAX or left < 0:
            _remove(kept.folder, lock)
    _sweep(kept.folder, {lock.stem for lock in locks})


def _remove(folder: Path, lock: Path) -> None:
    file = IndexFile.of_lock(folder, lock)
    with suppress(OSError), file.locked() as mine:
        if mine:
            file.clear()
            lock.unlink()


def _sweep(folder: Path, keys: set[str]) -> None:
    for path in _all(folder, ".sqlite*"):
        owned = path.name.rpartition(".sqlite")[0].rpartition("-")[0] in keys
        if not owned and _used_at(path) < time.time() - LEFTOVER_S:
            with suppress(OSError):
                path.unlink()


def _all(folder: Path, ending: str) -> Iterator[Path]:
    """Files of indexes, and nothing else that may lie in the folder."""
    for kind in KINDS:
        yield from folder.glob(f"{kind}-*{ending}")


def _size(folder: Path, lock: Path) -> int:
    return sum(_bytes(path) for path in folder.glob(f"{lock.stem}-*"))


def _bytes(path: Path) -> int:
    with suppress(OSError):
        return path.stat().st_size
    return 0


def _used_at(path: Path) -> float:
    with suppress(OSError):
        return path.stat().st_mtime
    return 0.0
