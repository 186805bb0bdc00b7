"""
Finds the passages that answer a query: which documents it names, what it asks, and a fair mix of both.

    query names no document     the best passages by bm25
    query asks nothing          ("Summarise these documents") passages from all over each document
    query names documents       of each its best on the topic and how it begins, in turns; then what other
                                documents say about the name and the topic together
"""

from dataclasses import dataclass
from itertools import chain, zip_longest

from actors.tools.index import Name, PassageIndex
from actors.tools.passages import Passage, name_stem
from actors.tools.quality import BOILERPLATE, statements
from actors.tools.words import content_words, jaccard, related, stem, tokens

CANDIDATES_MIN = 40
NEAR_DUPLICATE = 0.85
RELATED_SCORE = 0.5
BOILERPLATE_SCORE = 0.5
ELSEWHERE_EVERY = 4  # of so many passages one may be another document's about the same thing
OPENING_PASSAGES = 6  # how far to look for the sentence that says what a document is about
SPREAD_PASSAGES = 200  # of one document, when nothing in particular is asked
NAMED_MAX = 12
TOPICS_MAX = 8  # words of a question that are looked for one by one


@dataclass(frozen=True, slots=True)
class Query:
    """A query taken apart: the documents it names, the words that name them, and its topic."""

    named: tuple[Name, ...]
    names: tuple[str, ...]
    topic: tuple[str, ...]


def find_passages(index: PassageIndex, text: str, limit: int) -> list[Passage]:
    """At most `limit` passages, best first, no two nearly the same; none when nothing fits."""
    query = read_query(text, index.names())
    if not query.topic and not query.names:
        ranked = _from_everywhere(index, limit)
    elif query.named:
        ranked = _about_named(index, query, max(CANDIDATES_MIN, 4 * limit))
    else:
        ranked = _about_topic(index, query.topic, max(CANDIDATES_MIN, 4 * limit))
    return without_near_duplicates(ranked, limit)


def read_query(text: str, known: list[Name]) -> Query:
    words = content_words(text)
    by_word = {word: named for word in words if (named := named_by(word, known))}
    distinct = dict.fromkeys(chain.from_iterable(by_word.values()))
    return Query(
        named=tuple(distinct)[:NAMED_MAX],
        names=tuple(by_word),
        topic=tuple(word for word in words if word not in by_word),
    )


def named_by(word: str, known: list[Name]) -> list[Name]:
    """The documents that the word names: those called exactly so, else those with it in their name."""
    called = tokens(word)
    exact = [name for name in known if tokens(name_stem(name.uri)) == called]
    if exact:
        return exact
    part = [name for name in known if set(called) <= set(tokens(name_stem(name.uri)))]
    # A word in many names ("guide", "2024") tells no document from another.
    return part if len(part) <= max(1, len(known) // 4) else []


def without_near_duplicates(ranked: list[Passage], limit: int) -> list[Passage]:
    kept: list[Passage] = []
    seen: list[frozenset[str]] = []
    for passage in ranked:
        words = frozenset(tokens(passage.text))
        if any(jaccard(words, other) >= NEAR_DUPLICATE for other in seen):
            continue
        kept.append(passage)
        seen.append(words)
        if len(kept) == limit:
            break
    return kept


def _about_topic(index: PassageIndex, topic: tuple[str, ...], limit: int, uri: str | None = None) -> list[Passage]:
    """By the words themselves, then, at a lower score, by words that mean nearly the same."""
    exact = index.search(topic, limit, uri=uri)
    alike = index.search(chain.from_iterable(sorted(related(word)) for word in topic), limit, uri=uri)
    known = {passage.pid for passage in exact}
    others = [p.model_copy(update={"score": p.score * RELATED_SCORE}) for p in alike if p.pid not in known]
    ranked = sorted(map(_placed, [*exact, *others]), key=lambda passage: -passage.score)
    return list(
        {passage.pid: passage for passage in [*ranked[:1], *_best_of_each(index, topic, uri), *ranked]}.values()
    )


def _best_of_each(index: PassageIndex, topic: tuple[str, ...], uri: str | None) -> list[Passage]:
    """One passage per word, so that the report does not miss a word that the documents have."""
    found = [index.search([word], 1, uri=uri) for word in topic[:TOPICS_MAX]] if len(topic) > 1 else []
    return [_placed(passage) for passages in found for passage in passages]


def _from_everywhere(index: PassageIndex, limit: int) -> list[Passage]:
    """An equal share of each document, its opening and then evenly spread; of many documents the first ones."""
    names = index.names()[:limit]
    shares = [_spread(index, name.uri, limit // len(names)) for name in names]
    return [passage for row in zip_longest(*shares) for passage in row if passage is not None]


def _spread(index: PassageIndex, uri: str, count: int) -> list[Passage]:
    telling = [p for p in index.opening(uri, SPREAD_PASSAGES) if not BOILERPLATE.search(p.heading) and statements(p)]
    step = max(1.0, len(telling) / count)
    return [telling[int(at * step)] for at in range(count) if int(at * step) < len(telling)]


def _placed(passage: Passage) -> Passage:
    """Change logs, licences and the like answer few questions."""
    factor = BOILERPLATE_SCORE if BOILERPLATE.search(passage.heading) else 1.0
    return passage.model_copy(update={"score": round(passage.score * factor, 4)})


def _about_named(index: PassageIndex, query: Query, limit: int) -> list[Passage]:
    by_document = [_of_document(index, query, name, limit) for name in query.named]
    in_turns = [passage for row in zip_longest(*by_document) for passage in row if passage is not None]
    own = {name.uri for name in query.named}
    asked = [*query.topic, *chain.from_iterable(sorted(related(word)) for word in query.topic)]
    elsewhere = index.search_with(query.names, asked, limit)
    others = [passage for passage in elsewhere if passage.uri not in own and _names(passage, query)]
    return _interleaved(in_turns, others)


def _interleaved(first: list[Passage], others: list[Passage]) -> list[Passage]:
    """The first list with one of the others after every few, and the rest at the end."""
    mixed: list[Passage] = []
    rest = iter(others)
    for at, passage in enumerate(first, start=1):
        mixed.append(passage)
        if at % (ELSEWHERE_EVERY - 1) == 0 and (other := next(rest, None)):
            mixed.append(other)
    return [*mixed, *rest]


def _of_document(index: PassageIndex, query: Query, name: Name, limit: int) -> list[Passage]:
    ranked = _about_topic(index, query.topic, limit, uri=name.uri)
    opening = _opening(index, name.uri)
    if not query.topic:
        ranked = index.search(query.names, limit, uri=name.uri)
    others = [passage for passage in ranked if opening is None or passage.pid != opening.pid]
    return others if opening is None else [*others[:1], opening, *others[1:]]


def _opening(index: PassageIndex, uri: str) -> Passage | None:
    """The first passage with a statement in it: it mostly says what the document is about."""
    first = index.opening(uri, OPENING_PASSAGES)
    return next((passage for passage in first if statements(passage)), None)


def _names(passage: Passage, query: Query) -> bool:
    words = {stem(word) for word in tokens(f"{passage.heading} {passage.text}")}
    return any(stem(name) in words for name in query.names)
