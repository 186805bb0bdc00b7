"""Makes one ranking of several: reciprocal rank fusion, near-duplicates removed, documents given their share."""

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from itertools import chain, islice

from actors.tools.contradictions.facts import denials, numbers
from actors.tools.splitting.passages import Passage
from actors.tools.text.words import jaccard, stem, stem_list, tokens

RANK_OFFSET = 60  # of the first who described it (Cormack, Clarke, Büttcher 2009): later ranks still count
NEAR_DUPLICATE = 0.85
EDITIONS_MAX = 2
COMPARED_MAX = 400
DECAY = 0.93  # per passage of a document beyond its share
HEADING = re.compile(r"^#.*$", re.MULTILINE)  # a page may bear another number


def fused(rankings: Sequence[Iterable[Passage]], weights: Sequence[float] = ()) -> Iterable[Passage]:
    """
    All passages of the rankings, best first: each counts 1 / (offset + rank) in every ranking that has it.

    A ranking that is the only one stays what it is, so that its end is not made when nobody gets that far.
    """
    if len(rankings) == 1:
        return rankings[0]
    values: dict[str, float] = defaultdict(float)
    passages: dict[str, Passage] = {}
    for ranking, weight in zip(rankings, weights or [1.0] * len(rankings), strict=True):
        for rank, passage in enumerate(ranking, start=1):
            values[passage.pid] += weight / (RANK_OFFSET + rank)
            passages.setdefault(passage.pid, passage)
    order = {pid: place for place, pid in enumerate(passages)}
    return [passages[pid] for pid in sorted(passages, key=lambda pid: (-values[pid], order[pid]))]


def without_near_duplicates(ranked: Iterable[Passage], limit: int) -> list[Passage]:
    """
    The first `limit` passages of which no two have nearly the same words, whichever documents they are from.

    Two documents that say the same with other numbers, or one with a "not" more, do not say the same; of those
    `EDITIONS_MAX` are kept beside the first, so that hundreds of one kind leave room for others.
    """
    kept: list[Passage] = []
    seen: list[tuple[frozenset[str], Passage]] = []
    for passage in islice(ranked, COMPARED_MAX):
        words = frozenset(tokens(passage.text))
        alike = [known for other, known in seen if _alike(words, other)]
        if len(alike) <= EDITIONS_MAX and all(_disagree(passage, known) for known in alike):
            kept.append(passage)
            seen.append((words, passage))
        if len(kept) == limit:
            break
    return kept


def _disagree(one: Passage, other: Passage) -> bool:
    if one.uri == other.uri:
        return False
    mine, theirs = (HEADING.sub("", passage.text) for passage in (one, other))
    return numbers(mine) != numbers(theirs) or denials(mine) != denials(theirs)


def shared_out(ranked: Sequence[Passage], share: int) -> list[Passage]:
    """By score; of a document that has had its share each further passage counts for less than those of others."""
    counts: Counter[str] = Counter()
    worth: dict[str, float] = {}
    for passage in ranked:
        worth[passage.pid] = passage.score * DECAY ** max(0, counts[passage.uri] - share + 1)
        counts[passage.uri] += 1
    return sorted(ranked, key=lambda passage: -worth[passage.pid])


def completed(
    ranked: Sequence[Passage], wanted: Sequence[str], limit: int, best_for: Callable[[str], list[Passage]]
) -> list[Passage]:
    """The ranking with the best passages for words that its first `limit` lack, on the last quarter of their places."""
    shown = chain.from_iterable((passage.heading, passage.text) for passage in ranked[:limit])
    have = set(chain.from_iterable(map(stem_list, shown)))
    lacking = [word for word in wanted if stem(word) not in have][: max(1, limit // 4)]
    added = list({passage.pid: passage for word in lacking for passage in best_for(word)}.values())
    kept = limit - len(added)
    return [*ranked[:kept], *added, *ranked[kept:]]


def _alike(one: frozenset[str], other: frozenset[str]) -> bool:
    small, large = sorted((len(one), len(other)))
    # Sets of very different size share too little, whatever is in them.
    return small >= NEAR_DUPLICATE * large and jaccard(one, other) >= NEAR_DUPLICATE
