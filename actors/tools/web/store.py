"""
What this machine has fetched, and when each host may be asked again: one SQLite file for all workers here.

A cache and nothing more: a file that is damaged is thrown away, and where none can be written pages are fetched each
time. Times are seconds since the epoch, by this machine's clock.
"""

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

#: Part of the file's name: raise it when the schema changes.
FORMAT = "1"
#: A page that nobody has asked for in this time goes, however much room there is.
UNUSED_S_MAX = 7 * 86_400
BUSY_S_MAX = 5.0
TURN_S_MAX = 2 * 86_400

SCHEMA = """
CREATE TABLE IF NOT EXISTS pages (
    url TEXT PRIMARY KEY, final TEXT NOT NULL, status INTEGER NOT NULL, content_type TEXT NOT NULL,
    etag TEXT NOT NULL, modified TEXT NOT NULL, checked_s REAL NOT NULL, used_s REAL NOT NULL,
    size INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS hosts (host TEXT PRIMARY KEY, next_s REAL NOT NULL) WITHOUT ROWID;
"""
GET = "SELECT final, status, content_type, etag, modified, checked_s, body FROM pages WHERE url = ?"
PUT = "INSERT OR REPLACE INTO pages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
#: What is beyond the limit when the latest used are kept, and what is too old.
PRUNE = """
DELETE FROM pages WHERE used_s < :oldest OR url IN (
    SELECT url FROM (SELECT url, SUM(size) OVER (ORDER BY used_s DESC, url) AS total FROM pages)
    WHERE total > :bytes_max
)
"""
#: Takes the host's next free moment if that is early enough, and moves it on.
RESERVE = """
INSERT INTO hosts VALUES (:host, :now + :interval)
ON CONFLICT (host) DO UPDATE SET next_s = max(next_s, :now) + :interval WHERE next_s <= :latest
RETURNING next_s - :interval
"""
NEXT = "SELECT next_s FROM hosts WHERE host = ?"
BLOCK = """
INSERT INTO hosts VALUES (:host, :until) ON CONFLICT (host) DO UPDATE SET next_s = max(next_s, :until)
"""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Page:
    """
    A body as it came, unpacked, with what tells whether it has changed since.

    `final` is where the redirects led. `status` is what the server said; of anything but 200 only robots.txt files
    are kept, without a body.
    """

    final: str
    content_type: str
    body: bytes
    etag: str = ""
    modified: str = ""
    status: int = 200
    checked_s: float = 0.0

    def fresh(self, within_s: float) -> bool:
        return 0 <= time.time() - self.checked_s < within_s


class WebStore:
    """Pages by URL and turns by host; every call opens the file, so it is safe from several threads."""

    def __init__(self, folder: Path, *, bytes_max: int) -> None:
        self.path = folder / f"web-{FORMAT}.sqlite"
        self._bytes_max = bytes_max

    def page(self, url: str) -> Page | None:
        def read(db: sqlite3.Connection) -> Page | None:
            row = db.execute(GET, (url,)).fetchone()
            if row is None:
                return None
            db.execute("UPDATE pages SET used_s = ? WHERE url = ?", (time.time(), url))
            final, status, content_type, etag, modified, checked_s, body = row
            return Page(final, content_type, body, etag, modified, status, checked_s)

        return self._with(read, None)

    def keep(self, url: str, page: Page) -> None:
        """Keeps the page as fetched now, and makes room for it."""
        now = time.time()
        row = (
            url, page.final, page.status, page.content_type, page.etag, page.modified, now, now,
            len(page.body), page.body,
        )  # fmt: skip

        def write(db: sqlite3.Connection) -> None:
            db.execute(PUT, row)
            db.execute(PRUNE, {"oldest": now - UNUSED_S_MAX, "bytes_max": self._bytes_max})
            # What lies further ahead than any host may ask for was written by a clock that has been set back.
            db.execute("DELETE FROM hosts WHERE next_s NOT BETWEEN ? AND ?", (now - 3_600, now + TURN_S_MAX))

        self._with(write, None)

    def checked(self, url: str) -> None:
        """The server has said that the page is as it was."""
        self._with(lambda db: db.execute("UPDATE pages SET checked_s = ? WHERE url = ?", (time.time(), url)), None)

    def turn(self, host: str, *, interval_s: float, latest_s: float) -> float:
        """When the host may be asked: the caller's own turn, unless that is after `latest_s`."""
        now = time.time()
        values = {"host": host, "now": now, "interval": interval_s, "latest": latest_s}

        def reserve(db: sqlite3.Connection) -> float:
            row = db.execute(RESERVE, values).fetchone() or db.execute(NEXT, (host,)).fetchone()
            return float(row[0])

        return self._with(reserve, now)

    def leave_alone(self, host: str, until_s: float) -> None:
        """Nobody here asks the host before that."""
        self._with(lambda db: db.execute(BLOCK, {"host": host, "until": until_s}), None)

    def _with(self, act: Callable[[sqlite3.Connection], T], otherwise: T) -> T:
        for _ in range(2):
            try:
                return self._act(act)
            except sqlite3.OperationalError:
                return otherwise
            except sqlite3.DatabaseError:
                self._throw_away()
            except OSError:
                return otherwise
        return otherwise

    def _throw_away(self) -> None:
        # Its log first: replayed into a new file, it would damage that one too.
        for ending in ("-wal", "-shm", ""):
            with suppress(OSError):
                Path(f"{self.path}{ending}").unlink()

    def _act(self, act: Callable[[sqlite3.Connection], T]) -> T:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(self.path, timeout=BUSY_S_MAX, isolation_level=None)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            # A power cut may damage the file: then it is thrown away.
            db.execute("PRAGMA synchronous = OFF")
            db.executescript(SCHEMA)
            db.execute("BEGIN IMMEDIATE")
            result = act(db)
            db.execute("COMMIT")
            return result
