"""
Answers a question from passages without inventing a word: picks sentences, and says what is missing.

    findings     sentences that speak of a topic of the question, per subject; each covered topic has one
    background   per subject the sentence that says what it is
    themes       labels under which the findings stand
    agreements, differences   where documents say the same, and where they do not agree
    verdicts     for a check: whether its statements hold
    procedures   for a how-to: the instructions, in order, with their code
    gaps         which subject lacks which topic
"""

from collections.abc import Sequence
from typing import Any

from actors.tools.analysing.candidates import Candidate, gather
from actors.tools.analysing.checks import claims_of, judge
from actors.tools.analysing.findings import Agreement, Analysis, Difference, Finding, Gap, Side, Verdict, find_gaps
from actors.tools.analysing.procedures import find_procedures
from actors.tools.analysing.question import Question, read_question
from actors.tools.analysing.selection import RELATIVE_SCORE_MIN, chosen, grouped
from actors.tools.analysing.themes import Told, themes_of
from actors.tools.contradictions.differences import Chorus, Pair, compare_sources
from actors.tools.contradictions.identity import identities
from actors.tools.splitting.passages import Passage
from actors.tools.text.words import stem_set
from app.model.plan import Intent

CHECK_FLOOR = 0.75  # beside a verdict only the nearest sentences are worth reading

Prior = frozenset[tuple[str, str]]


def analyse(
    text: str,
    subjects: Sequence[str],
    passages: list[Passage],
    prior: Prior = frozenset(),
    *,
    intent: Intent = Intent.ANSWER,
    aspects: Sequence[str] = (),
) -> Analysis:
    """
    Deterministic: the same input gives the same analysis in every process.

    `prior` has what an earlier analysis picked, as (pid, quotation). For a check, the subjects are its statements.
    """
    claims = claims_of(text, subjects) if intent is Intent.CHECK else []
    question = read_question(text, [] if claims else subjects, passages, aspects)
    candidates = gather(question, passages, prior)
    pairs, choruses = compare_sources(_asked(question, candidates), identities(passages))
    verdicts = [_verdict(claim, candidates) for claim in claims]
    findings, themes = _findings(question, candidates, CHECK_FLOOR if claims else RELATIVE_SCORE_MIN)
    analysis = Analysis(
        question=text,
        intent=intent,
        subjects=claims if len(claims) > 1 else [subject.name for subject in question.subjects],
        topics=[] if claims else [topic.word for topic in question.topics],
        documents=len({passage.uri for passage in passages}),
        themes=themes,
        findings=findings,
        agreements=[_agreement(chorus) for chorus in choruses],
        differences=[_difference(pair) for pair in pairs],
        verdicts=verdicts,
        procedures=find_procedures(question, passages) if intent is Intent.HOWTO else [],
    )
    analysis.gaps = _gaps(analysis, question)
    cited = analysis.cited
    analysis.passages = {passage.pid: passage for passage in passages if passage.pid in cited}
    return analysis


def _asked(question: Question, candidates: list[Candidate]) -> list[Candidate]:
    return [candidate for candidate in candidates if candidate.relevance > 0 or not question.topics]


def _gaps(analysis: Analysis, question: Question) -> list[Gap]:
    """What no finding covers; an instruction with its code and heading covers too."""
    if analysis.verdicts:
        return [Gap(subject=verdict.claim) for verdict in analysis.verdicts if verdict.verdict == "not found"]
    told = " ".join(procedure.wording for procedure in analysis.procedures)
    _, shown = question.hits(stem_set(told), frozenset())
    gaps = find_gaps(analysis.subjects, analysis.topics, analysis.findings)
    return [gap for gap in gaps if gap.term not in shown]


def _findings(question: Question, candidates: list[Candidate], floor: float) -> tuple[list[Finding], list[str]]:
    """The findings, group by group, and the labels of their themes in the order of first use."""
    groups = grouped(question, candidates, floor)
    picked: list[tuple[Candidate, Finding]] = []
    for name, members in groups:
        introduction, answers = chosen(question, members, len(groups))
        if introduction:
            kind = "answer" if introduction.covers else "background"
            picked.append((introduction, _finding(name, introduction).model_copy(update={"kind": kind})))
        picked += [(candidate, _finding(name, candidate)) for candidate in answers]
    answers_only = [(candidate, finding) for candidate, finding in picked if finding.kind == "answer"]
    several = len(question.topics) > 1
    labels = themes_of([_told(candidate, several) for candidate, _ in answers_only])
    for (_, finding), label in zip(answers_only, labels, strict=True):
        finding.theme = label
    return [finding for _, finding in picked], list(dict.fromkeys(label for label in labels if label))


def _told(candidate: Candidate, several_topics: bool) -> Told:
    topics = tuple(candidate.covers) if several_topics else ()
    passage = candidate.passage
    return Told(candidate.sentence.text, passage.heading, passage.title, topics, candidate.vector)


def _finding(subject: str, candidate: Candidate) -> Finding:
    return Finding(**_quoted(candidate), subject=subject, score=round(candidate.score, 4), terms=candidate.covers)


def _verdict(claim: str, candidates: list[Candidate]) -> Verdict:
    same, contrary = ([_side(candidate) for candidate in found] for found in judge(claim, candidates))
    if same and contrary:
        return Verdict(claim=claim, verdict="disputed", sides=same, against=contrary)
    if same or contrary:
        return Verdict(claim=claim, verdict="supported" if same else "contradicted", sides=same or contrary)
    return Verdict(claim=claim, verdict="not found")


def _agreement(chorus: Chorus) -> Agreement:
    return Agreement(sides=[_side(voice) for voice in chorus.voices], about=chorus.about)


def _difference(pair: Pair) -> Difference:
    return Difference(a=_side(pair.first), b=_side(pair.second), kind=pair.kind, about=pair.about)


def _side(candidate: Candidate) -> Side:
    return Side(**_quoted(candidate))


def _quoted(candidate: Candidate) -> dict[str, Any]:
    """The fields of a quotation."""
    sentence = candidate.sentence
    return {
        "text": sentence.text, "quote": sentence.quote, "pid": candidate.passage.pid,
        "context": sentence.context, "form": sentence.form,
    }  # fmt: skip
