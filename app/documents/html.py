"""
HTML to text that reads like Markdown: headings, paragraphs, lists, tables, code; no scripts, menus or footers.

The parser of browsers (html5ever, in `nh3`) makes a clean tree of whatever the page is; this module walks it once.
Which blocks belong to the page's content is decided at the end (`app/documents/html_blocks.py`).
"""

import html
import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path

import nh3

from app.documents.apart import run_apart
from app.documents.formats import word_set
from app.documents.html_blocks import Block, is_boilerplate, is_main, page_text
from app.documents.html_tables import Table

#: The parser's time grows with length times depth; no page that people read nests like this.
DEPTH_MAX = 500
#: It grows with the square of a tag's attributes as well, and no cheap look at a page tells how it will be parsed: a
#: longer one has a process of its own. At this length the worst takes about a second.
PARSED_HERE_CHARS_MAX = 128 << 10
CPU_S_MAX = 20  # what 16 Mi characters that people wrote take, and ten times that
CHILD = Path(__file__).with_name("html_child.py")
#: Levels of lists and quotations that a line shows: with all of them a page would become hundreds of times its size.
LEVELS_MAX = 10

HEADINGS = {f"h{level}": level for level in range(1, 7)}
BLOCKS = word_set(
    """address article aside blockquote body center dd details div dl dt fieldset figcaption figure footer form header
    hr li main nav ol p section summary ul"""
)
INLINE = word_set("a abbr b br code em i kbd q s samp small span strong sub sup tt u var")
KEPT = BLOCKS | INLINE | frozenset(HEADINGS) | word_set("pre table thead tbody tfoot tr td th caption title")
DROPPED = word_set(
    """applet audio button canvas datalist dialog embed iframe map math noscript object script select style svg
    template textarea video"""
)
ATTRIBUTES = ["class", "id", "role", "hidden"]
CODE = frozenset(("code", "kbd", "samp", "tt"))
VOID = frozenset(("br", "hr"))
NESTED = re.compile(r"<(/?)([a-z][a-z0-9]*)", re.IGNORECASE)
#: Tags that need no closing tag, so that many of them say nothing about depth.
FLAT = word_set(
    "area base br col dd dt embed hr img input li link meta option p param source tbody td tfoot th thead tr wbr"
)
MARKUP_START = re.compile(r"(#{1,6}(?=\s|$)|[-+*>|](?=\s|$)|[=~^-]{3,}|\.\.(?=\s|$)|>>>|```)|(\d{1,3})(?=[.)]\s)")
LANGUAGE = re.compile(r"(?:language|lang|highlight|brush:?)[-_ ]?(\w{1,20})")
FENCE = re.compile(r"`{3,}")


def html_to_text(page: str) -> str:
    """
    The readable part of a page, its title on top.

    Raises `TakesTooMuch` where a page costs its parser more than `CPU_S_MAX` or a gigabyte, and `OSError` where there
    is no process for a large one.
    """
    if _depth(page) > DEPTH_MAX:
        return " ".join(html.unescape(re.sub(r"<[^<>]*>", " ", page)).split())
    walker = _Walker()
    walker.feed(_cleaned(page))
    walker.close()
    walker.end_block()
    return page_text(walker.title, walker.blocks)


def _cleaned(page: str) -> str:
    if len(page) > PARSED_HERE_CHARS_MAX:
        options = {"tags": sorted(KEPT), "clean_content_tags": sorted(DROPPED), "attributes": {"*": ATTRIBUTES}}
        return run_apart(CHILD, page.encode("utf-8", "replace"), json.dumps(options), cpu_s=CPU_S_MAX).decode()
    return nh3.clean(
        page, tags=set(KEPT), clean_content_tags=set(DROPPED), attributes={"*": set(ATTRIBUTES)},
        strip_comments=True, link_rel=None,
    )  # fmt: skip


def _depth(page: str) -> int:
    depth = deepest = 0
    for closing, tag in NESTED.findall(page):
        if tag.lower() not in FLAT:
            depth = max(0, depth - 1) if closing else depth + 1
            deepest = max(deepest, depth)
    return deepest


class _Walker(HTMLParser):
    """Collects the blocks of a well-formed page."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.title = ""
        self.blocks: list[Block] = []
        self.text: list[str] = []  # of the block that is being read
        self.open: list[tuple[str, bool, bool]] = []  # tag, begins the main part, begins boilerplate
        self.main = self.boilerplate = self.quotes = self.code = 0
        self.lists: list[int] = []  # per open list its next number, 0 where it has none
        self.marker = ""
        self.language = ""
        self.tables: list[Table] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in VOID:
            self._void(tag)
            return
        values = {name: value or "" for name, value in attrs}
        main, boilerplate = is_main(tag, values), is_boilerplate(tag, values)
        if tag not in INLINE:
            self.end_block()
        self.open.append((tag, main, boilerplate))
        self.main, self.boilerplate = self.main + main, self.boilerplate + boilerplate
        self._opened(tag, values)

    def _void(self, tag: str) -> None:
        if self._in("pre"):
            self.text.append("\n")
        elif tag == "br":
            self.text.append(" ")
        else:
            self.end_block()

    def _opened(self, tag: str, values: dict[str, str]) -> None:
        if tag in ("ul", "ol"):
            self.lists.append(1 if tag == "ol" else 0)
        elif tag == "li":
            self._begin_item()
        elif tag == "dt":
            self.marker = "- "
        elif tag == "blockquote":
            self.quotes += 1
        elif tag in CODE and not self._in("pre"):
            self.code += 1
            self.text.append("`")
        elif tag == "pre":
            found = LANGUAGE.search(values.get("class", ""))
            self.language = found[1] if found else ""
        elif tag == "table":
            self.tables.append(Table())
        elif self.tables:
            self.tables[-1].opened(tag, len(self.blocks))

    def _begin_item(self) -> None:
        number = self.lists[-1] if self.lists else 0
        if number:
            self.lists[-1] += 1
        self.marker = f"{_indent(len(self.lists) - 1)}{f'{number}.' if number else '-'} "

    def handle_endtag(self, tag: str) -> None:
        if tag in VOID or not self.open:
            return
        closing: dict[str, Callable[[], None]] = {
            "title": self._end_title, "pre": self._end_pre, "table": self._end_table, "dt": self._end_term,
        }  # fmt: skip
        if tag in closing:
            closing[tag]()
        elif tag in HEADINGS:
            self.end_block("#" * HEADINGS[tag] + " ")
        elif tag in CODE and not self._in("pre"):
            self.code -= 1
            self.text.append("`")
        elif tag not in INLINE:
            self.end_block()
        self._leave(tag)

    def _leave(self, tag: str) -> None:
        _, main, boilerplate = self.open.pop()
        self.main, self.boilerplate = self.main - main, self.boilerplate - boilerplate
        if tag in ("ul", "ol"):
            self.lists.pop()
        elif tag == "blockquote":
            self.quotes -= 1
        elif self.tables:
            self.tables[-1].closed(tag, self.blocks)

    def handle_data(self, data: str) -> None:
        if self.boilerplate and self._is_silent():
            return
        # Escaped, so that no text of the page is taken for markup of the result.
        literal = self.code or self._in("pre")
        self.text.append(data.replace("`", "'") if self.code else data if literal else _escaped(data))

    def end_block(self, prefix: str = "") -> None:
        """What was read so far is a paragraph, heading or list item."""
        if self._in("pre"):
            return
        text = " ".join("".join(self.text).replace("``", "").split())
        self.text.clear()
        if not text.strip("`"):
            return
        lead = prefix or self.marker or _indent(len(self.lists))
        tight = bool(self.lists or self.marker) and not prefix
        self.marker = ""
        self._add("> " * min(self.quotes, LEVELS_MAX) + lead + (text if prefix else _guarded(text)), tight=tight)

    def _add(self, text: str, *, tight: bool = False, table: bool = False) -> None:
        self.blocks.append(Block(text, bool(self.main), bool(self.boilerplate), tight, table))

    def _end_title(self) -> None:
        self.title = self.title or " ".join("".join(self.text).split())
        self.text.clear()

    def _end_term(self) -> None:
        # The definition follows on the same line.
        term = " ".join("".join(self.text).split())
        self.text.clear()
        self.marker += f"{term}: " if term else ""

    def _end_pre(self) -> None:
        code = "".join(self.text).strip("\n").rstrip()
        self.text.clear()
        if code.strip():
            longest = max((len(run) for run in FENCE.findall(code)), default=2)
            fence = "`" * (longest + 1)
            self._add(f"{fence}{self.language}\n{code}\n{fence}")

    def _end_table(self) -> None:
        self.end_block()
        table = self.tables.pop()
        if rows := table.rows_if_data():
            del self.blocks[table.start(len(self.blocks)) :]
            self._add(rows, table=True)

    def _is_silent(self) -> bool:
        """Whether this is a sign of the page's machinery within a line of text, such as a link to the heading."""
        return any(boilerplate and tag in INLINE for tag, _, boilerplate in self.open[-6:])

    def _in(self, tag: str) -> bool:
        return any(name == tag for name, _, _ in self.open[-6:])


def _indent(levels: int) -> str:
    return "  " * min(levels, LEVELS_MAX)


def _escaped(text: str) -> str:
    return re.sub(r"<(?=[a-zA-Z/!?])", "&lt;", text) if "<" in text else text


def _guarded(text: str) -> str:
    """A line of prose that begins like markup, with a backslash that says it is none."""
    match = MARKUP_START.match(text)
    if match is None:
        return text
    return f"{match[2]}\\{text[match.end() :]}" if match[2] else f"\\{text}"
