"""
Packs the blocks of a document into passages: where each begins, ends, and under which headings it stands.

    headings      end a passage and are never crossed; the last one opens the next passage
    code, tables  stay whole up to `PASSAGE_CHARS_MAX`, and with the sentence that leads in to them
    lists         stay with their lead-in; a part that had to go without it is told what it was (`lead`)
    program text  never shares a passage with its documentation, which alone can be quoted
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Literal

from actors.tools.splitting.blocks import OBJECT_LEVEL, Block
from actors.tools.splitting.pieces import PASSAGE_CHARS_MAX, PASSAGE_WORDS_MAX, Piece, pieces, table_header

GAP_CHARS_MAX = 400  # comments and link definitions inside a passage
LEAD_CHARS_MAX = 300


@dataclass(slots=True)
class Section:
    """A passage to be: `text[start:end]`, the headings above, and what it continues."""

    path: list[Block] = field(default_factory=list)
    heading_start: int | None = None
    start: int = 0
    end: int = -1
    words: int = 0
    kind: Literal["prose", "code"] = "prose"
    lead: str = ""
    last: Piece | None = None
    previous_end: int = -1  # without the last piece
    count: int = 0

    @property
    def empty(self) -> bool:
        return self.end < 0


def pack(text: str, blocks: Iterable[Block], *, program: bool = False) -> Iterator[Section]:
    """The document's passages in order, none overlapping another."""
    return _Packer(text, program).run(blocks)


class _Packer:
    """Walks the blocks once, filling one section at a time."""

    def __init__(self, text: str, program: bool) -> None:
        self.text = text
        self.program = program
        self.now = Section()
        self.lead = ""  # what leads in to the list that is being read

    def run(self, blocks: Iterable[Block]) -> Iterator[Section]:
        for block in blocks:
            if block.kind == "heading":
                yield from self._closed()
                self.now = Section(_path_below(self.now.path, block), heading_start=block.start)
                self.lead = ""
            elif block.kind != "other":
                yield from self._left(block)
                yield from self._packed(block)
        yield from self._closed()

    def _left(self, block: Block) -> Iterator[Section]:
        """A line that is indented no deeper than the object described above it is not about that object."""
        path = self.now.path
        if path and path[-1].level >= OBJECT_LEVEL and block.indent <= path[-1].indent:
            yield from self._closed()
            kept = [above for above in path if above.level < OBJECT_LEVEL or above.indent < block.indent]
            self.now = Section(kept)

    def _packed(self, block: Block) -> Iterator[Section]:
        if block.kind != "item":
            self.lead = ""
        for number, piece in enumerate(pieces(self.text, block)):
            lead = table_header(self.text, block) if number and block.kind == "table" else self.lead
            if not self.now.empty and not self._fits(piece):
                yield from self._moved_on(piece, lead)
            self._take(piece)
        if block.kind == "prose" and (led := self.text[block.start : block.end]).rstrip().endswith(":"):
            self.lead = led.strip()[-LEAD_CHARS_MAX:]

    def _fits(self, piece: Piece) -> bool:
        now = self.now
        if piece.start - now.end > GAP_CHARS_MAX or piece.end - now.start > PASSAGE_CHARS_MAX:
            return False
        kind = "code" if piece.kind == "code" else "prose"
        # A passage that begins inside code would be read as prose once it stands alone, so it stays unmixed.
        if (now.kind == "code" or self.program) and kind != now.kind:
            return False
        if now.kind == "code" and not self.program:
            return False
        led_in = piece.kind in ("code", "table") and now.last is not None and now.last.leads
        return led_in or now.words + piece.words <= PASSAGE_WORDS_MAX

    def _moved_on(self, piece: Piece, lead: str) -> Iterator[Section]:
        """Begins another passage: with the lead-in, where the present one can spare it."""
        now, last = self.now, self.now.last
        takes_lead = piece.kind in ("item", "code", "table") and not self.program
        if takes_lead and last is not None and last.leads and now.count > 1 and _joins(last, piece):
            now.end = now.previous_end
            yield now
            self.now = Section(now.path)
            self._take(last)
        else:
            yield now
            self.now = Section(now.path, lead=lead)

    def _take(self, piece: Piece) -> None:
        now = self.now
        if now.empty:
            near = now.heading_start is not None and piece.end - now.heading_start <= PASSAGE_CHARS_MAX
            now.start = now.heading_start if near and now.heading_start is not None else piece.start
            now.kind = "code" if self._stands_as_code(piece, near=near) else "prose"
            if self.program and now.kind == "prose":
                now.start = piece.start
        now.previous_end = now.end
        now.end, now.last = piece.end, piece
        now.words += piece.words
        now.count += 1

    def _stands_as_code(self, piece: Piece, *, near: bool) -> bool:
        if self.program:
            return piece.kind == "code"
        if piece.kind == "table":
            # Rows with bars are known for what they are wherever they stand; others need what is above them.
            return not near and self.text[piece.start : piece.end].lstrip()[:1] != "|"
        return piece.kind == "code" and not near

    def _closed(self) -> Iterator[Section]:
        if not self.now.empty:
            yield self.now
        self.now = Section(self.now.path)


def _joins(lead: Piece, piece: Piece) -> bool:
    words_fit = piece.kind in ("code", "table") or lead.words + piece.words <= PASSAGE_WORDS_MAX
    return words_fit and piece.end - lead.start <= PASSAGE_CHARS_MAX


def _path_below(path: list[Block], block: Block) -> list[Block]:
    if block.level < OBJECT_LEVEL:
        return [*(above for above in path if above.level < block.level), block]
    return [*(above for above in path if above.level < OBJECT_LEVEL or above.indent < block.indent), block]
