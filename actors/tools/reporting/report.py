"""
Writes the report of an analysis: deterministic, and only of what was found word for word.

The parts joined are the report, so what is streamed and what is stored are the same text.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from actors.tools.analysing.findings import Analysis
from actors.tools.reporting.checked import Checked, check_analysis
from actors.tools.reporting.compose import Composer
from actors.tools.reporting.endmatter import print_report
from actors.tools.splitting.passages import Passage
from actors.tools.text.inline import plain, shorten
from app.model.report import Report

TITLE_CHARS_MAX = 120

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


@dataclass(frozen=True, slots=True)
class Written:
    """A finished report: as data, and as Markdown in parts."""

    report: Report
    parts: list[str]

    @property
    def text(self) -> str:
        return "".join(self.parts)


def write_report(analysis: Analysis, request: str, passages: Mapping[str, Passage] | None = None) -> Written:
    """Verifies first and prints only what held; `passages` are those there were, else the analysis's own."""
    checked = check_analysis(analysis, analysis.passages if passages is None else passages)
    report = Composer(checked.analysis).fill(begin(checked, request))
    return Written(report, print_report(report))


def begin(checked: Checked, request: str) -> Report:
    """A report that has its head and no body."""
    analysis = checked.analysis
    return Report(
        title=report_title(request),
        question=analysis.question,
        intent=analysis.intent,
        documents=analysis.documents,
        citations=checked.counts,
    )


def report_title(request: str) -> str:
    """The request without "and write a summary", as a heading."""
    text = plain(request).rstrip(" .")
    text = REQUEST_HEAD.sub("", (REQUEST_TAIL.sub("", text) or text).rstrip(" .,;"), count=1)
    return shorten(text[:1].upper() + text[1:], TITLE_CHARS_MAX) or "Report"
