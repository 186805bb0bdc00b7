"""
Answers a question from passages without inventing a word: picks sentences, and says what is missing.

    findings     sentences that speak of a topic of the question, per subject; each covered topic has one
    background   per subject the sentence that says what it is
    differences  where documents disagree
    gaps         which subject lacks which topic
"""

from collections import defaultdict
from typing import Any, Literal

from actors.tools.candidates import Candidate, gather, introduces, similarity
from actors.tools.differences import Pair, find_differences
from actors.tools.findings import Analysis, Difference, Finding, Side, find_gaps
from actors.tools.identity import identities
from actors.tools.passages import Passage
from actors.tools.question import Question, read_question

FINDINGS_MAX = 24  # shared out among the groups, each of which gets some
FINDINGS_PER_GROUP = range(3, 7)  # besides one per topic
GROUPS_MAX = 12
DUPLICATE = 0.8
RELATIVE_SCORE_MIN = 0.55  # of the group's best; below that a sentence is padding
DIVERSITY = 0.3
INTRODUCTION_MIN = 0.3
ELSEWHERE_RELEVANCE = 0.5  # of a sentence that speaks of none of the subjects read from the question


def analyse(
    text: str, subjects: list[str], passages: list[Passage], prior: frozenset[tuple[str, str]] = frozenset()
) -> Analysis:
    """Deterministic: the same input gives the same analysis in every process."""
    question = read_question(text, subjects, passages)
    candidates = gather(question, passages, prior)
    groups = _grouped(question, candidates)
    chosen = [finding for name, members in groups for finding in _findings(question, name, members, len(groups))]
    asked = [candidate for candidate in candidates if candidate.relevance > 0 or not question.topics]
    pairs = find_differences(asked, identities(passages))
    differences = [_difference(pair) for pair in pairs]
    cited = {finding.pid for finding in chosen} | {side.pid for pair in differences for side in (pair.a, pair.b)}
    return Analysis(
        question=text,
        subjects=[subject.name for subject in question.subjects],
        topics=[topic.word for topic in question.topics],
        documents=len({passage.uri for passage in passages}),
        findings=chosen,
        differences=differences,
        gaps=find_gaps([s.name for s in question.subjects], [t.word for t in question.topics], chosen),
        passages={passage.pid: passage for passage in passages if passage.pid in cited},
    )


def _grouped(question: Question, candidates: list[Candidate]) -> list[tuple[str, list[Candidate]]]:
    """By subject in the question's order; without subjects by document, or by heading within the only one."""
    groups: dict[str, list[Candidate]] = defaultdict(list)
    several = len({candidate.passage.uri for candidate in candidates}) > 1
    for candidate in candidates:
        groups[_label(question, candidate, several)].append(candidate)
    if question.subjects:
        own = [(subject.name, groups[subject.name]) for subject in question.subjects]
        others = [c for c in groups[""] if question.implied and question.topics and c.relevance >= ELSEWHERE_RELEVANCE]
        return [*own, *([("", others)] if others else [])]
    best = sorted(groups, key=lambda name: -max(candidate.score for candidate in groups[name]))[:GROUPS_MAX]
    return [(name, groups[name]) for name in groups if name in best]


def _label(question: Question, candidate: Candidate, several: bool) -> str:
    if question.subjects:
        return candidate.subject
    return candidate.passage.title if several else candidate.passage.heading.rpartition(" > ")[2]


def _findings(question: Question, name: str, members: list[Candidate], groups: int) -> list[Finding]:
    limit = max(FINDINGS_PER_GROUP[0], min(FINDINGS_PER_GROUP[-1], FINDINGS_MAX // max(1, groups)))
    introduction = _introduction(members)
    chosen = _select(question, [c for c in members if _answers(question, c)], introduction, limit)
    findings = [_finding(name, c, "answer") for c in sorted(chosen, key=lambda c: c.place) if c is not introduction]
    if introduction is None or not any(candidate is introduction for candidate in chosen):
        return findings
    return [_finding(name, introduction, "answer" if introduction.covers else "background"), *findings]


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


def _finding(subject: str, candidate: Candidate, kind: Literal["answer", "background"]) -> Finding:
    return Finding(
        **quoted(candidate), subject=subject, score=round(candidate.score, 4), terms=candidate.covers, kind=kind
    )


def _difference(pair: Pair) -> Difference:
    first, second = (Side(**quoted(side)) for side in (pair.first, pair.second))
    return Difference(a=first, b=second, kind=pair.kind, about=pair.about)


def quoted(candidate: Candidate) -> dict[str, Any]:
    """The fields of a quotation."""
    sentence = candidate.sentence
    return {
        "text": sentence.text, "quote": sentence.quote, "pid": candidate.passage.pid,
        "context": sentence.context, "form": sentence.form,
    }  # fmt: skip
