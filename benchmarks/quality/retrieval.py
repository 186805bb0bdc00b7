"""Does the passage with the answer come first? Recall at 5 and mean reciprocal rank, per engine."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, median

from benchmarks.rival_environments import NotInstalled

from .documents import readable
from .engines import ENGINES, Ranking, cut
from .questions import Place, Question, words

FIRST = 5


@dataclass(frozen=True, slots=True)
class Score:
    """Of one engine: over all its questions, per kind, and what it costs."""

    engine: str
    questions: int
    recall: float
    mrr: float
    by_kind: dict[str, float]
    built_s: float
    query_ms: float
    missed: list[str]


def score(asked: Sequence[Question], only: Sequence[str] = tuple(ENGINES)) -> list[Score]:
    """Each engine over the same questions; one that cannot be had here is left out."""
    answerable = [question for question in asked if question.answers]
    return [found for engine in only if (found := _score(engine, answerable))]


def _score(engine: str, asked: list[Question]) -> Score | None:
    recalls: list[tuple[Question, float]] = []
    ranks: list[float] = []
    built_s, query_ms = 0.0, []
    for corpus in sorted({question.corpus for question in asked}):
        own = [question for question in asked if question.corpus == corpus]
        try:
            ranking: Ranking = ENGINES[engine](readable(corpus), [question.text for question in own])
        except NotInstalled as error:
            print(f"note: {engine} is left out: {error}")
            return None
        built_s += ranking.built_s
        query_ms += ranking.query_ms
        for question, found in zip(own, ranking.found, strict=True):
            recalls.append((question, recall(question, found[:FIRST])))
            ranks.append(reciprocal_rank(question, found))
    kinds = sorted({question.kind for question in asked})
    return Score(
        engine=engine, questions=len(asked), recall=fmean(value for _, value in recalls), mrr=fmean(ranks),
        by_kind={kind: fmean(value for question, value in recalls if question.kind == kind) for kind in kinds},
        built_s=built_s, query_ms=median(query_ms),
        missed=[f"{question.corpus}: {question.text}" for question, value in recalls if value < 1],
    )  # fmt: skip


def ceiling(asked: Sequence[Question]) -> float:
    """Which part of the answers stands in one piece in any passage at all: no engine can find more."""
    passages = {name: cut(name) for name in {question.corpus for question in asked}}
    answers = [(question.corpus, answer) for question in asked for answer in question.answers]
    return fmean(any(_stands(place, passages[name].get(place[0], [])) for place in answer) for name, answer in answers)


def recall(question: Question, found: Sequence[tuple[str, str]]) -> float:
    """Which part of the answers stands in the passages found."""
    return fmean(any(_stands(place, found) for place in answer) for answer in question.answers)


def reciprocal_rank(question: Question, found: Sequence[tuple[str, str]]) -> float:
    """One through the place of the first passage with any of the answers; 0 when there is none."""
    places = [place for answer in question.answers for place in answer]
    hits = (rank for rank, one in enumerate(found, start=1) if any(_stands(place, [one]) for place in places))
    return 1 / next(hits, float("inf"))


def _stands(place: Place, found: Sequence[tuple[str, str]]) -> bool:
    document, quotation = place
    return any(uri == document and words(quotation) in words(text) for uri, text in found)
