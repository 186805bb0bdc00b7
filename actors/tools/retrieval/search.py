"""
Finds the passages that answer a query: which documents it names, what it asks, and a fair mix of both.

    query names no document     the best passages
    query mentions documents    the same, with theirs favoured, and how the first of them begins
    query is about documents    of each its best on the topic and how it begins, in turns; then what other
                                documents say about the name and the topic together
    query asks nothing          ("Summarise these documents") passages from all over each document

Best is what bm25 and `ranking.py` say together.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import chain, islice, zip_longest

from actors.tools.analysing.quality import BOILERPLATE, statements
from actors.tools.retrieval.fusion import completed, fused, shared_out, without_near_duplicates
from actors.tools.retrieval.index import Name, PassageIndex, View
from actors.tools.retrieval.naming import named_by, named_in
from actors.tools.retrieval.ranking import reranked, weighed
from actors.tools.splitting.passages import Passage, name_stem
from actors.tools.text.words import SEARCH_STOP_WORDS, content_words, related, search_words, stem, stem_list, tokens
from app.documents.folder import Skipped

__all__ = ["TOPICS_MAX", "Found", "find_passages", "named_by", "search"]

QUERIES_MAX = 8
VARIANT_WEIGHT = 0.7  # of a query that only says the same in other words
SKIPPED_MAX = 100  # documents left out that are named
CANDIDATES_MIN = 60
RELATED_SCORE = 0.5
COMPARED_MIN = 2  # more names than these stand side by side, whatever the words around them
COMPARES = re.compile(r"\b(?:compar\w+|versus|vs|differ\w*|between|both|contrast\w*|each)\b", re.IGNORECASE)
FAVOUR = 0.5  # what a passage gets for being of a document that the query names
OPENING_PLACE = 3
ELSEWHERE_EVERY = 4  # of so many passages one may be another document's about the same thing
OPENING_PASSAGES = 6  # how far to look for the sentence that says what a document is about
SPREAD_PASSAGES = 200  # of one document, when nothing in particular is asked
NAMED_MAX = 12
TOPICS_MAX = 8  # words of a question that are looked for one by one
#: A word that more passages have than these, and this part of all, costs much time and finds what the others do.
COMMON_MIN, COMMON_SHARE = 2_000, 0.2


@dataclass(frozen=True, slots=True)
class Query:
    """A query taken apart: the documents it names, the words that name them, its topic and all words to look for."""

    named: tuple[Name, ...]
    names: tuple[str, ...]
    topic: tuple[str, ...]
    words: tuple[str, ...]


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


def _ranked(view: View, text: str, limit: int) -> Iterable[Passage]:
    query = read_query(text, view)
    candidates = max(CANDIDATES_MIN, 4 * limit)
    if not query.topic and not query.names:
        return _from_everywhere(view, limit)
    if query.named:
        return (_in_turns if _is_about_named(text, query) else _favouring)(view, query, candidates)
    ranked = shared_out(_about(view, query.words, candidates), share=max(2, limit // 2))
    # The last places are for words that the first passages do not have, so that a report does not miss them.
    topic = query.topic[:TOPICS_MAX] if len(query.topic) > 1 else ()
    return completed(ranked, topic, limit, lambda word: view.search([word], 1))


def _is_about_named(text: str, query: Query) -> bool:
    """Whether the documents named are the subject, as in "redis: errors" or "Compare a and b"."""
    words = tokens(text)
    opens = any(tokens(name_stem(name.uri)) == words[:1] for name in query.named)
    if opens or SEARCH_STOP_WORDS.isdisjoint(words):
        return True
    return len(query.names) > COMPARED_MIN or (len(query.names) > 1 and COMPARES.search(text) is not None)


def read_query(text: str, view: View) -> Query:
    content = content_words(text)
    by_word = {word: named for word in content if (named := named_in(view, word))}
    distinct = dict.fromkeys(chain.from_iterable(by_word.values()))
    return Query(
        named=tuple(distinct)[:NAMED_MAX],
        names=tuple(by_word),
        topic=tuple(word for word in content if word not in by_word),
        words=tuple(word for word in search_words(text) if word not in by_word),
    )


def _about(
    view: View, words: Sequence[str], limit: int, *, uri: str | None = None, favoured: Sequence[Name] = ()
) -> list[Passage]:
    """By the words themselves, then, at a lower score, by words that mean nearly the same."""
    frequencies = {word: view.frequency(word) for word in words}
    common = max(COMMON_MIN, COMMON_SHARE * view.passages)
    telling = [word for word in words if 0 < frequencies[word] <= common] or list(words)
    exact = view.search(telling, limit, uri=uri)
    alike = view.search(chain.from_iterable(sorted(related(word)) for word in words), limit // 2, uri=uri)
    known = {passage.pid for passage in exact}
    others = [p.model_copy(update={"score": p.score * RELATED_SCORE}) for p in alike if p.pid not in known]
    favour = {name.uri: FAVOUR for name in favoured}
    return reranked([*exact, *others], weighed(frequencies, view.passages), favour)


def _from_everywhere(view: View, limit: int) -> list[Passage]:
    """An equal share of each document, its opening and then evenly spread; of many documents the first ones."""
    names = view.names(limit)
    shares = [_spread(view, name.uri, limit // len(names)) for name in names]
    return [passage for row in zip_longest(*shares) for passage in row if passage is not None]


def _spread(view: View, uri: str, count: int) -> list[Passage]:
    telling = [p for p in view.opening(uri, SPREAD_PASSAGES) if not BOILERPLATE.search(p.heading) and statements(p)]
    step = max(1.0, len(telling) / count)
    return [telling[int(at * step)] for at in range(count) if int(at * step) < len(telling)]


def _favouring(view: View, query: Query, limit: int) -> Iterator[Passage]:
    """All documents, the named ones before others of the same worth; soon also how the first of them begins."""
    ranked = _all_and_named(view, query, limit)
    yield from islice(ranked, OPENING_PLACE)
    opening = _opening(view, query.named[0].uri)
    if opening is not None:
        yield opening
    yield from ranked


def _all_and_named(view: View, query: Query, limit: int) -> Iterator[Passage]:
    """The best of all documents, then of each one named; these cost much and are seldom reached, so they come last."""
    words = [*query.names, *query.words]
    ranked = _about(view, words, limit, favoured=query.named)
    yield from ranked
    known = {passage.pid for passage in ranked}
    own = chain.from_iterable(_about(view, words, limit // 2, uri=name.uri) for name in query.named)
    yield from {passage.pid: passage for passage in own if passage.pid not in known}.values()


def _in_turns(view: View, query: Query, limit: int) -> list[Passage]:
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
    """Its best on the topic, and after the first of them how it begins."""
    opening = _opening(view, name.uri)
    ranked = _about(view, query.words if query.topic else query.names, limit, uri=name.uri)
    others = [passage for passage in ranked if opening is None or passage.pid != opening.pid]
    return others if opening is None else [*others[:1], opening, *others[1:]]


def _opening(view: View, uri: str) -> Passage | None:
    """The first passage with a statement in it: it mostly says what the document is about."""
    first = view.opening(uri, OPENING_PASSAGES)
    return next((passage for passage in first if statements(passage)), None)


def _names(passage: Passage, query: Query) -> bool:
    words = {*stem_list(passage.heading), *stem_list(passage.text)}
    return any(stem(name) in words for name in query.names)
