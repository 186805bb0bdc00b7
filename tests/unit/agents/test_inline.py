"""Foreign text inside our own Markdown stays text."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from actors.tools.text.inline import escape, escape_line, plain, shorten

# Tables and strikethrough as on code hosts, raw HTML let through: the worst viewer a report may meet.
VIEWER = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])
TAGS = re.compile(r"</?([a-zA-Z][\w-]*)")

NASTY = st.sampled_from(
    ["<script>", "</p>", "[a](javascript:x)", "![i](http://x)", "**", "`", "``", "_", "__x__", "# ", "- ", "1. ", "| ",
     "\n", "\n\n", "[1]: http://evil", "<http://evil>", "&lt;", "&#60;", "\\", "~~", ">", "***", "\u202e", "\x1b[31m",
     "\0", "a", " ", "http://evil.example", "=", "+", "[^1]", "<!--", "word", "\\`", "|-|"]
)  # fmt: skip


@given(st.lists(NASTY, max_size=30).map("".join) | st.text(max_size=200))
def test_no_text_adds_structure_to_a_report(text: str) -> None:
    """Within a list item only paragraphs and code spans come out, whatever went in."""
    line = escape_line(plain(text))

    tags = set(TAGS.findall(VIEWER.render(f"- {line} [1]\n")))

    assert tags <= {"ul", "li", "code"}
    assert "\n" not in line


@given(st.lists(NASTY, max_size=30).map("".join) | st.text(max_size=200))
def test_a_heading_and_a_table_cell_stay_one(text: str) -> None:
    """The same inside a heading and inside a table."""
    cell = escape(text)

    assert set(TAGS.findall(VIEWER.render(f"# x {cell}\n"))) <= {"h1", "code"}
    assert VIEWER.render(f"| a | b |\n| --- | --- |\n| {cell} | 2 |\n").count("<td") == 2


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("**Fast** and _small_ [docs](http://x \"t\")", "Fast and small docs"),
        ("[![CI](https://x/y.svg)](https://x) Text", "Text"),
        ("a `b*c*` d", "a `b*c*` d"),
        ("see `the docs <http://x>`_ or asyncio_.", "see the docs or asyncio."),
        ("a <b>bold</b> &amp; List<int>", "a bold & List<int>"),
        ("snake_case_name and 2 * 3 * 4", "snake_case_name and 2 * 3 * 4"),
        ("as shown[1] in [^2] it", "as shown in it"),
        ("red \x1b[31mtext\u202e\u200b here\0", "red [31mtext here"),
    ],
)  # fmt: skip
def test_plain_text_is_what_a_reader_sees(raw: str, expected: str) -> None:
    """Markup, badges, footnote marks and control characters go; code and names stay."""
    assert plain(raw) == expected


def test_ordinary_prose_needs_no_backslashes() -> None:
    """A report is read raw in a terminal as often as rendered."""
    text = "redis-py 5.0 retries `GET` calls (up to 3 times), e.g. snake_case = 1; it's 100% fine!"

    assert escape_line(text) == text


def test_an_address_is_shown_and_is_no_link() -> None:
    """Viewers make links of bare addresses, not of code."""
    assert escape("at https://x.example/a_b, or me@x.example.") == "at `https://x.example/a_b`, or `me@x.example`."


def test_shortening_keeps_whole_words() -> None:
    """And marks the cut."""
    assert shorten("alpha beta gamma", 12) == "alpha beta…"
    assert shorten("short", 12) == "short"
