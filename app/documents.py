"""
Reads a folder of texts: the collections of a server, and what the command line uploads.

Markdown, plain text and reStructuredText files count, in every subfolder; other files and hidden ones
are passed over. A file that looks like text and is not is an error, because a report that silently
lacks a document is wrong in a way nobody sees.
"""

import os
from collections.abc import Iterator
from pathlib import Path

from app.model.task import Document

TEXT_SUFFIXES = frozenset({".md", ".markdown", ".txt", ".rst"})
FILE_BYTES_MAX = 4 << 20
FILES_MAX = 5_000
FOLDER_BYTES_MAX = 64 << 20


class DocumentError(ValueError):
    """A folder or file that cannot be used as it is; the text is one sentence naming it."""


class DocumentUnreadable(DocumentError):
    """The system refused to read a file; another attempt may find it readable."""


def read_folder(path: Path) -> list[Document]:
    """
    The texts below `path`, ordered by name; a name is the path relative to the folder, with slashes.

    Raises `DocumentError` when there are none, too many, or one is too large or not UTF-8.
    """
    root = Path(path)
    if not root.is_dir():
        raise DocumentError(f"{str(path)!r} is not a folder.")
    files = sorted(_text_files(root), key=lambda file: file.relative_to(root).as_posix())
    if not files:
        raise DocumentError(f"The folder {str(path)!r} holds no Markdown, text or reStructuredText file.")
    documents: list[Document] = []
    bytes_left = FOLDER_BYTES_MAX
    for file in files:
        content = _content(file)
        bytes_left -= len(content)
        if bytes_left < 0:
            raise DocumentError(f"The texts in {str(path)!r} are larger than {FOLDER_BYTES_MAX >> 20} MiB together.")
        documents.append(Document(name=file.relative_to(root).as_posix(), text=_decoded(file, content)))
    return documents


def _text_files(root: Path) -> Iterator[Path]:
    found = 0
    inside = root.resolve()
    for folder, folders, names in os.walk(root, onerror=_refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            file = Path(folder, name)
            if not _is_text(file, inside):
                continue
            found += 1
            if found > FILES_MAX:
                raise DocumentError(f"The folder {str(root)!r} holds more than {FILES_MAX} texts.")
            yield file


def _is_text(file: Path, inside: Path) -> bool:
    if file.name.startswith(".") or file.suffix.lower() not in TEXT_SUFFIXES or not file.is_file():
        return False
    # A link may point to another file of the folder; one that leads out of it is not followed.
    return not file.is_symlink() or file.resolve().is_relative_to(inside)


def _content(file: Path) -> bytes:
    try:
        with file.open("rb") as stream:
            content = stream.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise DocumentUnreadable(f"{str(file)!r} cannot be read: {error.strerror}.") from error
    if len(content) > FILE_BYTES_MAX:
        raise DocumentError(f"{str(file)!r} is larger than {FILE_BYTES_MAX >> 20} MiB.")
    return content


def _decoded(file: Path, content: bytes) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentError(f"{str(file)!r} is not UTF-8 text (byte {error.start}).") from error
    # NUL is valid UTF-8, yet only binary files have it.
    if "\0" in text:
        raise DocumentError(f"{str(file)!r} is not text: it contains NUL bytes.")
    return text


def _refuse(error: OSError) -> None:
    raise DocumentUnreadable(f"{error.filename!r} cannot be read: {error.strerror}.") from error
