"""Prints what follows the findings of a report, down to its sources, and a report as a whole."""

import re
from collections.abc import Iterable, Iterator, Sequence

from actors.tools.reporting.markdown import (
    bare,
    mark,
    print_evidence,
    print_sections,
    print_summary,
    print_title,
    sentence,
    text_once,
)
from actors.tools.reporting.opening import listed
from actors.tools.text.inline import escape, plain, shorten
from app.model.report import Agreed, Disagreement, Missing, Report, Source, Statement, Unread

QUOTATION_CHARS_MAX = 100
LINKED = re.compile(r"https?://[A-Za-z0-9.-]{1,253}(?::\d{1,5})?(?:/[\w.~!$&'()*+,;=:@%/?#-]{0,1500})?")
KINDS = {
    "numbers": "other numbers",
    "dates": "other dates",
    "negation": "one says it, the other denies it",
}


def print_report(report: Report) -> list[str]:
    """All parts in order; those that are empty are left out."""
    return [part for part in _parts(report) if part]


def _parts(report: Report) -> Iterator[str]:
    yield print_title(report.title)
    yield print_summary(report.summary)
    yield from print_evidence(report)
    yield from print_sections(report.sections)
    yield from print_end(report)


def print_end(report: Report) -> Iterator[str]:
    """The parts behind the findings."""
    yield print_agreements(report.agreements)
    yield print_differences(report.differences, said_before(report))
    yield print_missing(report.missing, report.unread)
    yield print_sources(report)


def said_before(report: Report) -> set[str]:
    """The sentences above the differences."""
    parts: list[Iterable[Statement]] = [report.summary, report.agreements]
    parts += [section.statements for section in report.sections]
    parts += [guide.steps for guide in report.guides]
    parts += [[*ruling.evidence, *ruling.against] for ruling in report.rulings]
    texts = [statement.text for part in parts for statement in part]
    texts += [cell.text for row in (report.table.rows if report.table else []) for cell in row.cells]
    return {bare(text) for text in texts if text}


def print_agreements(agreements: Sequence[Agreed]) -> str:
    lines = [f"- {_on(agreed.about)}{sentence(agreed)}\n" for agreed in agreements]
    return "\n## Where sources agree\n\n" + "".join(lines) if lines else ""


def print_differences(differences: Sequence[Disagreement], said: set[str]) -> str:
    """Both sentences; of one that a reader has read before only the beginning."""
    lines = []
    for pair in differences:
        a, b = _side(pair.a, said), _side(pair.b, said)
        lines.append(f"- {_on(pair.about)}{a}, but {b} ({KINDS.get(pair.kind, escape(pair.kind))}).\n")
    return "\n## Where sources differ\n\n" + "".join(lines) if lines else ""


def _on(about: str) -> str:
    return f"**{escape(about)}**: " if about else ""


def _side(statement: Statement, said: set[str]) -> str:
    return " ".join([f"“{escape(text_once(statement, said))}”", *map(mark, statement.sources)])


def print_missing(missing: Sequence[Missing], unread: Sequence[Unread]) -> str:
    lines = [_gap(gap) for gap in missing] + [_unread(document) for document in unread]
    return "\n## What was not found\n\n" + "".join(f"- {line}\n" for line in lines) if lines else ""


def _gap(gap: Missing) -> str:
    about = listed([escape(term) for term in gap.about], "or")
    if not gap.subject:
        return f"No statement about {about}." if about else "Nothing at all."
    return f"**{escape(gap.subject)}**: " + (f"no statement about {about}." if about else "nothing at all.")


def _unread(document: Unread) -> str:
    reason = f": {escape(document.reason).rstrip('.')}" if document.reason else ""
    if document.kind == "part":
        return f"**{escape(document.uri)}**: could not be worked on{reason}."
    if document.kind == "note":
        return f"{escape(document.uri)} may not have been understood as it was meant{reason}."
    return f"{escape(document.uri)} could not be read{reason}."


def print_sources(report: Report) -> str:
    if not report.sources:
        return ""
    note = _checked(report)
    return f"\n## Sources\n\n{note}\n\n" + "".join(f"- {_source(source)}\n" for source in report.sources)


def _checked(report: Report) -> str:
    counts = report.citations
    note = "Every numbered sentence was checked word for word against its source."
    if report.written_by == "llm":
        note = (
            "The words of summary and findings are a language model's. Of each sentence the numbers, names, quotations "
            "and main words were found in the sources it cites; all else was taken from them word for word."
        )
    if counts.repaired:
        note += f" {counts.repaired} corrected to what the source says."
    if counts.dropped:
        note += f" {counts.dropped} left out: not found in the source."
    return note


def _source(source: Source) -> str:
    path = [part for part in source.heading.split(" > ") if part][-2:]
    heading = f", “{escape(' / '.join(path))}”" if path else ""
    numbers = [str(line) for line in dict.fromkeys(quote.line for quote in source.quotes)]
    lines = f"line{'' if len(numbers) == 1 else 's'} {listed(numbers)}"
    # What leads into a list is quoted for the sake of its items, and code stands above.
    quotes = [plain(quote.quote) for quote in source.quotes if not quote.quote.startswith(("```", "~~~"))]
    quotes = quotes or [plain(source.quotes[0].quote)]
    quotation = next((quote for quote in quotes if not quote.endswith(":")), quotes[0])
    shown = escape(shorten(quotation, QUOTATION_CHARS_MAX))
    return f"{mark(source.number)} {_place(source.uri)}{heading}, {lines}: “{shown}”"


def _place(uri: str) -> str:
    """The file or address; the only link there is in a report, and only to a page."""
    return f"<{uri}>" if LINKED.fullmatch(uri) else escape(uri)
