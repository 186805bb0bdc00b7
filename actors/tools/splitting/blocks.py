"""
Finds the blocks of a text: headings, prose, list items, code, tables, and what is none of them.

One scanner for Markdown, reStructuredText and plain text, line by line and linear in the text's length:
documents are often mislabelled, and nothing here needs more than "is this prose". Where the two languages
disagree the doubtful lines count as code, which costs a sentence and never yields a false one.
"""

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from actors.tools.splitting.directives import DIRECTIVE, role_of, signature
from actors.tools.text import marks
from actors.tools.text.marks import indent_of

Kind = Literal["heading", "prose", "item", "code", "table", "other"]

LINE_CHARS_MAX = 2_000  # patterns look at no more of a line than this
FRONT_MATTER_LINES_MAX = 100
OBJECT_LEVEL = 7  # of headings that end with their indentation: what a directive or a definition describes


@dataclass(frozen=True, slots=True)
class Block:
    """
    A run of whole lines, `text[start:end]` without the last line break; `line` counts from 1.

    A heading from `OBJECT_LEVEL` on holds for the lines below it that are indented deeper than its `indent`.
    """

    kind: Kind
    start: int
    end: int
    line: int
    level: int = 0
    title: str = ""
    indent: int = 0


def scan(text: str, *, part: bool = False) -> list[Block]:
    """
    The blocks of the text in order; blank lines belong to none.

    A `part` of a document may begin within a list or below a directive, where prose is indented: it never begins
    within code.
    """
    scanner = _Scanner(text)
    if part:
        scanner.content_indent = next((indent_of(line) for line in scanner.lines if line.strip()), 0)
    return scanner.run()


class _Scanner:
    """Walks the lines once; each `_end_of_*` returns the index after its block, or 0 for "not mine"."""

    def __init__(self, text: str) -> None:
        self.raw = text.split("\n")
        self.lines = [line[:LINE_CHARS_MAX] for line in self.raw]
        self.starts = list(accumulate((len(line) + 1 for line in self.raw), initial=0))
        self.indents = [indent_of(line) if "\t" in line else len(line) - len(line.lstrip()) for line in self.lines]
        self.blocks: list[Block] = []
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
        if self._is_plainly_prose(at):
            return self._add("prose", at, self._end_of_paragraph(at, "prose"))
        for kind, find_end in self._rules():
            if end := find_end(at):
                return self._add(kind, at, end)
        kind = "item" if marks.ITEM.match(self.lines[at]) else "prose"
        return self._add(kind, at, self._end_of_paragraph(at, kind))

    def _is_plainly_prose(self, at: int) -> bool:
        """Most lines of most texts begin with a letter: none of the rules can apply to them."""
        line = self.lines[at]
        deep = self.literal_next or self.indents[at] >= self.content_indent + 4
        return line.lstrip()[0].isalpha() and "|" not in line and not deep

    def _rules(self) -> tuple[tuple[Kind, Callable[[int], int]], ...]:
        return (
            ("code", self._end_of_fence),
            ("code", self._end_of_indented),
            ("other", self._end_of_comment),
            ("code", self._end_of_raw_html),
            ("code", self._end_of_code_directive),
            ("other", self._end_of_directive),
            ("table", self._end_of_table),
            ("other", lambda at: at + 1 if self._is_marker(at) else 0),
            ("code", lambda at: self._next_blank(at) if marks.DOCTEST.match(self.lines[at]) else 0),
        )

    def _add(self, kind: Kind, at: int, end: int, level: int = 0, title: str = "") -> int:
        self.blocks.append(Block(kind, self.starts[at], self.starts[end] - 1, at + 1, level, title, self.indents[at]))
        self._note_context(kind, at, end)
        return end

    def _note_context(self, kind: Kind, at: int, end: int) -> None:
        if kind == "item" and (marker := marks.ITEM.match(self.lines[at])):
            self.content_indent = self.indents[at] + len(marker[0].strip()) + 1
        elif kind in ("other", "heading") and role_of(self.lines[at]) in ("admonition", "object"):
            below = next((line for line in self.lines[end : end + 4] if line.strip()), "")
            self.content_indent = max(indent_of(below), self.indents[at] + 3)
        elif self.indents[at] < self.content_indent:
            self.content_indent = 0
        self.literal_next = kind in ("prose", "item") and self.lines[end - 1].rstrip().endswith("::")

    def _heading(self, at: int) -> int:
        line = self.lines[at]
        if DIRECTIVE.match(line):
            return self._object(at) if role_of(line) == "object" else 0
        if "#" in line[:4] and (match := marks.ATX.match(line)):
            return self._add("heading", at, at + 1, len(match[1]), match[2].strip().rstrip("#").rstrip())
        if "<" in line and (match := marks.HTML_HEADING.match(line)):
            return self._add("heading", at, at + 1, int(match[1]), match[2])
        ruled = line[:1] in marks.RULE_SIGNS and bool(marks.UNDERLINE.match(line))
        overlined = ruled and self._underlined(at + 1) and at + 2 < len(self.lines)
        title_at = at + 1 if overlined else at
        if not self._underlined(title_at) or marks.UNDERLINE.match(self.lines[title_at]):
            return 0
        style = self.lines[title_at + 1].strip()[0]
        level = self.heading_styles.setdefault(style, len(self.heading_styles) + 1)
        return self._add("heading", at, title_at + 2, level, self.lines[title_at].strip())

    def _object(self, at: int) -> int:
        """What is described below its signature: more signatures and options may follow on the next lines."""
        indent = self.indents[at]
        level = OBJECT_LEVEL + min(indent, 90)
        return self._add("heading", at, self._next_blank(at), level, signature(self.lines[at]))

    def _underlined(self, at: int) -> bool:
        """Whether the one line `at` has a heading's rule below it; a rule of other signs must be as long."""
        if at + 1 >= len(self.lines):
            return False
        title, rule = self.lines[at], self.lines[at + 1].rstrip()
        if rule[:1] not in marks.RULE_SIGNS or not title.strip() or not marks.UNDERLINE.match(rule):
            return False
        if self.indents[at] >= 4 or marks.ITEM.match(title) or title.lstrip().startswith((">", "|")):
            return False
        return rule[0] in "=-" or len(rule) >= len(title.rstrip())

    def _end_of_fence(self, at: int) -> int:
        match = marks.FENCE.match(self.lines[at])
        if not match:
            return 0
        for index in range(at + 1, len(self.lines)):
            line = self.lines[index].strip()
            if line.startswith(match[1]) and not line.strip(match[1][0]):
                return index + 1
        return len(self.lines)

    def _end_of_indented(self, at: int) -> int:
        indent = self.indents[at]
        literal = self.literal_next and indent > 0
        nested_item = self.content_indent and marks.ITEM.match(self.lines[at])
        if not literal and (indent < self.content_indent + 4 or nested_item):
            return 0
        end, least = at, 1 if literal else min(indent, self.content_indent + 4)
        for index in range(at, len(self.lines)):
            if self.lines[index].strip() and self.indents[index] < least:
                break
            end = index + 1 if self.lines[index].strip() else end
        return end

    def _end_of_comment(self, at: int) -> int:
        return self._line_with("-->", at) if self.lines[at].lstrip().startswith("<!--") else 0

    def _end_of_front_matter(self, at: int) -> int:
        if at or self.lines[0].rstrip() != "---":
            return 0
        last = min(FRONT_MATTER_LINES_MAX, len(self.lines))
        return next((index for index in range(1, last) if self.lines[index].rstrip() == "---"), -1) + 1

    def _end_of_raw_html(self, at: int) -> int:
        match = marks.RAW_HTML.match(self.lines[at])
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
        if role_of(self.lines[at]) == "admonition":
            return at + 1
        return self._end_of_body(at)

    def _end_of_code_directive(self, at: int) -> int:
        return self._end_of_body(at) if role_of(self.lines[at]) == "code" else 0

    def _end_of_body(self, at: int) -> int:
        indent, end = self.indents[at], at + 1
        for index in range(at + 1, len(self.lines)):
            if self.lines[index].strip() and self.indents[index] <= indent:
                break
            end = index + 1 if self.lines[index].strip() else end
        return end

    def _end_of_table(self, at: int) -> int:
        line = self.lines[at]
        below = self.lines[at + 1].strip() if at + 1 < len(self.lines) else ""
        ruled = "|" in line and "--" in below and not below.strip("|:- \t")
        framed = line.lstrip().startswith("|") or marks.RST_TABLE_RULE.match(line)
        return self._next_blank(at) if ruled or framed else 0

    def _is_marker(self, at: int) -> bool:
        line = self.lines[at]
        return bool(marks.RULE.match(line) or marks.UNDERLINE.match(line) or marks.LINK_DEFINITION.match(line))

    def _next_blank(self, at: int) -> int:
        return next((index for index in range(at, len(self.lines)) if not self.lines[index].strip()), len(self.lines))

    def _end_of_paragraph(self, at: int, kind: Kind) -> int:
        for index in range(at + 1, len(self.lines)):
            line = self.lines[index]
            body = line.lstrip()
            if not body:
                return index
            if not body[0].isalpha() and (marks.FENCE.match(line) or marks.ATX.match(line) or marks.ITEM.match(line)):
                return index
            if kind == "prose" and (self._underlined(index) or (body[0] == "[" and marks.LINK_DEFINITION.match(line))):
                return index
        return len(self.lines)
