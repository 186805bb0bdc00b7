"""Sets subjects side by side: a row per subject, a short cell per aspect."""

import re

from actors.tools.analysing.findings import Analysis, Finding
from actors.tools.reporting.ledger import Ledger
from actors.tools.reporting.opening import on
from actors.tools.text.inline import shorten
from app.model.report import Cell, Row, Table

ASPECTS_MAX = 8
CELL_CHARS_MAX = 80
CITED_MAX = 3  # per cell
CLAUSE_END = re.compile(r"[;:,]\s|\s(?:\u2013|\u2014|-)\s|\s\(")
CLAUSE_CHARS_MIN = 25


def compare(analysis: Analysis, ledger: Ledger) -> Table:
    """
    The table of an analysis with subjects and topics.

    A sentence that fits a cell is said there and nowhere else; of a longer one the cell has the beginning, and the
    findings below have all of it.
    """
    aspects = analysis.topics[:ASPECTS_MAX]
    rows = [
        Row(subject=name, cells=[_cell(on(analysis, name, aspect), ledger) for aspect in aspects])
        for name in analysis.subjects
    ]
    return Table(aspects=aspects, rows=rows)


def _cell(findings: list[Finding], ledger: Ledger) -> Cell:
    ranked = sorted(findings, key=lambda finding: -finding.score)[:CITED_MAX]
    if not ranked:
        return Cell()
    free = [finding for finding in ranked if ledger.is_free(finding)]
    best = next((finding for finding in free if len(finding.text) <= CELL_CHARS_MAX), free[0] if free else None)
    cited = [best] if best else ranked  # another source need not say what the cell says
    sources = [number for finding in cited for number in ledger.cite(finding)]
    text = _gist(best, ledger) if best else ""
    return Cell(text=text, sources=list(dict.fromkeys(sources)))


def _gist(finding: Finding, ledger: Ledger) -> str:
    if len(finding.text) <= CELL_CHARS_MAX:
        return ledger.say(finding).text
    head = finding.text[:CELL_CHARS_MAX]
    ends = [match.start() for match in CLAUSE_END.finditer(head) if match.start() >= CLAUSE_CHARS_MIN]
    return f"{head[: ends[-1]]} …" if ends and "`" not in head else shorten(finding.text, CELL_CHARS_MAX)
