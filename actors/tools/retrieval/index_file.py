"""
Where an index lies: one SQLite file per corpus, and a small file beside it that names and locks it.

    <key>.lock              locked by whoever writes; its text names the file that counts
    <key>-<random>.sqlite   the index, in WAL mode: one writer, and readers who each see one committed state

A file that is damaged, or that has to make room, is never reused: the next one gets another name, so nobody who
has the old one open can mix the two.
"""

import fcntl
import hashlib
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from functools import cache
from pathlib import Path
from uuid import uuid4

from app.errors import Retryable

#: Programs whose text decides what an index of the same documents looks like.
MADE_BY = ("actors/tools/retrieval", "actors/tools/splitting", "actors/tools/text", "app/documents")
ROOT = Path(__file__).parents[3]
#: Trouble that says nothing about the file.
PASSING = re.compile(r"locked|busy|unable to open|out of memory|interrupted")
BUSY_MS = 10_000
CACHE_KIB = 16_384
WAL_BYTES_KEPT = 8 << 20
PAGE_BYTES = 8_192
CHECKPOINT_PAGES = 8_192  # 64 MiB: each checkpoint waits for the disk twice
TITLE_WEIGHT, TEXT_WEIGHT = 4.0, 1.0

SCHEMA = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE files (
    id INTEGER PRIMARY KEY, place INTEGER NOT NULL, name TEXT NOT NULL, stamp TEXT NOT NULL, sha256 TEXT NOT NULL,
    text_sha256 TEXT NOT NULL, title TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    skipped TEXT NOT NULL, note TEXT NOT NULL
);
CREATE INDEX files_name ON files (name);
CREATE INDEX files_first ON files (first);
CREATE TABLE names (word TEXT NOT NULL, file INTEGER NOT NULL, words INTEGER NOT NULL);
CREATE INDEX names_word ON names (word);
CREATE INDEX names_file ON names (file);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY, file INTEGER NOT NULL, heading TEXT NOT NULL, line INTEGER NOT NULL,
    first INTEGER NOT NULL, last INTEGER NOT NULL, kind TEXT NOT NULL, lead TEXT NOT NULL, text TEXT NOT NULL
);
CREATE VIRTUAL TABLE lookup USING fts5(title, text, content='', tokenize='porter unicode61');
INSERT INTO meta VALUES ('digest', '');
"""
#: What the full-text table remembers: how it ranks, and how much it gathers before it writes a segment.
OPTION = "INSERT INTO lookup (lookup, rank) VALUES (?, ?)"
SEGMENT_BYTES = 16 << 20


class NoIndex(Exception):
    """There is no index of this corpus yet, or none that can be read."""


@cache
def made_by(root: Path = ROOT) -> str:
    """Names the programs that make indexes: after a change of theirs every index is made anew."""
    digest = hashlib.sha256(sqlite3.sqlite_version.encode())
    for folder in MADE_BY:
        # `iterdir` and not `glob`: of a folder that has moved away somebody hears.
        for path in sorted(path for path in (root / folder).iterdir() if path.suffix == ".py"):
            digest.update(path.read_bytes())
    return digest.hexdigest()[:12]


class IndexFile:
    """The file of one corpus; any number of threads and processes may use it at once."""

    def __init__(self, folder: Path, key: str) -> None:
        self.folder = folder
        self.key = f"{key}-{made_by()}"
        self.lock = folder / f"{self.key}.lock"

    @classmethod
    def of_lock(cls, folder: Path, lock: Path) -> "IndexFile":
        """The file that a lock belongs to, whichever program made it."""
        file = cls.__new__(cls)
        file.folder, file.key, file.lock = folder, lock.stem, lock
        return file

    @property
    def path(self) -> Path:
        """The file that counts. Raises `NoIndex`."""
        try:
            name = self.lock.read_text()
        except OSError as error:
            raise NoIndex from error
        if not name:
            raise NoIndex
        return self.folder / name

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """
        A connection that sees one state of the index throughout.

        Raises `NoIndex` when there is none or it is damaged, and then removes it; `Retryable` when it is busy.
        """
        path = self.path
        if not path.exists():
            raise NoIndex
        try:
            with closing(connected(path, "ro")) as db:
                db.execute("BEGIN")
                yield db
        except sqlite3.DatabaseError as error:
            if isinstance(error, sqlite3.OperationalError) and PASSING.search(str(error)):
                raise Retryable(f"The search index cannot be read: {error}.", code="index_unreadable") from error
            self._give_up(path)
            raise NoIndex(str(error)) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection | None]:
        """
        A connection of the only writer; `None` while somebody else is that.

        Raises `Retryable` when the folder or the file cannot be written; a damaged file is removed by then.
        """
        path = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with self.locked() as mine:
                path = self._whole() if mine else None
                if path is None:
                    yield None
                    return
                with closing(connected(path, "rw")) as db:
                    yield db
        except (OSError, sqlite3.DatabaseError) as error:
            if path is not None and not isinstance(error, OSError | sqlite3.OperationalError):
                self._give_up(path)
            raise Retryable(f"The search index cannot be written: {error}.", code="index_unwritable") from error

    def _whole(self) -> Path:
        """The file that counts, made if there is none; only for whoever holds the lock."""
        with suppress(NoIndex):
            if _is_made(self.path):
                return self.path
        self.clear()
        path = self.folder / f"{self.key}-{uuid4().hex[:8]}.sqlite"
        with closing(connected(path, "rwc")) as db:
            db.executescript(f"PRAGMA page_size={PAGE_BYTES}; PRAGMA journal_mode=WAL; {SCHEMA}")
            db.execute(OPTION, ("rank", f"bm25({TITLE_WEIGHT}, {TEXT_WEIGHT})"))
            db.execute(OPTION, ("hashsize", SEGMENT_BYTES))
        self.lock.write_text(path.name)
        return path

    def _give_up(self, path: Path) -> None:
        with suppress(OSError, NoIndex), self.locked() as mine:
            if mine and self.path == path:
                self.clear()

    def clear(self) -> None:
        """Removes what there is; only for whoever holds the lock."""
        self.lock.write_text("")
        for path in self.folder.glob(f"{self.key}-*"):
            with suppress(OSError):
                path.unlink()

    @contextmanager
    def locked(self) -> Iterator[bool]:
        """Whether this is the only writer; the lock ends with the process, however that ends."""
        with self.lock.open("a") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            # The file may have been removed by whoever held it before; then the lock locks nothing.
            yield self.lock.exists() and os.path.samestat(os.fstat(held.fileno()), self.lock.stat())


def connected(path: Path, mode: str) -> sqlite3.Connection:
    """A connection without implicit transactions; `mode` as in SQLite's addresses: `ro`, `rw`, `rwc` makes the file."""
    db = sqlite3.connect(f"{path.resolve().as_uri()}?mode={mode}", uri=True, isolation_level=None)
    try:
        db.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        db.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        db.execute("PRAGMA synchronous=NORMAL")
        db.execute(f"PRAGMA journal_size_limit={WAL_BYTES_KEPT}")
        db.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES}")
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def _is_made(path: Path) -> bool:
    """Whether the file is an index; damage further inside is found when it is read."""
    try:
        with closing(connected(path, "rw")) as db:
            return bool(db.execute("SELECT count(*) FROM meta WHERE key = 'digest'").fetchone()[0])
    except sqlite3.DatabaseError:
        return False
