"""
Runs what is meant to exhaust a process, in a process of its own whose processor time and memory are limited.

Prints the name of each document that was borne; the system ends it when one was not.
"""

import asyncio
import resource
import sys
import tempfile
import zlib
from pathlib import Path

from app.documents.errors import DocumentError
from app.documents.folder import read_folder
from app.documents.readers import read
from app.model.task import Document
from tests.hostile.corpus import HONEST, QUESTION, bombs
from tests.hostile.reading import check_markdown
from tests.unit.agents.conftest import Bench, Step

CPU_S_MAX = 150
MEMORY_BYTES_MAX = 3 << 30  # of addresses; a process of ours that does nothing has a fifth of it
FILE_BYTES = 50 << 20
ZIP_BOMB_BYTES = 1 << 30
CHAIN: list[Step] = [("retriever", QUESTION, []), ("analyzer", QUESTION, [1]), ("writer", QUESTION, [2])]


def main() -> None:
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S_MAX, CPU_S_MAX))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES_MAX, MEMORY_BYTES_MAX))
    with tempfile.TemporaryDirectory() as folder:
        for name, text in bombs():
            asyncio.run(report(Path(folder) / "cache", [Document(name=name, text=text)]))
            told(name)
        duplicates = [Document(name=f"copy-{number}.md", text=HONEST) for number in range(2_000)]
        asyncio.run(report(Path(folder) / "cache", duplicates))
        told("duplicates")
        large_file(Path(folder) / "large")
        refused(Path(folder) / "cache")


def told(name: str) -> None:
    sys.stdout.write(f"{name}\n")
    sys.stdout.flush()


async def report(cache: Path, documents: list[Document]) -> None:
    """The whole chain, and the report as a browser would see it."""
    documents = [*documents, Document(name="honest.md", text=HONEST)]
    output = await Bench(cache).plan(QUESTION, documents, CHAIN)
    assert isinstance(output.data, dict)
    check_markdown(str(output.text), output.data["sources"], {document.name: document.text for document in documents})


def large_file(folder: Path) -> None:
    """Read or refused in a sentence, beside a good one that is read."""
    folder.mkdir()
    (folder / "large.md").write_bytes(b"Retries have a delay of 8 seconds.\n" * (FILE_BYTES // 35))
    (folder / "honest.md").write_text(HONEST)
    assert "honest.md" in {document.name for document in read_folder(folder).documents}
    told("large.md")


def refused(cache: Path) -> None:
    """What is no text is no document: an error in a sentence, or text that harms nobody."""
    page = zlib.compress(b"BT (retries) Tj ET\n" + bytes(ZIP_BOMB_BYTES))
    noise = bytes(range(256)) * 4_000
    for name, content in (
        ("bomb.pdf", pdf_with(page)),
        ("noise.md", noise),
        ("noise.html", noise),
        ("half.pdf", b"%PDF-1.7"),
    ):
        try:
            documents = [read(name, content)]
        except DocumentError:
            documents = []
        asyncio.run(report(cache, documents))
        told(name)


def pdf_with(page: bytes) -> bytes:
    """A PDF of one page with this compressed content."""
    objects = [
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]/Contents 4 0 R>>",
        b"<</Filter/FlateDecode/Length %d>>stream\n%s\nendstream" % (len(page), page),
    ]
    body, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, start=1):
        places.append(len(body))
        body += b"%d 0 obj%s endobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    count = len(objects) + 1
    tail = b"xref\n0 %d\n0000000000 65535 f \n%strailer<</Root 1 0 R/Size %d>>\nstartxref\n%d\n%%%%EOF\n"
    return body + tail % (count, table, count, len(body))


if __name__ == "__main__":
    sys.exit(main())
