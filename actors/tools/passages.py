"""
Splits a document into passages: exact slices of it that fit a search result and a citation.

A passage keeps its headings as a path and never crosses one. `text == document[start:end]` always holds,
so a citation can be checked against the document itself.
"""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, Field

from actors.tools.blocks import Block, scan
from actors.tools.inline import COMMENT, IMAGE, plain, shorten
from app.model.task import Document

PASSAGE_WORDS_MAX = 220
PASSAGE_CHARS_MAX = 4_000
GAP_CHARS_MAX = 400  # comments and link definitions inside a passage
TITLE_CHARS_MAX = 120
PASSAGES_MAX = 20_000  # of one document

MARKUP = re.compile(r"^ {0,3}\[[^\[\]]{1,200}\]:.*$|<[^<>]{1,2000}>|\]\([^()]{0,1000}\)|https?://\S+", re.MULTILINE)
SENTENCE_END = re.compile(r"[.!?][\"')\]*_]*$")
WORD = re.compile(r"\S+")


class Passage(BaseModel):
    """
    A slice of a document, as retrievers hand it on.

    `uri` is the document's name, `sha256` that of the whole document, `span` the slice in characters,
    `line` where it begins (from 1), `heading` the path of headings above it. A passage of kind `code`
    holds no sentence.
    """

    pid: str = Field(min_length=1, max_length=100)
    title: str
    uri: str
    heading: str = ""
    line: int = 1
    text: str
    span: tuple[int, int] = (0, 0)
    score: float = 0.0
    sha256: str = ""
    kind: Literal["prose", "code"] = "prose"


@dataclass(slots=True)
class _Section:
    """Where the walk through the blocks stands: the headings above, and the passage being filled."""

    path: list[Block] = field(default_factory=list)
    heading_start: int | None = None
    start: int = 0
    end: int = -1
    words: int = 0
    kind: Literal["prose", "code"] = "prose"

    @property
    def empty(self) -> bool:
        return self.end < 0


def split(document: Document) -> list[Passage]:
    """The document's passages in order; pieces that show a reader nothing, badges say, are left out."""
    blocks = scan(document.text)
    title = document_title(document, blocks)
    sha256 = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    found: list[Passage] = []
    line, counted = 1, 0
    for section in _sections(document.text, blocks):
        text = document.text[section.start : section.end]
        if not visible(text):
            continue
        if len(found) == PASSAGES_MAX:
            break
        line, counted = line + document.text.count("\n", counted, section.start), section.start
        span = (section.start, section.end)
        heading = " > ".join(name for name in map(heading_text, section.path) if name)
        found.append(
            Passage(
                pid=passage_id(document.name, span, text), title=title, uri=document.name, heading=heading,
                line=line, text=text, span=span, sha256=sha256, kind=section.kind,
            )
        )  # fmt: skip
    return found


def passage_id(name: str, span: tuple[int, int], text: str) -> str:
    """The same document, place and text always give the same id."""
    key = f"{name}\0{span[0]}-{span[1]}\0{text}".encode("utf-8", "surrogatepass")
    return "p" + hashlib.sha256(key).hexdigest()[:16]


def document_title(document: Document, blocks: list[Block]) -> str:
    """The first top heading, else the name without folder and suffix."""
    for block in blocks[:50]:
        if block.kind == "heading" and block.level == 1 and (title := heading_text(block)):
            return title
    return name_stem(document.name)


def name_stem(name: str) -> str:
    path = PurePosixPath(name)
    known = path.suffix.lower() in {".md", ".markdown", ".txt", ".rst"}
    return (path.stem if known else path.name) or name


def heading_text(block: Block) -> str:
    return shorten(plain(block.title).replace("`", ""), TITLE_CHARS_MAX)


def visible(text: str) -> str:
    """What is worth searching in the text: without images, tags and addresses."""
    shown = MARKUP.sub(" ", IMAGE.sub(" ", COMMENT.sub(" ", text)))
    return shown if any(char.isalnum() for char in shown) else ""


def _sections(text: str, blocks: list[Block]) -> Iterator[_Section]:
    now = _Section()
    for piece in _headings_and_pieces(text, blocks):
        heading = piece.kind == "heading"
        if not now.empty and (heading or not _fits(text, now, piece)):
            yield now
            now = _Section(now.path)
        if heading:
            now = _Section(_path_below(now.path, piece), heading_start=piece.start)
        else:
            _take(text, now, piece)
    if not now.empty:
        yield now


def _headings_and_pieces(text: str, blocks: list[Block]) -> Iterator[Block]:
    for block in blocks:
        if block.kind == "heading":
            yield block
        elif block.kind != "other":
            yield from _pieces(text, block)


def _path_below(path: list[Block], block: Block) -> list[Block]:
    return [*(above for above in path if above.level < block.level), block]


def _fits(text: str, now: _Section, piece: Block) -> bool:
    # A passage that begins inside code would be read as prose once it stands alone, so it stays unmixed.
    if now.kind == "code" or piece.start - now.end > GAP_CHARS_MAX or piece.end - now.start > PASSAGE_CHARS_MAX:
        return False
    return now.words + _word_count(text, piece) <= PASSAGE_WORDS_MAX


def _take(text: str, now: _Section, piece: Block) -> None:
    if now.empty:
        near = now.heading_start is not None and piece.end - now.heading_start <= PASSAGE_CHARS_MAX
        now.start = now.heading_start if near and now.heading_start is not None else piece.start
        now.kind = "code" if piece.kind in ("code", "table") and not near else "prose"
    now.end = piece.start + len(text[piece.start : piece.end].rstrip())
    now.words += _word_count(text, piece)


def _word_count(text: str, piece: Block) -> int:
    return len(text[piece.start : piece.end].split())


def _pieces(text: str, block: Block) -> Iterator[Block]:
    """The block itself, or slices of it that fit a passage, cut after sentences or lines where possible."""
    if block.end - block.start <= PASSAGE_CHARS_MAX and _word_count(text, block) <= PASSAGE_WORDS_MAX:
        yield block
        return
    start, best, words = block.start, block.start, 0
    last = block.start
    for at, end in _words(text, block):
        if words == PASSAGE_WORDS_MAX or end - start > PASSAGE_CHARS_MAX:
            cut = best if best > start else last
            yield Block(block.kind, start, cut, 0)
            start = best = _skip_blanks(text, cut, at)
            words = len(text[start:at].split())
        words, last = words + 1, end
        if _is_good_cut(text, block, at, end):
            best = end
    yield Block(block.kind, start, last, 0)


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
