"""Reads a finished Markdown report as a suspicious reader would: marks, sections, sentences."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from .questions import words

MARK = re.compile(r"(?<![\\\w])\[(\d+)\](?!\()")
CITED = re.compile(r"(.*?)((?:\s*(?<![\\\w])\[\d+\](?!\())+)", re.DOTALL)
NUMBERED = re.compile(r"^\d+[.)]\s+")
HEADING = re.compile(r"^(#{1,6}) (.*)$", re.MULTILINE)
FENCE = re.compile(r"^(```+|~~~+).*?^\1\s*$", re.MULTILINE | re.DOTALL)
SENTENCE_END = re.compile(r"(?<=[.!?])\s+(?=[A-Z`\u201c])")
WORDS_OF_A_SENTENCE = 5
NOTHING = re.compile(r"\bnothing\b.{0,60}\banswers?\b|\bno statement\b|\bnot found\b", re.IGNORECASE)
SOURCES, MISSING = "Sources", "What was not found"


@dataclass(frozen=True, slots=True)
class Fragment:
    """What stands before one or several marks on a line."""

    text: str
    numbers: tuple[int, ...]
    in_table: bool


class ReportText:
    """The report, taken apart."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.sections = dict(_sections(text))
        self.body = "".join(part for title, part in self.sections.items() if title not in (SOURCES, MISSING))
        self.fragments = [fragment for line in FENCE.sub("", self.body).splitlines() for fragment in _fragments(line)]

    @property
    def numbers(self) -> set[int]:
        """Every number that is cited anywhere but in the list of sources."""
        cited = "".join(part for title, part in self.sections.items() if title != SOURCES)
        return {int(number) for number in MARK.findall(cited)}

    @property
    def listed(self) -> list[int]:
        """The numbers that the list of sources begins its lines with."""
        return [int(found) for found in re.findall(r"^[-*] \[(\d+)\]", self.sections.get(SOURCES, ""), re.MULTILINE)]

    @property
    def themes(self) -> list[str]:
        return [title for level, title in HEADING.findall(self.body) if level == "###"]

    def says(self, quotation: str) -> bool:
        return words(quotation) in words(self.body)

    def owns_up(self, word: str) -> bool:
        """Says that it found nothing about the word, or nothing at all."""
        missing = self.sections.get(MISSING, "")
        return word.lower() in missing.lower() or (not self.numbers and bool(NOTHING.search(self.text)))

    def repeated(self) -> list[str]:
        """Sentences that stand in it more than once; cells of a table may repeat what the text says."""
        own = (fragment.text for fragment in self.fragments if not fragment.in_table)
        said = Counter(words(sentence) for text in own for sentence in SENTENCE_END.split(text))
        return [text.strip() for text, times in said.items() if times > 1 and len(text.split()) >= WORDS_OF_A_SENTENCE]


def longest_run(text: str, document: str) -> float:
    """The part of the text's words that stand in the document in one piece; 1 is a quotation."""
    said, known = words(text).split(), words(document)
    best = 0
    for start in range(len(said)):
        if len(said) - start <= best:
            break
        low, high = best, len(said) - start
        while low < high:
            middle = (low + high + 1) // 2
            found = f" {' '.join(said[start : start + middle])} " in known
            low, high = (middle, high) if found else (low, middle - 1)
        best = max(best, low)
    return best / len(said) if said else 1.0


def _sections(text: str) -> Iterator[tuple[str, str]]:
    """By the headings of the second level; what stands below further ones belongs to them."""
    pieces = re.split(r"^## (.*)$\n?", text, flags=re.MULTILINE)
    yield "", pieces[0]
    yield from zip(pieces[1::2], pieces[2::2], strict=True)


def _fragments(line: str) -> Iterator[Fragment]:
    in_table = line.lstrip().startswith("|")
    for text, marks in CITED.findall(line):
        own = text.rpartition("|")[2] if in_table else text
        yield Fragment(
            NUMBERED.sub("", own.strip(" -*>")), tuple(int(number) for number in MARK.findall(marks)), in_table
        )
