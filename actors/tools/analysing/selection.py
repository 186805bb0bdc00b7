"""Chooses which sentences answer: for each subject those that cover its topics best and repeat each other least."""

from collections import defaultdict

from actors.tools.analysing.candidates import Candidate, introduces, similarity
from actors.tools.analysing.question import Question

FINDINGS_MAX = 24  # shared out among the groups, each of which gets some
FINDINGS_PER_GROUP = range(3, 7)  # besides one per topic
GROUPS_MAX = 12
DUPLICATE = 0.8
RELATIVE_SCORE_MIN = 0.55  # of the group's best; below that a sentence is padding
DIVERSITY = 0.3
INTRODUCTION_MIN = 0.3
ANSWERS_MIN = 0.5  # of a question none of whose topics is spoken of: the best relevance, or nothing answers
ELSEWHERE_RELEVANCE = 0.5  # of a sentence that speaks of none of the subjects read from the question

Group = tuple[str, list[Candidate]]


def grouped(question: Question, candidates: list[Candidate], floor: float = RELATIVE_SCORE_MIN) -> list[Group]:
    """
    By subject in the question's order; without subjects by document, or by heading within the only one.

    Documents that were asked about by name get their say. Of others only what comes near the best answer does: a
    share `floor` of its score, or the best on a topic.
    """
    if question.topics and not question.subjects:
        candidates = _near_the_best(question, candidates, floor)
    groups: dict[str, list[Candidate]] = defaultdict(list)
    several = len({candidate.passage.uri for candidate in candidates}) > 1
    for candidate in candidates:
        groups[_label(question, candidate, several)].append(candidate)
    if question.subjects:
        own = [(subject.name, groups[subject.name]) for subject in question.subjects]
        others = [c for c in groups[""] if question.implied and question.topics and c.relevance >= ELSEWHERE_RELEVANCE]
        return [*own, *([("", others)] if others else [])]
    ranked = sorted(groups, key=lambda name: (-max(c.score for c in groups[name]), min(c.place for c in groups[name])))
    best = sorted(ranked[:GROUPS_MAX], key=lambda name: min(candidate.place for candidate in groups[name]))
    return [(name, groups[name]) for name in best]


def _near_the_best(question: Question, candidates: list[Candidate], floor: float) -> list[Candidate]:
    ranked = sorted(candidates, key=lambda candidate: (-candidate.score, candidate.place))
    firsts = [next((c for c in ranked if topic.word in c.covers), None) for topic in question.topics]
    if not any(firsts) and max((c.relevance for c in candidates), default=0.0) < ANSWERS_MIN:
        return []
    kept = {id(candidate) for candidate in firsts if candidate}
    return [c for c in candidates if c.score >= floor * ranked[0].score or id(c) in kept]


def chosen(question: Question, members: list[Candidate], groups: int) -> tuple[Candidate | None, list[Candidate]]:
    """The sentence that says what the group is about, if one does, and those that answer, in reading order."""
    limit = max(FINDINGS_PER_GROUP[0], min(FINDINGS_PER_GROUP[-1], FINDINGS_MAX // max(1, groups)))
    introduction = _introduction(members)
    selected = _select(question, [c for c in members if _answers(question, c)], introduction, limit)
    answers = [candidate for candidate in sorted(selected, key=lambda c: c.place) if candidate is not introduction]
    shown = introduction is not None and any(candidate is introduction for candidate in selected)
    return (introduction if shown else None), answers


def _label(question: Question, candidate: Candidate, several: bool) -> str:
    if question.subjects:
        return candidate.subject
    return candidate.passage.title if several else candidate.passage.heading.rpartition(" > ")[2]


def _introduction(members: list[Candidate]) -> Candidate | None:
    surest = max((candidate.sure for candidate in members), default=0.0)
    own = [candidate for candidate in members if candidate.sure == surest]
    ranked = sorted(own, key=lambda candidate: (-introduces(candidate), candidate.place))
    return ranked[0] if ranked and introduces(ranked[0]) >= INTRODUCTION_MIN else None


def _answers(question: Question, candidate: Candidate) -> bool:
    if not question.topics:
        return True
    return bool(candidate.covers) or (candidate.relevance > 0 and candidate.weight >= 1)


def _select(
    question: Question, members: list[Candidate], introduction: Candidate | None, limit: int
) -> list[Candidate]:
    """For each topic its best sentence, whatever it repeats, then the best that add something (MMR)."""
    ranked = sorted(members, key=lambda candidate: (-candidate.score, candidate.place))
    chosen = [introduction] if introduction else []
    for topic in question.topics:
        if not any(topic.word in candidate.covers for candidate in chosen):
            best = next((candidate for candidate in ranked if topic.word in candidate.covers), None)
            chosen += [best] if best else []
    while len(chosen) < limit + bool(introduction):
        fresh = [c for c in ranked if c.score >= RELATIVE_SCORE_MIN * ranked[0].score and not _repeats(c, chosen)]
        if not fresh:
            break
        chosen.append(max(fresh, key=lambda candidate: candidate.score - DIVERSITY * _overlap(candidate, chosen)))
    return [candidate for candidate in chosen if not any(_within(candidate, other) for other in chosen)]


def _within(one: Candidate, other: Candidate) -> bool:
    """Whether the other says all of it and more."""
    return (
        len(one.sentence.quote) < len(other.sentence.quote)
        and _shares_text(one, other)
        and (other.sentence.start <= one.sentence.start and one.sentence.end <= other.sentence.end)
    )


def _repeats(candidate: Candidate, chosen: list[Candidate]) -> bool:
    return any(_shares_text(candidate, other) for other in chosen) or _overlap(candidate, chosen) >= DUPLICATE


def _shares_text(one: Candidate, other: Candidate) -> bool:
    same = one.passage.pid == other.passage.pid
    return same and one.sentence.start < other.sentence.end and other.sentence.start < one.sentence.end


def _overlap(candidate: Candidate, chosen: list[Candidate]) -> float:
    return max((similarity(candidate.vector, other.vector) for other in chosen), default=0.0)
