"""PDFs are read in a process with limits, page by page."""

import pytest

from app.documents import pdf as module
from app.documents.errors import DocumentError
from app.documents.readers import read
from tests.unit.documents.pdf import bomb, endless, pdf


def test_a_pdf_is_its_title_and_its_pages() -> None:
    """Each page under a heading, so that a citation can name it."""
    text = read("paper.pdf", pdf("The first page.", "", "The third page.", title="On Pages")).text

    assert text == "# On Pages\n\n## Page 1\n\nThe first page.\n\n## Page 3\n\nThe third page.\n"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "cannot be read"),
        (b"%PDF-1.4 rubbish", "cannot be read"),
        (pdf("", ""), "without text"),
        (endless(), "cannot be read"),
    ],
    ids=["empty", "rubbish", "scan", "endless"],
)
def test_a_pdf_that_gives_nothing_is_an_error_that_names_it(content: bytes, words: str) -> None:
    """Damaged, without text, or a circle."""
    with pytest.raises(DocumentError, match=rf"^'paper\.pdf' is a PDF .*{words}"):
        read("paper.pdf", content)


def test_a_pdf_that_unpacks_to_gigabytes_harms_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process that opened it meets its limit; the worker goes on."""
    monkeypatch.setattr(module, "MEMORY_BYTES_MAX", 150 << 20)

    with pytest.raises(DocumentError, match=r"^'bomb\.pdf' is a PDF"):
        read("bomb.pdf", bomb(60 << 20))


def test_a_pdf_with_endless_text_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """More characters than a document may have are an error."""
    monkeypatch.setattr(module, "CHARS_MAX", 20)

    with pytest.raises(DocumentError, match=r"more than \d+.* characters"):
        read("long.pdf", pdf("twelve chars", "twelve chars"))


def test_without_the_extra_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """One command."""
    monkeypatch.setattr(module, "can_read_pdf", lambda: False)

    with pytest.raises(DocumentError, match=r"pip install 'stepstream\[pdf\]'"):
        read("paper.pdf", pdf("Text"))
