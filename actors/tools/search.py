"""
Finds the passages that answer a query: which documents it names, what it asks, and a fair mix of both.

    query names no document     the best passages by bm25
    query asks nothing          ("Summarise these documents") passages from all over each document
    query names documents       of each its best on the topic and how it begins, in turns; then what other
                                documents say about the name and the topic together
"""

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, zip_longest

from actors.tools.fusion import fused, shared_out, without_near_duplicates
from actors.tools.index import Name, PassageIndex, View
from actors.tools.passages import Passage, name_stem
from actors.tools.quality import BOILERPLATE, statements
from actors.tools.words import content_words, related, stem, tokens
from app.documents.folder import Skipped

CANDIDATES_MIN = 40
QUERIES_MAX = 8
VARIANT_WEIGHT = 0.7  # of a query that only says the same in other words
SKIPPED_MAX = 100  # documents left out that are named
NAMED_BY_MAX = 50  # documents that one word may name
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


@dataclass(frozen=True, slots=True)
class Found:
    """What a search came to: passages, how many documents were searched, and which ones could not be."""

    passages: list[Passage]
    documents: int
    skipped: list[Skipped]
    notes: list[Skipped]


def search(indexes: Sequence[PassageIndex], text: str, limit: int, queries: Sequence[str] = ()) -> Found:
    """
    At most `limit` passages, best first, no two nearly the same; none when nothing fits.

    `queries` say in other words what `text` asks. The rankings of all queries, and of several indexes, are fused.
    """
    with ExitStack() as open_views:
        views = [open_views.enter_context(index.view()) for index in indexes]
        asked = list(dict.fromkeys([text, *queries]))[: QUERIES_MAX + 1]
        by_query = [fused([_ranked(view, query, limit) for view in views]) for query in asked]
        skipped = [one for index in indexes for one in index.corpus.left_out()]
        skipped += [one for view in views for one in view.skipped(SKIPPED_MAX)]
        notes = [one for view in views for one in view.notes(SKIPPED_MAX)]
        documents = sum(view.count() for view in views)
    weights = [1.0] + [VARIANT_WEIGHT] * (len(asked) - 1)
    passages = without_near_duplicates(fused(by_query, weights), limit)
    return Found(passages, documents, skipped[:SKIPPED_MAX], notes[:SKIPPED_MAX])


def find_passages(index: PassageIndex, text: str, limit: int) -> list[Passage]:
    """The same for one index and one query, and only the passages."""
    return search([index], text, limit).passages


def _ranked(view: View, text: str, limit: int) -> list[Passage]:
    query = read_query(text, view)
    candidates = max(CANDIDATES_MIN, 4 * limit)
    if not query.topic and not query.names:
        return _from_everywhere(view, limit)
    if query.named:
        return _about_named(view, query, candidates)
    return _about_topic(view, query.topic, candidates, share=max(2, limit // 2))


def read_query(text: str, view: View) -> Query:
    words = content_words(text)
    by_word = {word: named for word in words if (named := _named_in(view, word))}
    distinct = dict.fromkeys(chain.from_iterable(by_word.values()))
    return Query(
        named=tuple(distinct)[:NAMED_MAX],
        names=tuple(by_word),
        topic=tuple(word for word in words if word not in by_word),
    )


def _named_in(view: View, word: str) -> list[Name]:
    """The same as `named_by` for all documents of an index, however many they are."""
    called = tokens(word)
    exact = [name for name in view.names_with(called, NAMED_BY_MAX, only=True) if tokens(name_stem(name.uri)) == called]
    if exact:
        return exact
    few = min(NAMED_BY_MAX, max(1, view.named // 4))
    part = view.names_with(called, few + 1)
    return part if len(part) <= few else []


def named_by(word: str, known: list[Name]) -> list[Name]:
    """The documents that the word names: those called exactly so, else those with it in their name."""
    called = tokens(word)
    exact = [name for name in known if tokens(name_stem(name.uri)) == called]
    if exact:
        return exact
    part = [name for name in known if set(called) <= set(tokens(name_stem(name.uri)))]
    # A word in many names ("guide", "2024") tells no document from another.
    return part if len(part) <= max(1, len(known) // 4) else []


def _about_topic(
    view: View, topic: tuple[str, ...], limit: int, *, uri: str | None = None, share: int = CANDIDATES_MIN
) -> list[Passage]:
    """By the words themselves, then, at a lower score, by words that mean nearly the same."""
    exact = view.search(topic, limit, uri=uri)
    alike = view.search(chain.from_iterable(sorted(related(word)) for word in topic), limit, uri=uri)
    known = {passage.pid for passage in exact}
    others = [p.model_copy(update={"score": p.score * RELATED_SCORE}) for p in alike if p.pid not in known]
    ranked = sorted(map(_placed, [*exact, *others]), key=lambda passage: -passage.score)
    ranked = shared_out(ranked, share)
    return list({passage.pid: passage for passage in [*ranked[:1], *_best_of_each(view, topic, uri), *ranked]}.values())


def _best_of_each(view: View, topic: tuple[str, ...], uri: str | None) -> list[Passage]:
    """One passage per word, so that the report does not miss a word that the documents have."""
    found = [view.search([word], 1, uri=uri) for word in topic[:TOPICS_MAX]] if len(topic) > 1 else []
    return [_placed(passage) for passages in found for passage in passages]


def _from_everywhere(view: View, limit: int) -> list[Passage]:
    """An equal share of each document, its opening and then evenly spread; of many documents the first ones."""
    names = view.names(limit)
    shares = [_spread(view, name.uri, limit // len(names)) for name in names]
    return [passage for row in zip_longest(*shares) for passage in row if passage is not None]


def _spread(view: View, uri: str, count: int) -> list[Passage]:
    telling = [p for p in view.opening(uri, SPREAD_PASSAGES) if not BOILERPLATE.search(p.heading) and statements(p)]
    step = max(1.0, len(telling) / count)
    return [telling[int(at * step)] for at in range(count) if int(at * step) < len(telling)]


def _placed(passage: Passage) -> Passage:
    """Change logs, licences and the like answer few questions."""
    factor = BOILERPLATE_SCORE if BOILERPLATE.search(passage.heading) else 1.0
    return passage.model_copy(update={"score": round(passage.score * factor, 4)})


def _about_named(view: View, query: Query, limit: int) -> list[Passage]:
    by_document = [_of_document(view, query, name, limit) for name in query.named]
    in_turns = [passage for row in zip_longest(*by_document) for passage in row if passage is not None]
    own = {name.uri for name in query.named}
    asked = [*query.topic, *chain.from_iterable(sorted(related(word)) for word in query.topic)]
    elsewhere = view.search_with(query.names, asked, limit)
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


def _of_document(view: View, query: Query, name: Name, limit: int) -> list[Passage]:
    ranked = _about_topic(view, query.topic, limit, uri=name.uri)
    opening = _opening(view, name.uri)
    if not query.topic:
        ranked = view.search(query.names, limit, uri=name.uri)
    others = [passage for passage in ranked if opening is None or passage.pid != opening.pid]
    return others if opening is None else [*others[:1], opening, *others[1:]]


def _opening(view: View, uri: str) -> Passage | None:
    """The first passage with a statement in it: it mostly says what the document is about."""
    first = view.opening(uri, OPENING_PASSAGES)
    return next((passage for passage in first if statements(passage)), None)


def _names(passage: Passage, query: Query) -> bool:
    words = {stem(word) for word in tokens(f"{passage.heading} {passage.text}")}
    return any(stem(name) in words for name in query.names)
