"""Finds where two documents say nearly the same with other numbers, or one of them with a "not"."""

import re
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from actors.tools.candidates import Candidate
from actors.tools.passages import name_stem
from actors.tools.words import jaccard, stem_set, stems

Kind = Literal["numbers", "negation"]

COMPARED_MAX = 250  # sentences; every pair is looked at
DIFFERENCES_MAX = 6
SHARED_WORDS_MIN = 3
ALIKE_MIN = {"numbers": 0.5, "negation": 0.6}

NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,]\d+)*")
NEGATION = re.compile(r"\b(?:not|no|never|cannot|without|neither|nor|none)\b|n['\u2019]t\b", re.IGNORECASE)
NEGATION_WORDS = frozenset(stems("never cannot none neither nor don doesn didn isn aren wasn won"))


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences that do not agree."""

    first: Candidate
    second: Candidate
    kind: Kind


@dataclass(frozen=True, slots=True)
class _Reading:
    candidate: Candidate
    words: frozenset[str]
    numbers: frozenset[str]
    negated: bool


def find_differences(candidates: list[Candidate]) -> list[Pair]:
    """The pairs among the best candidates, most alike first."""
    best = sorted(candidates, key=lambda candidate: (-candidate.score, candidate.place))[:COMPARED_MAX]
    found: list[tuple[float, Pair]] = []
    for left, right in combinations([_read(candidate) for candidate in best], 2):
        if _comparable(left.candidate, right.candidate) and (kind := _kind(left, right)):
            found.append((jaccard(left.words, right.words), Pair(left.candidate, right.candidate, kind)))
    found.sort(key=lambda entry: (-entry[0], entry[1].first.place, entry[1].second.place))
    return [pair for _, pair in found[:DIFFERENCES_MAX]]


def _read(candidate: Candidate) -> _Reading:
    text = candidate.sentence.text
    words = frozenset(word for word in stems(text) if not word.isdigit()) - NEGATION_WORDS
    return _Reading(candidate, words, frozenset(NUMBER.findall(text)), bool(NEGATION.search(text)))


def _comparable(left: Candidate, right: Candidate) -> bool:
    """Other documents, same thing: two subjects that are compared differ without contradicting."""
    if left.passage.uri == right.passage.uri or left.subject != right.subject:
        return False
    return not (_speaks_of_itself(left, right) or _speaks_of_itself(right, left))


def _speaks_of_itself(one: Candidate, other: Candidate) -> bool:
    name = stem_set(name_stem(one.passage.uri))
    return bool(name & stem_set(one.sentence.text) - stem_set(other.sentence.text))


def _kind(left: _Reading, right: _Reading) -> Kind | None:
    if len(left.words & right.words) < SHARED_WORDS_MIN:
        return None
    alike = jaccard(left.words, right.words)
    if left.negated != right.negated and alike >= ALIKE_MIN["negation"]:
        return "negation"
    other_numbers = left.numbers - right.numbers and right.numbers - left.numbers
    return "numbers" if other_numbers and alike >= ALIKE_MIN["numbers"] else None
