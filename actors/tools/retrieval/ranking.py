"""
Orders candidates by more than bm25 sees: how much of the question a passage speaks of, and how close together.

The weights were found with the tuning half of `benchmarks/quality`; small changes to them change little.
"""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from types import MappingProxyType

from actors.tools.analysing.quality import BOILERPLATE
from actors.tools.splitting.passages import Passage
from actors.tools.text.words import related, stem, stem_list

COVERAGE, CLOSENESS, IN_HEADING, IN_DOCUMENT = 0.6, 0.5, 0.1, 0.1
RELATED_SHARE = 0.5  # of what the word itself would count
CLOSE_WORDS = 6  # two words of the question so near each other are about each other
DOCUMENT_FIRST = 30  # passages that say how much of the question a document speaks of
BOILERPLATE_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a query; `weight` says how rare it is."""

    text: str
    stem: str
    weight: float


def weighed(frequencies: Mapping[str, int], passages: int) -> list[Word]:
    """The words with bm25's inverse document frequency; one per stem."""
    found = {
        stem(word): Word(word, stem(word), math.log(1 + (passages - count + 0.5) / (count + 0.5)))
        for word, count in frequencies.items()
    }
    return list(found.values())


def reranked(
    candidates: Sequence[Passage], words: Sequence[Word], favoured: Mapping[str, float] = MappingProxyType({})
) -> list[Passage]:
    """
    The candidates, best first, with new scores: 0 to about 2.

    `favoured` says what passages of some documents get on top. Change logs, licences and the like lose a little.
    """
    if not candidates:
        return []
    top = max(passage.score for passage in candidates) or 1.0
    question = _Question(words)
    values = {passage.pid: passage.score / top + question.value(passage) for passage in candidates}
    evidence: Counter[str] = Counter()
    for passage in sorted(candidates, key=lambda passage: -values[passage.pid])[:DOCUMENT_FIRST]:
        evidence[passage.uri] += values[passage.pid]  # type: ignore[assignment]
    most = max(evidence.values()) or 1.0
    for passage in candidates:
        values[passage.pid] += IN_DOCUMENT * evidence[passage.uri] / most
        values[passage.pid] += favoured.get(passage.uri, 0.0)
        values[passage.pid] *= BOILERPLATE_SHARE if _is_boilerplate(passage.heading) else 1.0
    ordered = sorted(candidates, key=lambda passage: -values[passage.pid])
    return [passage.model_copy(update={"score": round(values[passage.pid], 4)}) for passage in ordered]


@lru_cache(maxsize=500)
def _is_boilerplate(heading: str) -> bool:
    return BOILERPLATE.search(heading) is not None


class _Question:
    """The words of a query, ready to be compared with many passages."""

    def __init__(self, words: Sequence[Word]) -> None:
        total = sum(word.weight for word in words) or 1.0
        self._weights = {word.stem: word.weight / total for word in words}
        self._related = {word.stem: related(word.text) for word in words if related(word.text)}

    def value(self, passage: Passage) -> float:
        """What bm25 does not see, 0 to about 1."""
        order = stem_list(passage.text)
        heading = {*stem_list(passage.title), *stem_list(passage.heading)}
        spoken = heading.union(order)
        coverage = sum(self._share(word, spoken) * weight for word, weight in self._weights.items())
        headed = sum(weight for word, weight in self._weights.items() if word in heading)
        return COVERAGE * coverage + CLOSENESS * self._closeness(order) + IN_HEADING * headed

    def _share(self, word: str, spoken: set[str]) -> float:
        if word in spoken:
            return 1.0
        return RELATED_SHARE if not spoken.isdisjoint(self._related.get(word, ())) else 0.0

    def _closeness(self, order: Sequence[str]) -> float:
        """How much of the question stands close to another part of it."""
        if len(self._weights.keys() & order) < 2:
            return 0.0
        places = [(at, word) for at, word in enumerate(order) if word in self._weights]
        pairs = {
            (word, other)
            for (at, word), (then, other) in pairwise(places)
            if word != other and then - at <= CLOSE_WORDS
        }
        return min(1.0, sum(self._weights[word] + self._weights[other] for word, other in pairs) / 2)
