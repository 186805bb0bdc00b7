"""What a browser or a careful reader would make of a report; it fails where that is more than quotations."""

import json
import re
import unicodedata
from html.parser import HTMLParser
from typing import Any

from markdown_it import MarkdownIt

from actors.tools.text.words import word_set

MARK = re.compile(r"(?<![\\\w])\[(\d+)\](?!\()")
SOURCE = re.compile(r"^- \[(\d+)\] ", re.MULTILINE)
HARMLESS_TAGS = word_set(
    """html head meta title style body main header footer nav section article div span h1 h2 h3 h4 h5 h6 p ul ol li a
    strong em code pre blockquote br hr table thead tbody tr th td sup sub del s dl dt dd"""
)
HARMLESS_ATTRIBUTES = word_set("href rel title id class lang charset name content start http-equiv")
LANGUAGE = MarkdownIt("commonmark", {"html": True}).enable("table")


def check_markdown(report: str, sources: list[dict[str, Any]], documents: dict[str, str]) -> None:
    """Only our own structure, only listed numbers, each source a real piece of its document."""
    check_characters(report)
    check_structure(report, {source["uri"] for source in sources})
    check_numbers(report, sources)
    check_sources(sources, documents)


def check_characters(text: str) -> None:
    """Nothing that a terminal obeys, that turns text around or that nobody sees."""
    bad = {char for char in text if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Co", "Cs", "Zl", "Zp")}
    assert not bad, sorted(f"U+{ord(char):04X}" for char in bad)


def check_structure(report: str, pages: set[str]) -> None:
    """No HTML, no picture, no link but to a source that is a page, and the headings of a report, each once."""
    titles: list[str] = []
    in_sources = False
    tokens = LANGUAGE.parse(report)
    for at, token in enumerate(tokens):
        assert token.type != "html_block", token.content[:200]
        for inline in token.children or []:
            assert inline.type not in ("html_inline", "image"), inline.content[:200]
            if inline.type == "link_open":
                assert in_sources, inline.attrs
                assert inline.attrs["href"] in pages, inline.attrs
        if token.type == "heading_open" and token.tag in ("h1", "h2"):
            titles.append(f"{token.tag} {tokens[at + 1].content}")
            in_sources = titles[-1] == "h2 Sources"
    assert len(set(titles)) == len(titles), titles
    assert [title[:2] for title in titles].count("h1") == 1, titles
    assert titles[-1] == "h2 Sources" or "h2 Sources" not in titles, titles


def check_numbers(report: str, sources: list[dict[str, Any]]) -> None:
    """Every mark is a source's number, every source is listed once, and listed by us."""
    body, _, listed = report.rpartition("\n## Sources\n")
    numbers = [source["number"] for source in sources]
    assert numbers == list(range(1, len(numbers) + 1))
    assert [int(number) for number in SOURCE.findall(listed)] == numbers
    assert {int(number) for number in MARK.findall(body)} == set(numbers)


def check_sources(sources: list[dict[str, Any]], documents: dict[str, str]) -> None:
    """The document is the task's and its quotations stand in it."""
    for source in sources:
        text = " ".join(documents[source["uri"]].split())
        for quote in source["quotes"]:
            assert " ".join(quote["quote"].split()) in text


def check_json(text: str) -> Any:
    """Data, without a character that a terminal obeys."""
    check_characters(text)
    return json.loads(text)


class _Page(HTMLParser):
    """Fails at whatever runs, loads or leads anywhere."""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in HARMLESS_TAGS, tag
        for name, value in attrs:
            assert name in HARMLESS_ATTRIBUTES, (tag, name)
            if name == "href":
                assert str(value).startswith(("#", "https://", "http://")), value

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)


def check_html(text: str) -> None:
    """A page without active content."""
    check_characters(text)
    page = _Page(convert_charrefs=True)
    page.feed(text)
    page.close()
    assert not re.search(r"<meta[^>]*refresh", text, re.IGNORECASE)
