"""
Splits a document into passages: exact slices of it that fit a search result and a citation.

A passage keeps its headings as a path and never crosses one. `text == document[start:end]` always holds,
so a citation can be checked against the document itself.
"""

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Literal

from pydantic import BaseModel, Field

from actors.tools.splitting.blocks import OBJECT_LEVEL, Block, scan
from actors.tools.splitting.code_blocks import scan_code
from actors.tools.splitting.packing import Section, pack
from actors.tools.splitting.pieces import PASSAGE_CHARS_MAX, PASSAGE_WORDS_MAX
from actors.tools.text.inline import COMMENT, IMAGE, ROLE, plain, shorten
from app.documents.formats import is_code, stem_of
from app.model.task import Document

__all__ = ["PASSAGE_CHARS_MAX", "PASSAGE_WORDS_MAX", "Passage", "cut", "split"]

TITLE_CHARS_MAX = 120
TITLE_BLOCKS = 50  # how far into a document its title may stand
PASSAGES_MAX = 200_000  # of one document; one of the largest that are read has less
#: A document is read in parts of this length: what a scan holds in memory is some times its text.
PART_CHARS = 2 << 20

SHOWN = re.compile(r"[^\W_]")
MARKUP = re.compile(r"^ {0,3}\[[^\[\]]{1,200}\]:.*$|<[^<>]{1,2000}>|\]\([^()]{0,1000}\)|https?://\S+", re.MULTILINE)


class Passage(BaseModel):
    """
    A slice of a document, as retrievers hand it on.

    `uri` is the document's name, `sha256` that of the whole document, `span` the slice in characters,
    `line` where it begins (from 1), `heading` the path of headings above it. A passage of kind `code`
    holds no sentence. `lead` is what a part of a list or table continues: its lead-in or its header row.
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
    lead: str = ""


@dataclass(frozen=True, slots=True)
class Slice:
    """A passage before it is anyone's: its place, the headings above it, its text."""

    start: int
    end: int
    line: int
    heading: str
    kind: Literal["prose", "code"]
    lead: str
    text: str


@dataclass(frozen=True, slots=True)
class Cut:
    """A document's title and its passages, which are made as they are asked for."""

    title: str
    slices: Iterator[Slice]


def split(document: Document) -> list[Passage]:
    """The document's passages in order; pieces that show a reader nothing, badges say, are left out."""
    made = cut(document)
    sha256 = hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest()
    return [
        Passage(
            pid=passage_id(document.name, (part.start, part.end), part.text), title=made.title, uri=document.name,
            heading=part.heading, line=part.line, text=part.text, span=(part.start, part.end), sha256=sha256,
            kind=part.kind, lead=part.lead,
        )
        for part in made.slices
    ]  # fmt: skip


def cut(document: Document) -> Cut:
    """The same without what all passages of a document share; memory stays bounded however long it is."""
    program = is_code(document.name)
    blocks = _blocks(document.text, program)
    first = list(islice(blocks, TITLE_BLOCKS))
    sections = pack(document.text, _chained(first, blocks), program=program)
    return Cut(document_title(document, first), islice(_slices(document.text, sections), PASSAGES_MAX))


def _slices(text: str, sections: Iterable[Section]) -> Iterator[Slice]:
    line, counted = 1, 0
    for section in sections:
        content = text[section.start : section.end]
        if not visible(content):
            continue
        line, counted = line + text.count("\n", counted, section.start), section.start
        heading = " > ".join(name for block in section.path if (name := heading_text(block)))
        yield Slice(section.start, section.end, line, heading, section.kind, section.lead, content)


def _blocks(text: str, program: bool) -> Iterator[Block]:
    for start, end in _parts(text):
        for block in (scan_code if program else scan)(text[start:end]):
            yield block if not start else _moved(block, start)


def _parts(text: str) -> Iterator[tuple[int, int]]:
    """Parts that end where a blank line, a line or at worst a character does."""
    start = 0
    while len(text) - start > PART_CHARS:
        limit = start + PART_CHARS
        at = text.rfind("\n\n", start + PART_CHARS // 2, limit) + 1 or text.rfind("\n", start, limit)
        end = at + 1 if at > start else limit
        yield start, end
        start = end
    yield start, len(text)


def _moved(block: Block, start: int) -> Block:
    return Block(block.kind, block.start + start, block.end + start, block.line, block.level, block.title, block.indent)


def _chained(first: list[Block], rest: Iterator[Block]) -> Iterator[Block]:
    yield from first
    yield from rest


def passage_id(name: str, span: tuple[int, int], text: str) -> str:
    """The same document, place and text always give the same id."""
    key = f"{name}\0{span[0]}-{span[1]}\0{text}".encode("utf-8", "surrogatepass")
    return "p" + hashlib.sha256(key).hexdigest()[:16]


def document_title(document: Document, blocks: list[Block]) -> str:
    """The first top heading, else the name without folder and suffix."""
    for block in blocks[:TITLE_BLOCKS]:
        if block.kind == "heading" and block.level == 1 and (title := heading_text(block)):
            return title
    return name_stem(document.name)


def name_stem(name: str) -> str:
    return stem_of(name)


def heading_text(block: Block) -> str:
    """What a reader sees of a heading; a signature is shown as it is."""
    return _heading(block.title) if block.level < OBJECT_LEVEL else shorten(block.title, TITLE_CHARS_MAX)


@lru_cache(maxsize=20_000)
def _heading(title: str) -> str:
    if len(title) <= TITLE_CHARS_MAX and title.replace(" ", "").isalnum():
        return title
    return shorten(plain(title).replace("`", ""), TITLE_CHARS_MAX)


def visible(text: str) -> str:
    """What is worth searching in the text: without images, tags, addresses and the names of roles."""
    if "!" in text or "<" in text:
        text = IMAGE.sub(" ", COMMENT.sub(" ", text))
    shown = MARKUP.sub(" ", ROLE.sub(" ", text))
    return shown if SHOWN.search(shown) else ""
