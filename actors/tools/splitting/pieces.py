"""Blocks cut into pieces that fit a passage: after sentences, items or lines where possible."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from actors.tools.splitting.blocks import Block, Kind

PASSAGE_WORDS_MAX = 220
PASSAGE_CHARS_MAX = 4_000
LEAD_WORDS_MAX = 80

SENTENCE_END = re.compile(r"[.!?][\"')\]*_]*$")
WORD = re.compile(r"\S+")


@dataclass(slots=True)
class Piece:
    """A block or a slice of one, without blanks at its end; `leads` says that what follows belongs to it."""

    kind: Kind
    start: int
    end: int
    words: int
    leads: bool = False


def pieces(text: str, block: Block) -> Iterator[Piece]:
    """The block itself where it fits; code and tables may have as many words as their characters allow."""
    content = text[block.start : block.end].rstrip()
    words = len(content.split())
    if len(content) <= PASSAGE_CHARS_MAX and (words <= PASSAGE_WORDS_MAX or block.kind in ("code", "table")):
        leads = block.kind == "prose" and words <= LEAD_WORDS_MAX and content.endswith(":")
        yield Piece(block.kind, block.start, block.start + len(content), words, leads)
        return
    yield from _slices(text, block)


def table_header(text: str, block: Block) -> str:
    """The first line of a table, for the parts of it that had to go without."""
    return next((line.strip() for line in text[block.start : block.end].split("\n", 3) if "|" in line), "")[:300]


def _slices(text: str, block: Block) -> Iterator[Piece]:
    words_max = PASSAGE_WORDS_MAX if block.kind not in ("code", "table") else PASSAGE_CHARS_MAX
    start, best, words = block.start, block.start, 0
    last = block.start
    for at, end in _words(text, block):
        if words == words_max or end - start > PASSAGE_CHARS_MAX:
            cut = best if best > start else last
            yield Piece(block.kind, start, cut, words)
            start = best = _skip_blanks(text, cut, at)
            words = len(text[start:at].split())
        words, last = words + 1, end
        if _is_good_cut(text, block, at, end):
            best = end
    yield Piece(block.kind, start, last, words)


def _words(text: str, block: Block) -> Iterator[tuple[int, int]]:
    for match in WORD.finditer(text, block.start, block.end):
        for at in range(match.start(), match.end(), PASSAGE_CHARS_MAX // 2):
            yield at, min(at + PASSAGE_CHARS_MAX // 2, match.end())


def _is_good_cut(text: str, block: Block, at: int, end: int) -> bool:
    if block.kind in ("code", "table"):
        return text[end : end + 1] in ("\n", "\r")
    return bool(SENTENCE_END.search(text, max(at, end - 10), end))


def _skip_blanks(text: str, start: int, end: int) -> int:
    while start < end and text[start].isspace():
        start += 1
    return start
