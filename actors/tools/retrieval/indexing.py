"""
Brings the index of a corpus up to date: reads what is new or changed, forgets what is gone, and nothing else.

Each document comes and goes in one act, and some of them share a transaction, so a crash or a cancellation leaves
an index that is right about what it has and is continued by the next. Text passes through: memory stays bounded by the
largest document.
"""

import hashlib
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

from actors.tools.retrieval.corpora import Corpus, Item, digest_of
from actors.tools.retrieval.index_file import IndexFile, NoIndex
from actors.tools.splitting.passages import Slice, cut, visible
from actors.tools.text.words import tokens
from app.documents.errors import DocumentError, DocumentUnreadable
from app.documents.folder import reason_of
from app.documents.formats import stem_of
from app.model.task import Document

COMMIT_BYTES = 32 << 20  # of text per transaction
PASSAGES_AT_ONCE = 256

ADD_FILE = (
    "INSERT INTO files VALUES (:id, :place, :name, :stamp, :sha256, :text, :title, :first, :last, :skipped, :note)"
)
ADD_PASSAGE = "INSERT INTO passages VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
ADD_LOOKUP = "INSERT INTO lookup (rowid, title, text) VALUES (?, ?, ?)"
DROP_LOOKUP = "INSERT INTO lookup (lookup, rowid, title, text) VALUES ('delete', ?, ?, ?)"


class Stopped(Exception):
    """Nobody wants the index any more; what was done is kept."""


@dataclass(frozen=True, slots=True)
class Done:
    """How far the indexing has come."""

    documents: int
    documents_total: int
    bytes: int
    bytes_total: int


@dataclass(slots=True)
class Watch:
    """Who waits for the index: hears how far it is, and may stop it."""

    told: Callable[[Done], None] = lambda _: None
    stopped: Callable[[], bool] = lambda: False


@dataclass(frozen=True, slots=True)
class _Known:
    """A document as the index has it."""

    id: int
    stamp: str
    sha256: str


def refresh(file: IndexFile, corpus: Corpus, watch: Watch) -> Literal["fresh", "made", "busy"]:
    """
    Makes the index fit the corpus as it is now; nothing is done when it does, or while somebody else is at it.

    Raises `DocumentError` when the corpus cannot be used, `Stopped`, and `Retryable` when the index cannot be written.
    """
    items = corpus.items()
    digest = digest_of(items)
    if is_fresh(file, digest):
        return "fresh"
    with file.writing() as db:
        if db is None:
            return "busy"
        _Update(db, corpus, watch).run(items, digest)
    return "made"


def is_fresh(file: IndexFile, digest: str) -> bool:
    try:
        with file.reading() as db:
            return bool(db.execute("SELECT value = ? FROM meta WHERE key = 'digest'", (digest,)).fetchone()[0])
    except NoIndex:
        return False


@dataclass(slots=True)
class _Update:
    """One writer's work."""

    db: sqlite3.Connection
    corpus: Corpus
    watch: Watch
    uncommitted: int = 0
    next_passage: int = field(init=False)
    next_file: int = field(init=False)

    def __post_init__(self) -> None:
        self.next_passage = self.db.execute("SELECT coalesce(max(id), 0) + 1 FROM passages").fetchone()[0]
        self.next_file = self.db.execute("SELECT coalesce(max(id), 0) + 1 FROM files").fetchone()[0]

    def run(self, items: list[Item], digest: str) -> None:
        rows = self.db.execute("SELECT place, name, id, stamp, sha256 FROM files")
        known = {(place, name): _Known(*rest) for place, name, *rest in rows}
        changed = [item for item in items if known.get((item.place, item.name), _NONE).stamp != item.stamp]
        gone = known.keys() - {(item.place, item.name) for item in items}
        with self._transaction():
            # Until the end this is the index of no listing.
            self.db.execute("UPDATE meta SET value = '' WHERE key = 'digest'")
            for key in gone:
                self._forget(known[key].id)
            self._add(changed, known)
            self.db.execute("UPDATE meta SET value = ? WHERE key = 'digest'", (digest,))
            self.db.execute("INSERT OR IGNORE INTO meta VALUES ('whole', 'once')")

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield
            self.db.execute("COMMIT")
        finally:
            # Whatever ended it early.
            if self.db.in_transaction:
                self.db.execute("ROLLBACK")

    def _add(self, changed: list[Item], known: dict[tuple[int, str], _Known]) -> None:
        total, size, done = len(changed), sum(item.size for item in changed), 0
        for number, item in enumerate(changed):
            self.watch.told(Done(number, total, done, size))
            self._commit_if_due()
            self._bring(item, known.get((item.place, item.name), _NONE))
            done += item.size
            self.uncommitted += item.size
        self.watch.told(Done(total, total, size, size))

    def _commit_if_due(self) -> None:
        stopped = self.watch.stopped()
        if stopped or self.uncommitted > COMMIT_BYTES:
            self.db.execute("COMMIT")
            self.db.execute("BEGIN IMMEDIATE")
            self.uncommitted = 0
        if stopped:
            raise Stopped

    def _bring(self, item: Item, before: _Known) -> None:
        skipped = sha256 = note = ""
        document = Document(name=item.name, text="")
        try:
            content = self.corpus.fetch(item)
            sha256 = content.sha256
            if sha256 == before.sha256:
                self.db.execute("UPDATE files SET stamp = ? WHERE id = ?", (item.stamp, before.id))
                return
            document, note = content.document()
        except DocumentUnreadable:
            raise
        except DocumentError as error:
            skipped = reason_of(item.name, error)
        if before is not _NONE:
            self._forget(before.id)
        self._insert(item, document, {"sha256": sha256, "skipped": skipped, "note": note})

    def _insert(self, item: Item, document: Document, row: dict[str, str]) -> None:
        number, first = self.next_file, self.next_passage
        made = cut(document)
        head = _head(document.name, made.title)
        self.next_file += 1
        while some := list(islice(made.slices, PASSAGES_AT_ONCE)):
            if self.watch.stopped():
                raise Stopped
            self._insert_passages(number, head, some)
        place = {"id": number, "place": item.place, "name": item.name, "stamp": item.stamp, "title": made.title}
        spans = {"first": first, "last": self.next_passage - 1, "text": text_sha256(document.text)}
        self.db.execute(ADD_FILE, row | place | spans)
        words = set(tokens(stem_of(item.name))) if self.next_passage > first else set()
        rows = [(word, number, len(words)) for word in sorted(words)]
        self.db.executemany("INSERT INTO names VALUES (?, ?, ?)", rows)

    def _insert_passages(self, number: int, head: str, some: list[Slice]) -> None:
        ids = range(self.next_passage, self.next_passage + len(some))
        texts = [part.text.encode("utf-8", "replace").decode() for part in some]
        rows = [
            (at, number, part.heading, part.line, part.start, part.end, part.kind, part.lead, text)
            for at, part, text in zip(ids, some, texts, strict=True)
        ]
        self.db.executemany(ADD_PASSAGE, rows)
        parts = zip(ids, some, texts, strict=True)
        self.db.executemany(
            ADD_LOOKUP, ((at, *_searchable(head, part.heading, part.lead, text)) for at, part, text in parts)
        )
        self.next_passage += len(some)

    def _forget(self, number: int) -> None:
        """A contentless index forgets only what it is told again, word for word."""
        file = self.db.execute("SELECT name, title, first, last FROM files WHERE id = ?", (number,)).fetchone()
        name, title, first, last = file
        head = _head(name, title)
        rows = self.db.execute("SELECT id, heading, lead, text FROM passages WHERE id BETWEEN ? AND ?", (first, last))
        self.db.executemany(
            DROP_LOOKUP, ((at, *_searchable(head, heading, lead, text)) for at, heading, lead, text in rows)
        )
        self.db.execute("DELETE FROM passages WHERE id BETWEEN ? AND ?", (first, last))
        self.db.execute("DELETE FROM names WHERE file = ?", (number,))
        self.db.execute("DELETE FROM files WHERE id = ?", (number,))


_NONE = _Known(0, "", "")


def text_sha256(text: str) -> str:
    """Of a document's text, as its passages carry it."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _head(name: str, title: str) -> str:
    """What all passages of a document are found by."""
    return f"{title} {stem_of(name)}"


def _searchable(head: str, heading: str, lead: str, text: str) -> tuple[str, str]:
    """What is looked through: title and headings, which weigh more, and what a reader sees of the text."""
    return f"{head} {heading}", visible(f"{lead}\n{text}" if lead else text)
