"""Cuts what a model writes into sentences and headings while it is still writing."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from actors.tools.text.inline import plain
from actors.tools.text.sentences import sentences

PARAGRAPH_CHARS_MAX = 4_000  # what is longer is cut there
SENTENCE_CHARS_MAX = 600

_KEYS = r"\[{1,2}\s*(?:p\d{1,3}(?:\s*[,;]?\s*p\d{1,3})*)\s*\]{1,2}"
IDS = re.compile(_KEYS)
KEY = re.compile(r"p\d{1,3}")
ID_BEHIND_END = re.compile(rf"([.!?]+[\"'\u201d\u2019)]*)((?:\s*{_KEYS})+)")
HEADING = re.compile(r"\s{0,3}#{1,6}\s*(.*?)[\s#:]*$|\s*\*\*([^*]{1,200})\*\*:?\s*$")
ENDED = re.compile(r"[.!?…][\"'\u201d\u2019)\]*_`]*$")


@dataclass(frozen=True, slots=True)
class Heading:
    """A line that a model meant as a heading; the text says of which section."""

    text: str


@dataclass(frozen=True, slots=True)
class Drafted:
    """A sentence as a reader would see it, and the short ids of the passages it cites."""

    text: str
    keys: tuple[str, ...]


@dataclass(slots=True)
class Cutter:
    """Takes pieces of a text in any size; gives each sentence as soon as it is known to have ended."""

    _line: str = ""
    _given: int = 0  # sentences of the present line that were given out
    _pieces: list[str] = field(default_factory=list)

    def feed(self, piece: str) -> Iterator[Heading | Drafted]:
        """What has become whole with this piece."""
        *whole, rest = (self._line + piece.replace("\r", "\n")).split("\n")
        for line in whole:
            yield from self._end_of_line(line)
        while len(rest) > PARAGRAPH_CHARS_MAX:
            yield from self._end_of_line(rest[:PARAGRAPH_CHARS_MAX])
            rest = rest[PARAGRAPH_CHARS_MAX:]
        self._line = rest
        if _may_be_whole(rest):
            yield from self._whole(rest)

    def end(self, *, cut_off: bool) -> Iterator[Heading | Drafted]:
        """The rest; when the text was cut off, a sentence without an end is none."""
        rest, self._line = self._line, ""
        if cut_off and rest.strip() and not ENDED.search(IDS.sub("", rest).rstrip()):
            found = _cut(rest)[:-1]
            yield from found[self._given :]
        else:
            yield from self._end_of_line(rest)

    def _whole(self, line: str) -> Iterator[Heading | Drafted]:
        """All but the last sentence of a line that goes on: ids of that may still follow."""
        found = _cut(line)[:-1]
        yield from found[self._given :]
        self._given = max(self._given, len(found))

    def _end_of_line(self, line: str) -> Iterator[Heading | Drafted]:
        given, self._given = self._given, 0
        if heading := HEADING.match(line):
            yield Heading(plain(heading[1] or heading[2] or ""))
        else:
            yield from _cut(line)[given:]


def _may_be_whole(line: str) -> bool:
    """Worth cutting: something ended, and what follows is no id that is only half there."""
    if HEADING.match(line):
        return False
    tail = line[line.rfind("[") :] if "[" in line else ""
    return bool(re.search(r"[.!?…]\S*\s+\S", line)) and not (tail and "]" not in tail)


def _cut(line: str) -> list[Drafted]:
    """The sentences of a line; ids behind a full stop belong to the sentence before it."""
    joined = ID_BEHIND_END.sub(lambda match: f"{match[2]}{match[1]}", line)
    found = [sentence.quote for sentence in sentences(joined)]
    if not found and IDS.sub("", joined).strip():
        found = [joined]
    return [_drafted(piece) for piece in found]


def _drafted(piece: str) -> Drafted:
    keys = dict.fromkeys(key for ids in IDS.findall(piece) for key in KEY.findall(ids))
    text = plain(IDS.sub("", piece)[:SENTENCE_CHARS_MAX])
    text = re.sub(r"\s+([.,;:!?])", r"\1", text).strip()
    return Drafted(re.sub(r"([.!?])\.+$", r"\1", text), tuple(keys))


def closed(text: str) -> str:
    """The sentence with an end."""
    return text if ENDED.search(text) else f"{text}."
