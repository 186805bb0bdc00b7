"""
Takes a passage apart into sentences: the exact quotation, and what a reader sees of it.

`shown(quote, context, form) == text` always holds, so a report that prints `text` can be checked against the passage.
A list item that says nothing by itself is read with the sentence that leads into its list, a table's row with its
header; code is never a sentence.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from actors.tools.splitting.blocks import LINE_CHARS_MAX, Block, scan
from actors.tools.text.inline import ADDRESS, CODE, COMMENT, LINK, TAG, plain
from actors.tools.text.shown import Form, shown
from actors.tools.text.words import word_set

ABBREVIATIONS = word_set(
    """e.g i.e eg ie vs cf al approx ca resp incl excl min max no nos fig figs sec ch vol pp ed eds mr mrs ms dr prof st
    inc ltd co corp dept est ver jan feb mar apr jun jul aug sept oct nov dec"""
)
ENDING = re.compile(r"([.!?\u2026]+)[\"'\u201d\u2019)\]*_]*(?=\s)|[\u3002\uff01\uff1f]")
TABLE_RULE = re.compile(r"\|?\s*:?-{2,}:?\s*(?:\|\s*:?-{2,}:?\s*){0,60}\|?")
BEFORE = re.compile(r"([\w.]+)$")
BREAK_TAG = re.compile(r"</(?:p|div|li|td|h[1-6]|summary|blockquote)\s*>|<(?:br|hr)\b[^<>]{0,100}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """
    A sentence, list item or table row: `quote` is a verbatim piece of the passage, `start` where it begins there.

    `lead` is the piece that leads into the list of an item; `context` is what the text was made with.
    """

    quote: str
    text: str
    start: int
    item: bool = False
    opens_block: bool = True
    lead: str = ""
    context: str = ""
    form: Form = "sentence"

    @property
    def end(self) -> int:
        return self.start + len(self.quote)


def sentences(passage: str) -> list[Sentence]:
    """The sentences of the passage's prose and list items and the rows of its tables, in order."""
    return list(iter_sentences(passage))


def iter_sentences(passage: str, wanted: Callable[[str], bool] | None = None) -> Iterator[Sentence]:
    """The same, one after another; only those of blocks that are `wanted`."""
    leads = _Leads()
    for block in scan(passage, part=True):
        raw = passage[block.start : block.end]
        if wanted and block.kind in ("prose", "item", "table") and not raw.rstrip().endswith(":") and not wanted(raw):
            continue
        if block.kind == "table":
            yield from rows(passage, block)
        if block.kind in ("prose", "item"):
            found = list(of_block(passage, block))
            lead = leads.before(block)
            yield from (replace(one, lead=lead) for one in found) if lead else found
            leads.note(block, found)
        elif block.kind != "code":
            leads = _Leads()


def rows(passage: str, block: Block) -> Iterator[Sentence]:
    """The rows of a Markdown table; without a header above its rule a row cannot be read."""
    lines = passage[block.start : block.end].split("\n")
    if len(lines) < 3 or not TABLE_RULE.fullmatch(lines[1][:LINE_CHARS_MAX].strip()):
        return
    header, offset = lines[0].strip(), block.start + len(lines[0]) + len(lines[1]) + 2
    for line in lines[2:]:
        quote = line.strip()
        if "|" in quote and len(quote) <= LINE_CHARS_MAX and any(map(str.isalnum, quote)):
            text = shown(quote, header, "row")
            yield Sentence(quote, text, offset + line.index(quote), item=True, context=header, form="row")
        offset += len(line) + 1


class _Leads:
    """Which sentence leads into the list items that follow: the one with the colon before them, by indentation."""

    def __init__(self) -> None:
        self._open: list[tuple[int, str]] = []

    def before(self, block: Block) -> str:
        if block.kind != "item":
            self._open = []
            return ""
        indent = block.indent
        while self._open and self._open[-1][0] >= indent:
            self._open.pop()
        return self._open[-1][1] if self._open else ""

    def note(self, block: Block, found: list[Sentence]) -> None:
        if found and found[-1].quote.rstrip("*_ ").endswith(":"):
            indent = block.indent if block.kind == "item" else -1
            self._open.append((indent, found[-1].quote))


def of_block(passage: str, block: Block) -> Iterator[Sentence]:
    """The sentences of one block of prose or one list item."""
    raw = passage[block.start : block.end]
    start, opens, item = 0, True, block.kind == "item"
    for end in [*_boundaries(raw), len(raw)]:
        piece = raw[start:end]
        quote = piece.strip()
        text = plain(quote)
        if any(char.isalnum() for char in text):
            offset = block.start + start + len(piece) - len(piece.lstrip())
            yield Sentence(quote, text, offset, item=item, opens_block=opens)
            opens = False
        start = end


def _boundaries(raw: str) -> list[int]:
    masked = _masked(raw)
    ends = {match.end() for match in ENDING.finditer(masked) if _ends_here(masked, match)}
    return sorted(ends | {match.end() for match in BREAK_TAG.finditer(raw)})


def _masked(raw: str) -> str:
    """The text with everything a full stop may hide in painted over, same length."""
    for pattern in (COMMENT, CODE, TAG, LINK, ADDRESS):
        raw = pattern.sub(_paint, raw)
    return raw


def _paint(match: re.Match[str]) -> str:
    # A full stop or bracket that closes the match may close the sentence too.
    kept = len(match[0]) - len(match[0].rstrip(".!?"))
    return "x" * (len(match[0]) - kept) + match[0][len(match[0]) - kept :]


def _ends_here(masked: str, match: re.Match[str]) -> bool:
    if match[0] in "\u3002\uff01\uff1f" or match[1] != ".":
        return True
    word = BEFORE.search(masked[max(0, match.start() - 30) : match.start()])
    if not word:
        return True
    last = word[1].lower().rstrip(".")
    if last == "etc" and masked[match.end() :].lstrip()[:1].islower():
        return False
    # "J. Smith" goes on; a number that opens the line is the marker of a list.
    initial = len(last) == 1 and last.isalpha() and word[1].isupper()
    marker = last.isdigit() and not masked[: match.start()].strip(" \t>" + last)
    return not (last in ABBREVIATIONS or initial or marker)
