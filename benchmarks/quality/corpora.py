"""
Three sets of real documents that nobody wrote for this project.

    readmes  the descriptions of the packages pinned in constraints.txt, from their installed metadata
    python   Python's documentation as Debian packages it: references as reStructuredText, the rest as HTML
    topics   the help topics that come with Python itself
"""

import html
import pydoc_data.topics
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
CACHE = ROOT / ".stepstream" / "quality"
DOC_PACKAGE, DOC_VERSION = "python3.11-doc", "3.11.2-6+deb12u9"
DOC_SHA256 = "5b3594189d6ef9a6963ce0347fd307a1cc67620ad697e144db366070e2e146be"
DOC_FOLDER = Path("usr/share/doc/python3.11/html")
AS_SOURCE = ("library", "reference", "using")
AS_SOURCE_FILES = ("glossary.rst", "license.rst")
AS_HTML = ("tutorial", "faq", "howto", "installing")
README_CHARS_MIN = 200

BODY = re.compile(r'<div class="body" role="main">(.*?)<div class="clearer">', re.DOTALL)
NO_TEXT = re.compile(r"<(script|style)\b.*?</\1>|<[^<>]*>", re.DOTALL)


@dataclass(frozen=True, slots=True)
class RawDocument:
    """A document as it is found: what a reader of the program is given."""

    name: str
    content: bytes
    media_type: str

    @property
    def plain(self) -> str:
        """Its text without the help of the program under test."""
        text = self.content.decode("utf-8", "replace")
        if self.media_type != "text/html":
            return text
        body = BODY.search(text)
        return html.unescape(NO_TEXT.sub("", body[1] if body else text))


class NotHere(Exception):
    """A set of documents cannot be had on this machine; the text says why."""


@cache
def corpus(name: str) -> dict[str, RawDocument]:
    """The documents by name, in order. Raises `NotHere`."""
    documents = {"readmes": _readmes, "python": _python, "topics": _topics}[name]()
    return {document.name: document for document in sorted(documents, key=lambda document: document.name)}


def _readmes() -> Iterator[RawDocument]:
    for line in (ROOT / "benchmarks/quality/data/readmes.txt").read_text().splitlines():
        name = line.partition("==")[0]
        try:
            text = str(distribution(name).metadata.json.get("description", ""))
        except PackageNotFoundError as error:
            raise NotHere(f"The package {name} is not installed: make setup.") from error
        yield RawDocument(f"{name.lower()}.md", text.encode(), "text/markdown")


def _topics() -> Iterator[RawDocument]:
    for name, text in pydoc_data.topics.topics.items():
        yield RawDocument(f"{name}.txt", text.encode(), "text/plain")


def _python() -> Iterator[RawDocument]:
    folder = _unpacked() / DOC_FOLDER
    sources = [folder / "_sources" / f"{name}.txt" for name in AS_SOURCE_FILES]
    for part in AS_SOURCE:
        sources += (folder / "_sources" / part).rglob("*.rst.txt")
    for path in sources:
        name = path.relative_to(folder / "_sources").as_posix().removesuffix(".txt")
        yield RawDocument(name, path.read_bytes(), "text/x-rst")
    for path in (path for part in AS_HTML for path in (folder / part).rglob("*.html")):
        yield RawDocument(path.relative_to(folder).as_posix(), path.read_bytes(), "text/html")


def _unpacked() -> Path:
    """The package, fetched once and unpacked without installing it."""
    folder = CACHE / f"{DOC_PACKAGE}-{DOC_VERSION}"
    if not (folder / DOC_FOLDER).is_dir():
        CACHE.mkdir(parents=True, exist_ok=True)
        _fetch()
        archive = max(CACHE.glob(f"{DOC_PACKAGE}_*.deb"), key=lambda path: path.stat().st_mtime)
        if sha256(archive.read_bytes()).hexdigest() != DOC_SHA256:
            print(f"note: {archive.name} is not the {DOC_VERSION} that the questions were written for", file=sys.stderr)
        _run("dpkg", "-x", archive.name, folder.name)
    return folder


def _fetch() -> None:
    """The pinned version, or, when the archive has dropped it, the one that replaced it."""
    try:
        _run("apt-get", "download", f"{DOC_PACKAGE}={DOC_VERSION}")
    except NotHere:
        _run("apt-get", "download", DOC_PACKAGE)


def _run(*command: str) -> None:
    try:
        done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=False)
    except OSError as error:
        raise NotHere(f"Python's documentation cannot be fetched: {error}.") from error
    if done.returncode:
        raise NotHere(f"Python's documentation cannot be fetched: {done.stderr.strip().splitlines()[-1]}.")
