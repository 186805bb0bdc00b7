"""
PDF to text, in a process of its own with limits on memory, time and output (extra `[pdf]`).

A PDF is a program in disguise: a few kilobytes may unpack to gigabytes or make a parser run for ever. So none is
opened in a worker.
"""

import json
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from app.documents.apart import MEMORY_BYTES_MAX, TakesTooMuch, run_apart
from app.documents.errors import DocumentError, DocumentUnreadable

CHARS_MAX = 20_000_000
PAGES_MAX = 10_000
CHILD = Path(__file__).with_name("pdf_child.py")

MISSING = "is a PDF, and this installation reads none: pip install 'stepstream[pdf]'."
REASONS = {
    "missing": MISSING,
    "encrypted": "is a PDF that is locked with a password.",
    "memory": f"is a PDF that needs more than {MEMORY_BYTES_MAX >> 20} MiB of memory to be read.",
    "long": f"is a PDF with more than {CHARS_MAX:,} characters.",
}


def can_read_pdf() -> bool:
    return find_spec("pypdf") is not None


def pdf_to_text(name: str, content: bytes) -> str:
    """
    The text of a PDF: its title and a heading per page, "Page 3", so that citations name the page.

    Raises `DocumentError` when it is damaged, locked or takes too much; takes `apart.WALL_S_MAX` seconds at most.
    """
    if not can_read_pdf():
        raise DocumentError(f"{name!r} {MISSING}")
    head, *pages = _lines(name, _run(name, content))
    if not isinstance(head, dict):
        raise DocumentError(f"{name!r} is a PDF that cannot be read.")
    shown = [f"# {' '.join(str(head['title']).split())}\n"] if head.get("title") else []
    shown += [f"## Page {number}\n\n{page}\n" for number, page in enumerate(map(_cleaned, pages), start=1) if page]
    if not any(map(_cleaned, pages)):
        raise DocumentError(f"{name!r} is a PDF without text, perhaps of scanned pages.")
    return "\n".join(shown)


def _run(name: str, content: bytes) -> bytes:
    try:
        return run_apart(CHILD, content, str(CHARS_MAX), str(PAGES_MAX))
    except TakesTooMuch as error:
        raise DocumentError(f"{name!r} is a PDF that takes too much time or memory to be read.") from error
    except OSError as error:
        raise DocumentUnreadable(f"{name!r} cannot be read: no process for it ({error.strerror}).") from error


def _lines(name: str, output: bytes) -> Iterator[object]:
    for line in output.splitlines() or [b"null"]:
        value: object = json.loads(line)
        if isinstance(value, dict) and "error" in value:
            reason = str(value["error"])
            raise DocumentError(f"{name!r} {REASONS.get(reason, f'is a PDF that cannot be read ({reason}).')}")
        yield value


def _cleaned(page: object) -> str:
    """Without what no text has: halves of characters, NUL and form feeds."""
    text = str(page).encode("utf-8", "replace").decode().replace("\0", "").replace("\f", "\n")
    return "\n".join(line.rstrip() for line in text.splitlines()).strip()
