"""Sets subjects side by side: a row per subject, a short cell per aspect."""

import re

from actors.tools.analysing.findings import Analysis, Finding
from actors.tools.contradictions.facts import denies
from actors.tools.reporting.ledger import Ledger
from actors.tools.reporting.opening import on
from actors.tools.text.inline import shorten
from app.model.report import Cell, Row, Table

ASPECTS_MAX = 8
CELL_CHARS_MAX = 80
CITED_MAX = 3  # per cell
CLAUSE_END = re.compile(r"[;:,]\s|\s(?:\u2013|\u2014|-)\s|\s\(")
CLAUSE_START = re.compile(r"[;:,.]\s")
CLAUSE_CHARS_MIN = 25
CONDITION = re.compile(r"\b(?:although|except|if|once|only|though|unless|until|wh(?:en|ere|ether|ile)|without)\b", re.I)


def compare(analysis: Analysis, ledger: Ledger) -> Table:
    """
    The table of an analysis with subjects and topics.

    A sentence that fits a cell is said there and nowhere else; of a longer one the cell has the beginning, or
    what follows where it names the aspect, and the findings below have all of it. So it is with one that has been said,
    in another cell perhaps.
    """
    aspects = analysis.topics[:ASPECTS_MAX]
    rows = [
        Row(subject=name, cells=[_cell(on(analysis, name, aspect), aspect, ledger) for aspect in aspects])
        for name in analysis.subjects
    ]
    return Table(aspects=aspects, rows=rows)


def _cell(findings: list[Finding], aspect: str, ledger: Ledger) -> Cell:
    ranked = sorted(findings, key=lambda finding: -finding.score)[:CITED_MAX]
    if not ranked:
        return Cell()
    free = [finding for finding in ranked if ledger.is_free(finding)]
    best = next((finding for finding in free if len(finding.text) <= CELL_CHARS_MAX), (free or ranked)[0])
    # Another source need not say what the cell says.
    sources = ledger.cite(best)
    return Cell(text=_gist(best, aspect, ledger, said=not free), sources=sources)


def _gist(finding: Finding, aspect: str, ledger: Ledger, *, said: bool) -> str:
    """What fits the cell: all of the sentence, or what it says from the clause on that names the aspect."""
    text = finding.text
    if not said and len(text) <= CELL_CHARS_MAX:
        return ledger.say(finding).text
    begin = _clause(text, aspect)
    # Without a denial before it the clause would say the contrary, without a condition more than its source.
    if begin and not denies(text[:begin]) and not CONDITION.search(text[:begin]):
        return shorten(f"… {text[begin:]}", CELL_CHARS_MAX)
    return _beginning(text, min(CELL_CHARS_MAX, len(text) * 2 // 3))


def _clause(text: str, aspect: str) -> int:
    """Where the clause begins that names the aspect, or a word of it; 0 when that is at the beginning."""
    words = [aspect, *aspect.split()]
    places = [place for word in words if (place := text.casefold().find(word.casefold())) >= 0]
    if not places or places[0] < CLAUSE_CHARS_MIN:
        return 0
    return max((end.end() for end in CLAUSE_START.finditer(text) if end.end() <= places[0]), default=0)


def _beginning(text: str, chars_max: int) -> str:
    head = text[:chars_max]
    ends = [match.start() for match in CLAUSE_END.finditer(head) if match.start() >= CLAUSE_CHARS_MIN]
    return f"{head[: ends[-1]]} …" if ends and "`" not in head else shorten(text, chars_max)
