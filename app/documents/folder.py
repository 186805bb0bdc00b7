"""
What a folder holds: the documents in it, what was left out and why.

Every subfolder counts, but for hidden ones and those that programs fill (`PROGRAMS_OWN`). Nothing is left out
in silence: a document that cannot be read is named with the reason, files of other kinds are counted. Only a folder
of which nothing can be used is an error, and one beyond the limits, because no report could be trusted to know it.
"""

import os
import stat
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from app.documents.errors import DocumentError, DocumentUnreadable
from app.documents.formats import OTHER_DOCUMENTS, format_of
from app.documents.readers import read_noted
from app.model.task import Document

FILE_BYTES_MAX = 64 << 20
FILES_MAX = 200_000
FOLDER_BYTES_MAX = 8 << 30
DEPTH_MAX = 64
TEXTS_BYTES_MAX = 64 << 20  # of a folder that is read whole, to be sent along
#: Folders of caches and of other people's packages.
PROGRAMS_OWN = frozenset(("node_modules", "__pycache__", "bower_components", "site-packages"))
#: A file changed so shortly before it was read may change again within the same tick of its clock.
TICK_NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that was left out, and why, in a few words."""

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A document of a folder as its listing has it; `stamp` changes when the file does."""

    name: str
    path: Path
    size: int
    stamp: str


@dataclass(slots=True)
class Listing:
    """The documents of a folder by name, those left out, and how many files of which other kinds there are."""

    entries: list[Entry] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    others: Counter[str] = field(default_factory=Counter)


@dataclass(slots=True)
class Texts:
    """The documents of a folder, read; `notes` says what was read with some doubt."""

    documents: list[Document] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    notes: list[Skipped] = field(default_factory=list)


def list_folder(path: Path) -> Listing:
    """
    The documents below `path` without reading them, ordered by name: the path relative to the folder, with slashes.

    Raises `DocumentError` when it is no folder or too large, `DocumentUnreadable` when it cannot be listed.
    """
    root = Path(path)
    if not root.is_dir():
        raise DocumentError(f"{str(path)!r} is not a folder.")
    listing = Listing()
    inside = root.resolve()
    size = 0
    for item in _files(root, listing):
        entry = _entry(item, root, inside, listing)
        if entry is None:
            continue
        listing.entries.append(entry)
        size += entry.size
        if len(listing.entries) > FILES_MAX:
            raise DocumentError(f"The folder {str(path)!r} holds more than {FILES_MAX} documents.")
        if size > FOLDER_BYTES_MAX:
            raise DocumentError(
                f"The documents in {str(path)!r} are larger than {FOLDER_BYTES_MAX >> 20} MiB together."
            )
    listing.entries.sort(key=lambda entry: entry.name)
    return listing


def read_entry(entry: Entry) -> bytes:
    """The file's content; raises `DocumentError`, or `DocumentUnreadable` where another attempt may succeed."""
    try:
        with entry.path.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, PermissionError) as error:
        raise DocumentError(f"{entry.name!r} cannot be read: {error.strerror}.") from error
    except OSError as error:
        raise DocumentUnreadable(f"{str(entry.path)!r} cannot be read: {error.strerror}.") from error
    if len(content) > FILE_BYTES_MAX:
        raise DocumentError(f"{entry.name!r} is larger than {FILE_BYTES_MAX >> 20} MiB.")
    return content


def read_folder(path: Path) -> Texts:
    """
    All documents below `path`, to be sent along with a task.

    Raises `DocumentError` when none can be read or they are too large together.
    """
    listing = list_folder(path)
    texts = Texts(skipped=list(listing.skipped))
    left = TEXTS_BYTES_MAX
    for entry in listing.entries:
        try:
            document, note = read_noted(entry.name, read_entry(entry))
        except DocumentUnreadable:
            raise
        except DocumentError as error:
            texts.skipped.append(Skipped(entry.name, reason_of(entry.name, error)))
            continue
        left -= len(document.text)
        if left < 0:
            raise DocumentError(f"The texts in {str(path)!r} are larger than {TEXTS_BYTES_MAX >> 20} MiB together.")
        texts.documents.append(document)
        texts.notes += [Skipped(entry.name, note)] if note else []
    if not texts.documents:
        raise nothing_in(path, listing, texts.skipped)
    return texts


def nothing_in(path: Path, listing: Listing, skipped: list[Skipped]) -> DocumentError:
    """Why a folder gives no document at all."""
    if skipped:
        first = f"{skipped[0].name!r} {skipped[0].reason}"
        return DocumentError(f"No document in {str(path)!r} can be read: {first}{_more(len(skipped) - 1)}.")
    others = ", ".join(f"{count} {kind}" for kind, count in listing.others.most_common(5))
    found = f"; it has other files: {others}" if others else ""
    return DocumentError(f"The folder {str(path)!r} holds no document (Markdown, text, HTML, PDF, code){found}.")


def reason_of(name: str, error: DocumentError) -> str:
    """What is wrong with the document, without its name in front."""
    return str(error).removeprefix(f"{name!r} ").rstrip(".")


def _more(count: int) -> str:
    return f", and {count} more" if count > 0 else ""


def _files(root: Path, listing: Listing) -> Iterator[os.DirEntry[str]]:
    """Every file below the root, folder by folder; nothing is followed, so this ends."""
    folders: list[tuple[str, int]] = [(str(root), 0)]
    while folders:
        folder, depth = folders.pop()
        try:
            with os.scandir(folder) as items:
                found = sorted(items, key=lambda item: item.name)
        except OSError as error:
            if depth == 0:
                raise DocumentUnreadable(f"{folder!r} cannot be read: {error.strerror}.") from error
            listing.skipped.append(Skipped(_name(folder, root), f"cannot be listed: {error.strerror}"))
            continue
        for item in found:
            if item.name.startswith(".") or item.name in PROGRAMS_OWN:
                continue
            if not item.is_dir(follow_symlinks=False):
                yield item
            elif depth == DEPTH_MAX:
                listing.skipped.append(Skipped(_name(item.path, root), f"lies more than {DEPTH_MAX} folders deep"))
            else:
                folders.append((item.path, depth + 1))


def _entry(item: os.DirEntry[str], root: Path, inside: Path, listing: Listing) -> Entry | None:
    name = _name(item.path, root)
    reason = _left_out(item, inside)
    if reason is None:
        return None if item.name.startswith(".") else _stamped(item, name, listing)
    if reason:
        listing.skipped.append(Skipped(name, reason))
    else:
        listing.others[Path(item.name).suffix.lower()[:20] or "without suffix"] += 1
    return None


def _left_out(item: os.DirEntry[str], inside: Path) -> str | None:
    """Why a file is no document of the folder: in words, or empty for other kinds; `None` when it is one."""
    if item.is_symlink() and (item.is_dir() or not Path(item.path).resolve().is_relative_to(inside)):
        return "is a link to a folder" if item.is_dir() else "is a link that leads out of the folder"
    if format_of(item.name) is None:
        suffix = os.path.splitext(item.name)[1].lower()  # noqa: PTH122  # as in _name
        return f"is of a kind that nothing here reads ({suffix})" if suffix in OTHER_DOCUMENTS else ""
    if not item.is_file():
        return "is no regular file"
    return None


def _stamped(item: os.DirEntry[str], name: str, listing: Listing) -> Entry | None:
    try:
        name.encode()
        found = item.stat()
    except UnicodeEncodeError:
        listing.skipped.append(Skipped(repr(os.fsencode(name))[2:-1], "has a name that is not UTF-8"))
        return None
    except OSError as error:
        listing.skipped.append(Skipped(name, f"cannot be read: {error.strerror}"))
        return None
    if not stat.S_ISREG(found.st_mode) or found.st_size > FILE_BYTES_MAX:
        listing.skipped.append(Skipped(name, f"is larger than {FILE_BYTES_MAX >> 20} MiB"))
        return None
    return Entry(name, Path(item.path), found.st_size, stamp_of(found, time.time_ns()))


def stamp_of(found: os.stat_result, now_ns: int) -> str:
    """Names one state of a file; of one that changed a moment ago every call gives another name."""
    settled = now_ns - max(found.st_mtime_ns, found.st_ctime_ns) >= TICK_NS
    return f"{found.st_size}-{found.st_mtime_ns}-{found.st_ctime_ns}{'' if settled else f'-{now_ns}'}"


def _name(path: str, root: Path) -> str:
    # By hand: for a hundred thousand files the objects of pathlib take longer than the disk.
    return path[len(str(root)) :].strip(os.sep).replace(os.sep, "/")
