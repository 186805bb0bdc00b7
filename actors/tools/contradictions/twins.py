"""
Sentences of two documents that are the same word for word, but for their numbers: copies that were edited.

Nothing has to be understood here: what stands at the same place of the same sentence is the same attribute.
"""

import re
from collections import defaultdict
from itertools import combinations

from actors.tools.analysing.candidates import Candidate
from actors.tools.contradictions.quantities import Quantity, quantities

WORDS_MIN = 6  # shorter sentences are alike by chance
TWINS_MAX = 8  # of one sentence that are looked at
DIGITS = re.compile(r"\d+(?:[.,]\d+)*")


def twins(candidates: list[Candidate]) -> list[tuple[Candidate, Candidate]]:
    """The pairs of which a number differs, in the order of the candidates; versions and identifiers do not count."""
    families: dict[str, list[Candidate]] = defaultdict(list)
    for candidate in candidates:
        text = candidate.sentence.text
        if DIGITS.search(text) and len(text.split()) >= WORDS_MIN:
            families[" ".join(DIGITS.sub("#", text).casefold().split())].append(candidate)
    pairs = (pair for family in families.values() for pair in combinations(family[:TWINS_MAX], 2))
    return [pair for pair in pairs if pair[0].passage.uri != pair[1].passage.uri and _differ(*pair)]


def _differ(one: Candidate, other: Candidate) -> bool:
    mine, theirs = quantities(one.sentence.text), quantities(other.sentence.text)
    if len(mine) != len(theirs) or _rest(one.sentence.text, mine) != _rest(other.sentence.text, theirs):
        return False
    return any((a.low, a.high) != (b.low, b.high) for a, b in zip(mine, theirs, strict=True))


def _rest(text: str, amounts: list[Quantity]) -> str:
    """The sentence without its quantities; what differs here is a version or a name."""
    for amount in reversed(amounts):
        text = text[: amount.start] + "#" + text[amount.end :]
    return text.casefold()
