"""One document, whatever its format and encoding, as text."""

import pytest

from app.documents.errors import DocumentError, UnknownFormat
from app.documents.formats import Format, format_of, is_code, stem_of
from app.documents.readers import read, read_noted, reread
from app.model.task import Document


@pytest.mark.parametrize(
    ("name", "media_type", "expected"),
    [
        ("a/b.MD", None, Format.MARKDOWN),
        ("README", None, Format.TEXT),
        ("Makefile", None, Format.CODE),
        ("x.py", "text/plain; charset=utf-8", Format.CODE),
        ("notes", "text/plain", Format.TEXT),
        ("page.php", "text/html; charset=utf-8", Format.HTML),
        ("https://host/paper.pdf?download=1", None, Format.PDF),
        ("https://host/", "application/xhtml+xml", Format.HTML),
        ("https://host/x", "text/x-unheard-of", Format.TEXT),
        ("https://host/x.md", "application/octet-stream", Format.MARKDOWN),
        ("x.docx", None, None),
        ("x.md", "image/png", None),
        ("data", "text/csv", None),
        ("x", None, None),
    ],
)
def test_the_format_is_that_of_the_media_type_or_the_name(
    name: str, media_type: str | None, expected: Format | None
) -> None:
    """A server that says nothing definite leaves it to the name."""
    assert format_of(name, media_type) == expected


def test_only_prose_loses_its_suffix_and_only_files_are_code() -> None:
    """`http.py` and `http.md` stay apart; what an address serves is marked up by the reader."""
    assert [stem_of(name) for name in ("a/http.md", "a/http.py", "v1.2", ".md")] == ["http", "http.py", "v1.2", ".md"]
    assert is_code("src/a.rs")
    assert not is_code("https://host/a.rs")


@pytest.mark.parametrize(
    ("content", "text", "note"),
    [
        (b"\xef\xbb\xbf# Title", "# Title", ""),
        ("\ufeffgr\u00fcn".encode("utf-16-le"), "gr\u00fcn", ""),
        ("\ufeffgr\u00fcn".encode("utf-16-be"), "gr\u00fcn", ""),
        ("\ufeffgr\u00fcn".encode("utf-32-le"), "gr\u00fcn", ""),
        ("gr\u00fcn".encode(), "gr\u00fcn", ""),
        (b"caf\xe9 \x96 10 \x80", "caf\u00e9 \u2013 10 \u20ac", "Windows-1252"),
        ("gr\u00fcn, sch\u00f6n \u2013 ".encode() + b"\xff.", "gr\u00fcn, sch\u00f6n \u2013 \ufffd.", "1 places"),
        (b"one\r\ntwo\rthree", "one\ntwo\nthree", ""),
    ],
)
def test_text_is_read_in_the_encoding_it_has(content: bytes, text: str, note: str) -> None:
    """Marks are obeyed, UTF-8 is recognised, what is neither is said to be in doubt."""
    document, said = read_noted("menu.txt", content)

    assert document.text == text
    assert note in said
    assert bool(said) == bool(note)


@pytest.mark.parametrize(
    "content",
    [b"a\x00b", b"\xff\xfea", bytes(range(1, 32)) * 50, b"\x00\xff"],
    ids=["nul", "half", "control", "binary"],
)
def test_what_is_no_text_is_an_error_that_names_it(content: bytes) -> None:
    """Whatever its suffix says."""
    with pytest.raises(DocumentError, match=r"^'menu\.txt' is not .*text"):
        read("menu.txt", content)


def test_a_kind_that_nothing_reads_is_an_error_that_names_it() -> None:
    """With the media type that a server gave."""
    with pytest.raises(UnknownFormat, match=r"^'a\.docx' is of a kind"):
        read("a.docx", b"PK")
    with pytest.raises(UnknownFormat, match=r"nothing here reads \(image/png\)"):
        read("https://host/a", b"\x89PNG", "image/png")


def test_a_charset_comes_from_the_server_or_from_the_page_itself() -> None:
    """The server's word goes before the page's; one that does not fit the bytes is passed over."""
    page = '<meta charset="iso-8859-2"><p>\u0142\u00f3d\u017a</p>'

    assert read("a.html", page.encode("iso-8859-2")).text == "\u0142\u00f3d\u017a\n"
    assert (
        read("https://h/", "<p>\u0434\u0430</p>".encode("koi8-r"), "text/html; charset=KOI8-R").text == "\u0434\u0430\n"
    )
    assert read("https://h/", "<p>gr\u00fcn</p>".encode(), "text/html; charset=nonsense").text == "gr\u00fcn\n"
    assert read("https://h/", "<p>gr\u00fcn</p>".encode(), "text/html; charset=hex").text == "gr\u00fcn\n"


def test_code_from_an_address_is_fenced() -> None:
    """Its name is an address, so nothing else tells that no line of it is prose."""
    text = read("https://host/a.py", b"# ```\nrun()\n", "text/plain").text

    assert text.startswith("```\n# ` ` `\nrun()")
    assert read("a.py", b"run()\n").text == "run()\n"


def test_an_upload_named_html_is_converted_once() -> None:
    """One that was converted before, by the command line say, begins with no tag."""
    page = Document(name="a.html", text="\n<!doctype html><h1>Title</h1><p>Text.</p>")

    assert reread(page).text == "# Title\n\nText.\n"
    assert reread(reread(page)) == reread(page)
    assert reread(Document(name="a.md", text="<b>x</b>")).text == "<b>x</b>"
