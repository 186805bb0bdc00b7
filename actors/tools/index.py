"""
A full-text index of a set of documents: one SQLite file per content, built once and shared by all.

The file's name is the hash of the documents and of this module's format, so a file is never updated: it
is built beside its place and renamed into it. Processes that build the same one at once waste work and
harm nothing; a damaged file is rebuilt. The oldest files go when there are more than `INDEX_FILES_MAX`.
"""

import hashlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar
from uuid import uuid4

from actors.tools.passages import Passage, name_stem, split, visible
from actors.tools.words import tokens
from app.errors import Retryable
from app.model.task import Document

FORMAT = "1"  # part of the file's name: raise it when splitting or the schema changes
INDEX_FILES_MAX = 32
LEFTOVER_S = 3_600  # an unfinished file older than this belongs to a builder that died
QUERY_WORDS_MAX = 64
TITLE_WEIGHT, TEXT_WEIGHT = 4.0, 1.0

SCHEMA = """
CREATE TABLE meta (passages INTEGER NOT NULL);
CREATE TABLE documents (uri TEXT NOT NULL, title TEXT NOT NULL);
CREATE TABLE passages (
    id INTEGER PRIMARY KEY, pid TEXT, title TEXT, uri TEXT, heading TEXT, line INTEGER, first INTEGER, last INTEGER,
    sha256 TEXT, kind TEXT, text TEXT
);
CREATE INDEX passages_uri ON passages (uri);
CREATE VIRTUAL TABLE lookup USING fts5(title, text, content='', tokenize='porter unicode61');
"""
COLUMNS = "p.pid, p.title, p.uri, p.heading, p.line, p.first, p.last, p.sha256, p.kind, p.text"
SEARCH = f"""
SELECT {COLUMNS}, -bm25(lookup, {TITLE_WEIGHT}, {TEXT_WEIGHT}) AS score
FROM lookup JOIN passages p ON p.id = lookup.rowid
WHERE lookup MATCH :match AND (:uri IS NULL OR p.uri = :uri)
ORDER BY score DESC, p.id LIMIT :limit
"""  # noqa: S608  # only constants of this module
OPENING = f"SELECT {COLUMNS}, 0.0 FROM passages p WHERE p.uri = ? ORDER BY p.id LIMIT ?"  # noqa: S608

T = TypeVar("T")
_building: dict[Path, threading.Lock] = {}
_building_guard = threading.Lock()


@dataclass(frozen=True, slots=True)
class Name:
    """How a document may be called in a question."""

    uri: str
    title: str


class PassageIndex:
    """
    The passages of some documents, searchable by words.

    Safe to use from several threads; every call opens the file for reading only.
    """

    def __init__(self, documents: list[Document], cache_dir: Path) -> None:
        self._documents = documents
        self.path = cache_dir / f"passages-{content_hash(documents)}.sqlite"

    def search(self, words: Iterable[str], limit: int, *, uri: str | None = None) -> list[Passage]:
        """The passages with any of the words, best first; of the one document if `uri` is given."""
        match = match_expression(words)
        if not match:
            return []
        return self._read(lambda db: _passages(db.execute(SEARCH, {"match": match, "uri": uri, "limit": limit})))

    def search_with(self, required: Iterable[str], words: Iterable[str], limit: int) -> list[Passage]:
        """Passages with at least one of the required words and one of the others."""
        first, second = match_expression(required), match_expression(words)
        match = f"({first}) AND ({second})" if first and second else first or second
        if not match:
            return []
        return self._read(lambda db: _passages(db.execute(SEARCH, {"match": match, "uri": None, "limit": limit})))

    def opening(self, uri: str, limit: int) -> list[Passage]:
        """How a document begins."""
        return self._read(lambda db: _passages(db.execute(OPENING, (uri, limit))))

    def names(self) -> list[Name]:
        return self._read(lambda db: [Name(*row) for row in db.execute("SELECT uri, title FROM documents")])

    def _read(self, query: Callable[[sqlite3.Connection], T]) -> T:
        try:
            return self._query(query)
        except (sqlite3.DatabaseError, FileNotFoundError):
            # Damaged, half removed or not there yet: the documents are at hand, so build it.
            self._build()
        try:
            return self._query(query)
        except sqlite3.DatabaseError as error:
            raise Retryable(f"The search index cannot be read: {error}.", code="index_unreadable") from error

    def _query(self, query: Callable[[sqlite3.Connection], T]) -> T:
        if not self.path.exists():
            raise FileNotFoundError(self.path)
        with closing(sqlite3.connect(f"{self.path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)) as db:
            (expected,) = db.execute("SELECT passages FROM meta").fetchone() or (-1,)
            (actual,) = db.execute("SELECT count(*) FROM passages").fetchone()
            if expected != actual:
                raise sqlite3.DatabaseError("the index is incomplete")
            return query(db)

    def _build(self) -> None:
        with _lock_for(self.path):
            if not self._is_sound():
                try:
                    _write(self.path, self._documents)
                except (OSError, sqlite3.Error) as error:
                    raise Retryable(f"The search index cannot be written: {error}.", code="index_unwritable") from error

    def _is_sound(self) -> bool:
        """Whether another thread or process has built it meanwhile."""
        try:
            return bool(self._query(lambda db: db.execute("PRAGMA quick_check(1)").fetchone() == ("ok",)))
        except (sqlite3.DatabaseError, FileNotFoundError):
            return False


def content_hash(documents: list[Document]) -> str:
    """The same for the same names and texts in the same order."""
    digest = hashlib.sha256(f"format {FORMAT}".encode())
    for document in documents:
        for part in (document.name, document.text):
            encoded = part.encode("utf-8", "surrogatepass")
            digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()[:40]


def match_expression(words: Iterable[str]) -> str:
    """An FTS5 expression for any of the words; quoted, so that nothing in them is syntax."""
    phrases = dict.fromkeys(" ".join(tokens(word)) for word in words)
    return " OR ".join(f'"{phrase}"' for phrase in list(phrases)[:QUERY_WORDS_MAX] if phrase)


def _lock_for(path: Path) -> threading.Lock:
    with _building_guard:
        if len(_building) > 4 * INDEX_FILES_MAX:
            _building.clear()
        return _building.setdefault(path, threading.Lock())


def _write(path: Path, documents: list[Document]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.stem}.{os.getpid()}-{uuid4().hex[:8]}.unfinished")
    try:
        with closing(sqlite3.connect(unfinished)) as db:
            db.executescript(f"PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF; {SCHEMA}")
            _fill(db, documents)
            db.commit()
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    _make_room(path)


def _fill(db: sqlite3.Connection, documents: list[Document]) -> None:
    count = 0
    for document in documents:
        passages = split(document)
        rows = [_row(number, passage) for number, passage in enumerate(passages, start=count + 1)]
        db.executemany("INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows)
        searchable = [
            (number, f"{passage.title} {name_stem(document.name)} {passage.heading}", visible(passage.text))
            for number, passage in enumerate(passages, start=count + 1)
        ]
        db.executemany("INSERT INTO lookup (rowid, title, text) VALUES (?, ?, ?)", searchable)
        if passages:
            db.execute("INSERT INTO documents VALUES (?, ?)", (document.name, passages[0].title))
        count += len(passages)
    db.execute("INSERT INTO meta VALUES (?)", (count,))


def _row(number: int, passage: Passage) -> tuple[Any, ...]:
    place = (passage.heading, passage.line, *passage.span)
    text = passage.text.encode("utf-8", "replace").decode()
    return (number, passage.pid, passage.title, passage.uri, *place, passage.sha256, passage.kind, text)


def _passages(rows: Iterable[tuple[Any, ...]]) -> list[Passage]:
    return [
        Passage(
            pid=pid, title=title, uri=uri, heading=heading, line=line, span=(first, last), sha256=sha256, kind=kind,
            text=text, score=round(score, 4),
        )
        for pid, title, uri, heading, line, first, last, sha256, kind, text, score in rows
    ]  # fmt: skip


def _make_room(kept: Path) -> None:
    """Removes the files that were built longest ago; readers that have one open keep it until they close."""
    files = sorted(kept.parent.glob("passages-*.sqlite"), key=_built_at, reverse=True)
    surplus = [file for file in files if file != kept][INDEX_FILES_MAX - 1 :]
    leftovers = [f for f in kept.parent.glob("passages-*.unfinished") if _built_at(f) < time.time() - LEFTOVER_S]
    for file in [*surplus, *leftovers]:
        with suppress(OSError):
            file.unlink()


def _built_at(file: Path) -> float:
    with suppress(OSError):
        return file.stat().st_mtime
    return 0.0
