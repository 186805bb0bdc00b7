"""
Takes a passage apart into sentences: the exact quotation, and what a reader sees of it.

`plain(quote) == text` always holds, so a report that prints `text` can be checked against the passage.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from actors.tools.blocks import Block, scan
from actors.tools.inline import ADDRESS, CODE, COMMENT, LINK, TAG, plain
from actors.tools.words import word_set

ABBREVIATIONS = word_set(
    """e.g i.e eg ie vs cf al approx ca resp incl excl min max no nos fig figs sec ch vol pp ed eds mr mrs ms dr prof st
    inc ltd co corp dept est ver jan feb mar apr jun jul aug sept oct nov dec"""
)
ENDING = re.compile(r"([.!?\u2026]+)[\"'\u201d\u2019)\]*_]*(?=\s)|[\u3002\uff01\uff1f]")
BEFORE = re.compile(r"([\w.]+)$")
BREAK_TAG = re.compile(r"</(?:p|div|li|td|h[1-6]|summary|blockquote)\s*>|<(?:br|hr)\b[^<>]{0,100}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence or list item: `quote` is a verbatim piece of the passage, `start` where it begins there."""

    quote: str
    text: str
    start: int
    item: bool = False
    opens_block: bool = True

    @property
    def end(self) -> int:
        return self.start + len(self.quote)


def sentences(passage: str) -> list[Sentence]:
    """The sentences of the passage's prose and list items, in order; headings, code and tables have none."""
    found = (_of_block(passage, block) for block in scan(passage) if block.kind in ("prose", "item"))
    return [sentence for block in found for sentence in block]


def _of_block(passage: str, block: Block) -> Iterator[Sentence]:
    raw = passage[block.start : block.end]
    start, opens = 0, True
    for end in [*_boundaries(raw), len(raw)]:
        piece = raw[start:end]
        quote = piece.strip()
        text = plain(quote)
        if any(char.isalnum() for char in text):
            offset = block.start + start + len(piece) - len(piece.lstrip())
            yield Sentence(quote, text, offset, item=block.kind == "item", opens_block=opens)
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
