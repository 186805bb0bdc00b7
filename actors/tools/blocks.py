"""
Finds the blocks of a text: headings, prose, list items, code, tables, and what is none of them.

One scanner for Markdown, reStructuredText and plain text, line by line and linear in the text's length:
documents are often mislabelled, and nothing here needs more than "is this prose". Where the two languages
disagree the doubtful lines count as code, which costs a sentence and never yields a false one.
"""

import re
from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["heading", "prose", "item", "code", "table", "other"]

LINE_CHARS_MAX = 2_000  # patterns look at no more of a line than this
FRONT_MATTER_LINES_MAX = 100

FENCE = re.compile(r"\s*(`{3,}|~{3,})")
ATX = re.compile(r" {0,3}(#{1,6})[ \t]+(.*)")
HTML_HEADING = re.compile(r"\s*<h([1-6])\b[^<>]*>(.*?)</h\1>\s*$", re.IGNORECASE)
UNDERLINE = re.compile(r"([=\-~^\"'`+*#:.])\1{2,}\s*$")
RULE = re.compile(r"\s*([-*_=])(?:[ \t]*\1){2,}\s*$")
ITEM = re.compile(r"(\s*)(?:[-*+\u2022]|\d{1,3}[.)])[ \t]+(?=\S)")
RST_TABLE_RULE = re.compile(r"\s*(?:=+(?:\s+=+)+|\+[-=+]+\+)\s*$")
DIRECTIVE = re.compile(r"\s*\.\.(?:\s|$)")
ADMONITION = re.compile(r"\s*\.\. (?:note|warning|tip|hint|important|caution|danger|attention|admonition|version\w+)::")
LINK_DEFINITION = re.compile(r" {0,3}\[[^\]]{1,200}\]:\s*\S")
RAW_HTML = re.compile(r"\s*<(script|style|pre|svg)\b", re.IGNORECASE)
DOCTEST = re.compile(r"\s*>>> ")


@dataclass(frozen=True, slots=True)
class Block:
    """A run of whole lines, `text[start:end]` without the last line break; `line` counts from 1."""

    kind: Kind
    start: int
    end: int
    line: int
    level: int = 0
    title: str = ""


def scan(text: str) -> list[Block]:
    """The blocks of the text in order; blank lines belong to none."""
    return _Scanner(text).run()


def _indent(line: str) -> int:
    expanded = line[:200].expandtabs(4)
    return len(expanded) - len(expanded.lstrip())


class _Scanner:
    """Walks the lines once; each `_end_of_*` returns the index after its block, or 0 for "not mine"."""

    def __init__(self, text: str) -> None:
        self.raw = text.split("\n")
        self.lines = [line[:LINE_CHARS_MAX] for line in self.raw]
        self.blocks: list[Block] = []
        self.offset = 0
        self.counted = 0
        self.content_indent = 0  # where the text of the list item or directive we are in begins
        self.literal_next = False  # the last paragraph ended with "::"
        self.heading_styles: dict[str, int] = {"=": 1, "-": 2}
        self.marks: dict[str, list[int]] = {}  # lines that contain a closing mark, found once per mark

    def run(self) -> list[Block]:
        at = 0
        while at < len(self.lines):
            at = self._step(at) if self.lines[at].strip() else at + 1
        return self.blocks

    def _step(self, at: int) -> int:
        if end := self._end_of_front_matter(at):
            return self._add("other", at, end)
        if end := self._heading(at):
            return end
        for kind, find_end in self._rules():
            if end := find_end(at):
                return self._add(kind, at, end)
        kind = "item" if ITEM.match(self.lines[at]) else "prose"
        return self._add(kind, at, self._end_of_paragraph(at, kind))

    def _rules(self) -> tuple[tuple[Kind, Callable[[int], int]], ...]:
        return (
            ("code", self._end_of_fence),
            ("code", self._end_of_indented),
            ("other", self._end_of_comment),
            ("code", self._end_of_raw_html),
            ("other", self._end_of_directive),
            ("table", self._end_of_table),
            ("other", lambda at: at + 1 if self._is_marker(at) else 0),
            ("code", lambda at: self._next_blank(at) if DOCTEST.match(self.lines[at]) else 0),
        )

    def _add(self, kind: Kind, at: int, end: int, level: int = 0, title: str = "") -> int:
        start = self._start_of(at)
        length = sum(len(line) + 1 for line in self.raw[at:end]) - 1
        self.blocks.append(Block(kind, start, start + length, at + 1, level, title))
        self._note_context(kind, at, end)
        return end

    def _start_of(self, at: int) -> int:
        while self.counted < at:
            self.offset += len(self.raw[self.counted]) + 1
            self.counted += 1
        return self.offset

    def _note_context(self, kind: Kind, at: int, end: int) -> None:
        if kind == "item" and (marker := ITEM.match(self.lines[at])):
            self.content_indent = _indent(self.lines[at]) + len(marker[0].strip()) + 1
        elif kind == "other" and ADMONITION.match(self.lines[at]):
            self.content_indent = _indent(self.lines[at]) + 3
        elif _indent(self.lines[at]) < self.content_indent:
            self.content_indent = 0
        self.literal_next = kind in ("prose", "item") and self.lines[end - 1].rstrip().endswith("::")

    def _heading(self, at: int) -> int:
        line = self.lines[at]
        if match := ATX.match(line):
            return self._add("heading", at, at + 1, len(match[1]), match[2].strip().rstrip("#").rstrip())
        if match := HTML_HEADING.match(line):
            return self._add("heading", at, at + 1, int(match[1]), match[2])
        overlined = bool(UNDERLINE.match(line)) and self._underlined(at + 1) and at + 2 < len(self.lines)
        title_at = at + 1 if overlined else at
        if not self._underlined(title_at) or UNDERLINE.match(self.lines[title_at]):
            return 0
        style = self.lines[title_at + 1].strip()[0]
        level = self.heading_styles.setdefault(style, len(self.heading_styles) + 1)
        return self._add("heading", at, title_at + 2, level, self.lines[title_at].strip())

    def _underlined(self, at: int) -> bool:
        """Whether the one line `at` has a heading's rule below it; a rule of other signs must be as long."""
        if at + 1 >= len(self.lines):
            return False
        title, rule = self.lines[at], self.lines[at + 1].rstrip()
        if not title.strip() or not UNDERLINE.match(rule) or rule[0] == "`" or _indent(title) >= 4:
            return False
        if ITEM.match(title) or title.lstrip().startswith((">", "|")):
            return False
        return rule[0] in "=-" or len(rule) >= len(title.rstrip())

    def _end_of_fence(self, at: int) -> int:
        match = FENCE.match(self.lines[at])
        if not match:
            return 0
        for index in range(at + 1, len(self.lines)):
            line = self.lines[index].strip()
            if line.startswith(match[1]) and not line.strip(match[1][0]):
                return index + 1
        return len(self.lines)

    def _end_of_indented(self, at: int) -> int:
        indent = _indent(self.lines[at])
        literal = self.literal_next and indent > 0
        nested_item = self.content_indent and ITEM.match(self.lines[at])
        if not literal and (indent < self.content_indent + 4 or nested_item):
            return 0
        end, least = at, 1 if literal else min(indent, self.content_indent + 4)
        for index in range(at, len(self.lines)):
            if self.lines[index].strip() and _indent(self.lines[index]) < least:
                break
            end = index + 1 if self.lines[index].strip() else end
        return end

    def _end_of_comment(self, at: int) -> int:
        return self._line_with("-->", at) if self.lines[at].lstrip().startswith("<!--") else 0

    def _end_of_front_matter(self, at: int) -> int:
        if at or self.lines[0].rstrip() != "---":
            return 0
        ends = (index for index in range(1, min(FRONT_MATTER_LINES_MAX, len(self.lines))) if self._is_dashes(index))
        return next(ends, -1) + 1

    def _is_dashes(self, at: int) -> bool:
        return self.lines[at].rstrip() == "---"

    def _end_of_raw_html(self, at: int) -> int:
        match = RAW_HTML.match(self.lines[at])
        return self._line_with(f"</{match[1].lower()}", at) if match else 0

    def _line_with(self, mark: str, at: int) -> int:
        """After the line that has the mark; without one, after the paragraph, so that no text is swallowed."""
        if mark not in self.marks:
            self.marks[mark] = [index for index, line in enumerate(self.lines) if mark in line.lower()]
        found = bisect_left(self.marks[mark], at)
        return self.marks[mark][found] + 1 if found < len(self.marks[mark]) else self._next_blank(at)

    def _end_of_directive(self, at: int) -> int:
        if not DIRECTIVE.match(self.lines[at]):
            return 0
        if ADMONITION.match(self.lines[at]):
            return at + 1
        indent, end = _indent(self.lines[at]), at + 1
        for index in range(at + 1, len(self.lines)):
            if self.lines[index].strip() and _indent(self.lines[index]) <= indent:
                break
            end = index + 1 if self.lines[index].strip() else end
        return end

    def _end_of_table(self, at: int) -> int:
        line = self.lines[at]
        below = self.lines[at + 1].strip() if at + 1 < len(self.lines) else ""
        ruled = "|" in line and "--" in below and not below.strip("|:- \t")
        framed = line.lstrip().startswith("|") or RST_TABLE_RULE.match(line)
        return self._next_blank(at) if ruled or framed else 0

    def _is_marker(self, at: int) -> bool:
        line = self.lines[at]
        return bool(RULE.match(line) or UNDERLINE.match(line) or LINK_DEFINITION.match(line))

    def _next_blank(self, at: int) -> int:
        return next((index for index in range(at, len(self.lines)) if not self.lines[index].strip()), len(self.lines))

    def _end_of_paragraph(self, at: int, kind: Kind) -> int:
        for index in range(at + 1, len(self.lines)):
            line = self.lines[index]
            if not line.strip() or FENCE.match(line) or ATX.match(line) or ITEM.match(line):
                return index
            if kind == "prose" and (self._underlined(index) or LINK_DEFINITION.match(line)):
                return index
        return len(self.lines)
