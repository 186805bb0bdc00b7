"""
Prints an analysis as a Markdown report whose every citation has been checked.

Text of documents only enters through `escape`; headings, lists, tables and source numbers are made here.
The parts joined are the report, so what is streamed and what is stored are the same text.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from actors.tools.citations import Claim, Verification, verify
from actors.tools.findings import Analysis, Difference, Finding, Quotation, find_gaps
from actors.tools.inline import escape, escape_line, plain, shorten
from actors.tools.sources import Numbering, in_words, print_sources

TITLE_CHARS_MAX = 120
TABLE_TOPICS_MAX = 5
SUMMARY_SENTENCES = 3

REQUEST_TAIL = re.compile(
    r"[,;.]?\s*(?:and|then)?\s*(?:please\s+)?(?:write|give|make|produce|create|prepare)\s+(?:me\s+|us\s+)?(?:an?|the|some)?\s*"
    r"(?:\w+\s+){0,2}(?:summary|report|overview|comparison|text|document)\W*$",
    re.IGNORECASE,
)
REQUEST_HEAD = re.compile(
    r"(?:please )?(?:compare|contrast|summari[sz]e|explain|describe|analy[sz]e|show|tell me|find out)"
    r"(?: and contrast)? (?=(?:how|what|why|when|which|where|whether)\b)",
    re.IGNORECASE,
)
NUMBER_WORDS = {3: "three", 4: "four", 5: "five", 6: "six"}
KINDS = {"numbers": "other numbers", "negation": "one says it, the other denies it"}


@dataclass(slots=True)
class Report:
    """The finished report: its parts in order, its sources by number, and what became of the citations."""

    title: str
    parts: list[str]
    sources: list[dict[str, object]]
    verification: Verification
    sentences: int

    @property
    def text(self) -> str:
        return "".join(self.parts)


def write_report(analysis: Analysis, request: str) -> Report:
    """Verifies first and prints only what held; gaps are worked out again from what is left."""
    verification = verify(_claims(analysis), analysis.passages)
    kept = _only_held(analysis, verification)
    numbering = Numbering(kept.passages)
    title = report_title(request)
    body = [f"# {escape(title)}\n", *_summary(kept, numbering), *_findings(kept, numbering)]
    body += [*_differences(kept, numbering), *_missing(kept), *print_sources(numbering, len(verification.rejected))]
    return Report(title, body, [source.as_dict() for source in numbering.sources()], verification, len(kept.findings))


def report_title(request: str) -> str:
    """The request without "and write a summary", as a heading."""
    text = plain(request).rstrip(" .")
    text = REQUEST_HEAD.sub("", (REQUEST_TAIL.sub("", text) or text).rstrip(" .,;"), count=1)
    return shorten(text[:1].upper() + text[1:], TITLE_CHARS_MAX) or "Report"


def _claims(analysis: Analysis) -> Iterable[Claim]:
    yield from (_claim(finding) for finding in analysis.findings)
    for difference in analysis.differences:
        yield from (_claim(side) for side in (difference.a, difference.b))


def _claim(said: Quotation) -> Claim:
    return Claim(said.text, said.quote, said.pid, said.context, said.form)


def _only_held(analysis: Analysis, verification: Verification) -> Analysis:
    findings = [finding for finding in analysis.findings if _claim(finding) in verification.held]
    differences = [pair for pair in analysis.differences if _both_held(pair, verification)]
    gaps = find_gaps(analysis.subjects, analysis.topics, findings)
    return analysis.model_copy(update={"findings": findings, "differences": differences, "gaps": gaps})


def _both_held(pair: Difference, verification: Verification) -> bool:
    return all(_claim(side) in verification.held for side in (pair.a, pair.b))


def _summary(analysis: Analysis, numbering: Numbering) -> list[str]:
    if not analysis.findings:
        return [f"\n## Summary\n\nNothing in {_documents(analysis.documents)} answers this.\n"]
    if len(analysis.subjects) > 1:
        return ["\n## Summary\n\n" + _coverage(analysis) + _table(analysis, numbering)]
    lead = _lead(analysis)
    return ["\n## Summary\n\n" + " ".join(_sentence(finding, numbering) for finding in lead) + "\n"]


def _lead(analysis: Analysis) -> list[Finding]:
    """What the subject is, then the best answer; when nothing in particular was asked, one from each group."""
    introduction = [finding for finding in analysis.findings if finding.kind == "background"][:1]
    answers = sorted((f for f in analysis.findings if f not in introduction), key=lambda f: -f.score)
    if not analysis.topics and not introduction:
        answers = list({finding.subject: finding for finding in reversed(answers)}.values())[::-1]
    return [*introduction, *answers][:SUMMARY_SENTENCES]


def _coverage(analysis: Analysis) -> str:
    """In words of our own, so without citations: who is covered on what."""
    lines = []
    for topic in analysis.topics[:TABLE_TOPICS_MAX]:
        covered = [name for name in analysis.subjects if _on(analysis, name, topic)]
        open_ = [name for name in analysis.subjects if name not in covered]
        if not covered:
            lines.append(f"On {escape(topic)} the documents say nothing about {_all(analysis.subjects)}.")
        elif not open_:
            lines.append(f"On {escape(topic)} the documents have something to say about each of them.")
        else:
            lines.append(f"On {escape(topic)} the documents speak of {_list(covered)}, not of {_list(open_)}.")
    opening = f"What the documents say about {_list(analysis.subjects)}."
    return " ".join(lines or [opening]) + "\n"


def _table(analysis: Analysis, numbering: Numbering) -> str:
    topics = analysis.topics[:TABLE_TOPICS_MAX]
    if not topics:
        return ""
    rows = [["", *(escape(topic) for topic in topics)]]
    rows.append(["---"] * len(rows[0]))
    for name in analysis.subjects:
        cells = [_marks(_on(analysis, name, topic), numbering) or "not found" for topic in topics]
        rows.append([f"**{escape(name)}**", *cells])
    return "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _on(analysis: Analysis, subject: str, topic: str) -> list[Finding]:
    return [finding for finding in analysis.findings if finding.subject == subject and topic in finding.terms]


def _marks(findings: list[Finding], numbering: Numbering) -> str:
    return " ".join(dict.fromkeys(numbering.mark(finding.pid, finding.quote) for finding in findings))


def _findings(analysis: Analysis, numbering: Numbering) -> list[str]:
    shown = [] if len(analysis.subjects) > 1 else _lead(analysis)
    rest = [finding for finding in analysis.findings if finding not in shown]
    names = list(dict.fromkeys(finding.subject for finding in rest))
    headings = len(analysis.subjects) > 1 or len(names) > 1
    sections = []
    for name in names:
        lines = [f"- {_sentence(finding, numbering)}\n" for finding in rest if finding.subject == name]
        sections.append((f"\n### {escape(name) or 'Other'}\n\n" if headings else "\n") + "".join(lines))
    return ["\n## Findings\n" + sections[0], *sections[1:]] if sections else []


def _sentence(finding: Finding, numbering: Numbering) -> str:
    return f"{escape_line(finding.text)} {numbering.mark(finding.pid, finding.quote)}"


def _differences(analysis: Analysis, numbering: Numbering) -> list[str]:
    if not analysis.differences:
        return []
    lines = []
    for pair in analysis.differences:
        sides = [f"“{escape(side.text)}” {numbering.mark(side.pid, side.quote)}" for side in (pair.a, pair.b)]
        lines.append(f"- {sides[0]} but {sides[1]} ({KINDS.get(pair.kind, escape(pair.kind))})\n")
    return ["\n## Where sources differ\n\n" + "".join(lines)]


def _missing(analysis: Analysis) -> list[str]:
    if not analysis.gaps:
        return []
    lines = []
    for subject in dict.fromkeys(gap.subject for gap in analysis.gaps):
        terms = [gap.term for gap in analysis.gaps if gap.subject == subject and gap.term]
        lines.append(f"- {_gap(subject, terms)}\n")
    return ["\n## What was not found\n\n" + "".join(lines)]


def _gap(subject: str, terms: list[str]) -> str:
    about = _list(terms, "or")
    if not subject:
        return f"No statement about {about}."
    return f"**{escape(subject)}**: no statement about {about}." if terms else f"**{escape(subject)}**: nothing at all."


def _all(names: list[str]) -> str:
    return "either of the two" if len(names) == 2 else f"any of the {NUMBER_WORDS.get(len(names), len(names))}"


def _documents(count: int) -> str:
    return f"the {count} documents searched" if count > 1 else "the document searched"


def _list(names: list[str], word: str = "and") -> str:
    return in_words([escape(name) for name in names], word)
