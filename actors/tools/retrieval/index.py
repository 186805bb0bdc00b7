"""
A full-text index of some documents, built once per machine and kept up to date.

`PassageIndex.refresh` makes it fit the documents, `PassageIndex.view` searches one state of it. How it is made:
`indexing.py`; where it lies: `index_file.py`.
"""

import sqlite3
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from actors.tools.retrieval.corpora import Corpus
from actors.tools.retrieval.index_cache import make_room, used
from actors.tools.retrieval.index_file import TEXT_WEIGHT, TITLE_WEIGHT, IndexFile, NoIndex
from actors.tools.retrieval.indexing import Watch, refresh
from actors.tools.splitting.passages import Passage, passage_id
from actors.tools.text.words import tokens
from app.documents.folder import Skipped
from app.errors import Retryable

QUERY_WORDS_MAX = 64
REBUILDS_MAX = 2
WAIT_S = 0.05

# By the function and not by `rank`: SQLite then keeps the first ones only, where FTS5 sorts all there are.
RANKED = """
SELECT rowid, -bm25(lookup, :title, :text) AS score
FROM lookup WHERE lookup MATCH :match{within} ORDER BY score DESC LIMIT :limit
"""
WITHIN = " AND rowid BETWEEN :first AND :last"
COLUMNS = """
SELECT p.id, f.name, f.title, p.heading, p.line, p.first, p.last, f.text_sha256, p.kind, p.lead, p.text
FROM passages p JOIN files f ON f.id = p.file
"""
COUNTS = """
SELECT coalesce(sum(last - first + 1), 0), count(*) FILTER (WHERE last >= first),
    count(*) FILTER (WHERE skipped = ''), count(*) FILTER (WHERE skipped != ''), count(*) FILTER (WHERE note != '')
FROM files
"""
NAMED = "SELECT file FROM names WHERE word = ?"


@dataclass(frozen=True, slots=True)
class Name:
    """How a document may be called in a question."""

    uri: str
    title: str


class PassageIndex:
    """
    The passages of some documents, searchable by words.

    Safe to use from several threads; any number of processes may have one of the same documents.
    """

    def __init__(self, corpus: Corpus, cache_dir: Path) -> None:
        self.corpus = corpus
        self.file = IndexFile(cache_dir, corpus.key)

    def refresh(self, watch: Watch | None = None) -> bool:
        """Makes it fit the documents as they are now; false while somebody else does: ask again soon."""
        done = refresh(self.file, self.corpus, watch or Watch())
        if done == "made":
            make_room(self.file)
        if done != "busy":
            used(self.file)
        return done != "busy"

    def build(self) -> None:
        """The same, waiting for whoever is at it."""
        while not self.refresh():
            time.sleep(WAIT_S)

    @contextmanager
    def view(self) -> Iterator["View"]:
        """One state of the index; a file that cannot be read is made anew. Raises `Retryable` when that is no help."""
        for _ in range(REBUILDS_MAX):
            try:
                with self.file.reading() as db:
                    view = View(db)
                    view.check()
                    yield view
                    return
            except NoIndex:
                self.build()
        raise Retryable("The search index cannot be read, though it was made anew.", code="index_unreadable")


class View:
    """One state of an index, on one connection of one thread."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db
        self._frequencies: dict[tuple[str, str | None], int] = {}

    def check(self) -> None:
        """Raises `NoIndex` while it is being made for the first time; fails where nothing can be read."""
        if not self._db.execute("SELECT count(*) FROM meta WHERE key = 'whole'").fetchone()[0]:
            raise NoIndex

    @cached_property
    def _counts(self) -> tuple[int, int, int, int, int]:
        """Passages, documents with any, documents read, skipped and with a note: one pass over a long table."""
        return tuple(self._db.execute(COUNTS).fetchone())

    @property
    def passages(self) -> int:
        """How many passages there are."""
        return self._counts[0]

    def frequency(self, word: str, *, uri: str | None = None) -> int:
        """How many passages have the word, of all or of one document."""
        if (word, uri) not in self._frequencies:
            self._frequencies[word, uri] = self._counted(word, uri)
        return self._frequencies[word, uri]

    def _counted(self, word: str, uri: str | None) -> int:
        match = match_expression([word])
        spans: list[tuple[int, int]] = [(0, 1 << 62)] if uri is None else self._spans(uri)
        sql = "SELECT count(*) FROM lookup WHERE lookup MATCH ? AND rowid BETWEEN ? AND ?"
        return sum(self._db.execute(sql, (match, *span)).fetchone()[0] for span in spans) if match else 0

    def search(self, words: Iterable[str], limit: int, *, uri: str | None = None) -> list[Passage]:
        """The passages with any of the words, best first; of the one document if `uri` is given."""
        match = match_expression(words)
        return self._ranked(match, limit, uri) if match else []

    def search_with(self, required: Iterable[str], words: Iterable[str], limit: int) -> list[Passage]:
        """Passages with at least one of the required words and one of the others."""
        first, second = match_expression(required), match_expression(words)
        match = f"({first}) AND ({second})" if first and second else first or second
        return self._ranked(match, limit, None) if match else []

    def opening(self, uri: str, limit: int) -> list[Passage]:
        """How a document begins."""
        found: list[Passage] = []
        for first, last in self._spans(uri):
            rows = self._db.execute(f"{COLUMNS} WHERE p.id BETWEEN ? AND ? ORDER BY p.id LIMIT ?", (first, last, limit))
            found += [_passage(row, 0.0) for row in rows]
        return found[:limit]

    def names(self, limit: int = -1) -> list[Name]:
        """The documents with anything to find in them, in order."""
        sql = "SELECT name, title FROM files WHERE last >= first ORDER BY place, name LIMIT ?"
        return [Name(*row) for row in self._db.execute(sql, (limit,))]

    @property
    def named(self) -> int:
        """How many documents have anything to find in them."""
        return self._counts[1]

    def names_with(self, words: list[str], limit: int, *, only: bool = False) -> list[Name]:
        """The documents with all the words in their name, in order; `only` these if so asked."""
        distinct = sorted(set(words))
        if not distinct:
            return []
        within = " INTERSECT ".join([f"{NAMED}{' AND words = ' + str(len(distinct)) if only else ''}"] * len(distinct))
        sql = f"SELECT name, title FROM files WHERE id IN ({within}) ORDER BY place, name LIMIT ?"  # noqa: S608  # nosec B608
        return [Name(*row) for row in self._db.execute(sql, (*distinct, limit))]

    def count(self) -> int:
        """How many documents could be read."""
        return self._counts[2]

    def skipped(self, limit: int) -> list[Skipped]:
        """Documents that could not be read, and why."""
        sql = "SELECT name, skipped FROM files WHERE skipped != '' ORDER BY place, name LIMIT ?"
        return [Skipped(*row) for row in self._db.execute(sql, (limit,))] if self._counts[3] else []

    def notes(self, limit: int) -> list[Skipped]:
        """Documents that were read with some doubt."""
        sql = "SELECT name, note FROM files WHERE note != '' ORDER BY place, name LIMIT ?"
        return [Skipped(*row) for row in self._db.execute(sql, (limit,))] if self._counts[4] else []

    def _ranked(self, match: str, limit: int, uri: str | None) -> list[Passage]:
        values: dict[str, Any] = {"match": match, "limit": limit, "title": TITLE_WEIGHT, "text": TEXT_WEIGHT}
        if uri is None:
            return self._fetched(self._db.execute(RANKED.format(within=""), values).fetchall())
        scores: list[tuple[int, float]] = []
        for first, last in self._spans(uri):
            place = {"first": first, "last": last}
            scores += self._db.execute(RANKED.format(within=WITHIN), values | place).fetchall()
        return self._fetched(scores)[:limit]

    def _spans(self, uri: str) -> list[tuple[int, int]]:
        return self._db.execute("SELECT first, last FROM files WHERE name = ? ORDER BY place", (uri,)).fetchall()

    def _fetched(self, scores: list[tuple[int, float]]) -> list[Passage]:
        by_id = dict(scores)
        marks = ", ".join("?" * len(by_id))
        rows = self._db.execute(f"{COLUMNS} WHERE p.id IN ({marks})", list(by_id))
        # Not by id: that depends on when each document was read.
        ordered = sorted(rows, key=lambda row: (-by_id[row[0]], row[1], row[5]))
        return [_passage(row, by_id[row[0]]) for row in ordered]


def match_expression(words: Iterable[str]) -> str:
    """An FTS5 expression for any of the words; quoted, so that nothing in them is syntax."""
    phrases = dict.fromkeys(" ".join(tokens(word)) for word in words)
    return " OR ".join(f'"{phrase}"' for phrase in list(phrases)[:QUERY_WORDS_MAX] if phrase)


def _passage(row: tuple[Any, ...], score: float) -> Passage:
    _, uri, title, heading, line, first, last, sha256, kind, lead, text = row
    return Passage(
        pid=passage_id(uri, (first, last), text), title=title, uri=uri, heading=heading, line=line,
        span=(first, last), sha256=sha256, kind=kind, lead=lead, text=text, score=round(score, 4),
    )  # fmt: skip
