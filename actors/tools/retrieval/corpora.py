"""What an index is made of: documents that are at hand, or the files of a folder."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from app.documents.errors import DocumentError
from app.documents.folder import Entry, Listing, Skipped, list_folder, nothing_in, read_entry, reason_of
from app.documents.pdf import can_read_pdf
from app.documents.readers import read_noted, reread
from app.model.task import Document


@dataclass(frozen=True, slots=True)
class Item:
    """A document by name, and by place where names repeat; whenever its content may have changed, its stamp has."""

    name: str
    stamp: str
    size: int
    place: int = 0


class Content(Protocol):
    """The content of an item, fetched once."""

    @property
    def sha256(self) -> str: ...

    def document(self) -> tuple[Document, str]:
        """The document as text and a note on how it was read; raises `DocumentError`."""


class Corpus(Protocol):
    """Some documents; two with the same `key` share an index."""

    @property
    def key(self) -> str: ...

    def items(self) -> list[Item]:
        """All documents in order. Raises `DocumentError`, or `DocumentUnreadable` where another attempt may help."""

    def fetch(self, item: Item) -> Content:
        """Raises as `items` does."""

    def left_out(self) -> list[Skipped]:
        """What `items` saw and did not take."""


@dataclass(frozen=True, slots=True)
class _Given:
    sha256: str
    given: Document

    def document(self) -> tuple[Document, str]:
        return reread(self.given), ""


class Given:
    """Documents that came as texts."""

    def __init__(self, documents: list[Document]) -> None:
        self._documents = documents
        self._hashes = [_hash_of(document) for document in documents]
        self.key = "texts-" + hashlib.sha256("".join(self._hashes).encode()).hexdigest()[:40]

    def items(self) -> list[Item]:
        given = zip(self._documents, self._hashes, strict=True)
        return [Item(document.name, sha256, len(document.text), at) for at, (document, sha256) in enumerate(given)]

    def fetch(self, item: Item) -> Content:
        return _Given(item.stamp, self._documents[item.place])

    def left_out(self) -> list[Skipped]:
        return []


@dataclass(frozen=True, slots=True)
class _File:
    sha256: str
    name: str
    content: bytes

    def document(self) -> tuple[Document, str]:
        return read_noted(self.name, self.content)


class Folder:
    """The documents below a folder, named with a prefix; files are read one at a time, when they are fetched."""

    def __init__(self, path: Path, prefix: str = "") -> None:
        self._path = path
        self._prefix = prefix
        self._listing = Listing()
        self._entries: dict[str, Entry] = {}
        # What can be read here is part of it: a reader installed later finds what was left out.
        named = f"{path.resolve()}\0{prefix}\0{can_read_pdf()}"
        self.key = "folder-" + hashlib.sha256(named.encode("utf-8", "surrogatepass")).hexdigest()[:40]

    def items(self) -> list[Item]:
        self._listing = list_folder(self._path)
        self._entries = {self._prefix + entry.name: entry for entry in self._listing.entries}
        if not self._entries:
            raise nothing_in(self._path, self._listing, self._listing.skipped)
        return [Item(name, entry.stamp, entry.size) for name, entry in self._entries.items()]

    def fetch(self, item: Item) -> Content:
        try:
            content = read_entry(self._entries[item.name])
        except DocumentError as error:
            raise type(error)(f"{item.name!r} {reason_of(self._entries[item.name].name, error)}.") from error
        return _File(hashlib.sha256(content).hexdigest(), item.name, content)

    def left_out(self) -> list[Skipped]:
        return [Skipped(self._prefix + skipped.name, skipped.reason) for skipped in self._listing.skipped]


def digest_of(items: Iterable[Item]) -> str:
    """The same for the same documents in the same state."""
    digest = hashlib.sha256()
    for item in items:
        digest.update(f"{item.place}\0{item.name}\0{item.stamp}\n".encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _hash_of(document: Document) -> str:
    digest = hashlib.sha256()
    for part in (document.name, document.text):
        encoded = part.encode("utf-8", "surrogatepass")
        digest.update(len(encoded).to_bytes(8, "big") + encoded)
    return digest.hexdigest()
