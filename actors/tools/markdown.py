"""
Prints the parts of a report as Markdown.

Text of documents only enters through `escape`; headings, lists, tables, fences and source numbers are made here. The
parts joined are the report, each ends with a line, and each but the first begins with a blank one.
"""

import re
from collections.abc import Iterable, Iterator, Sequence

from actors.tools.citations import normalised
from actors.tools.inline import escape, escape_line, plain, shorten
from actors.tools.opening import listed
from app.model.report import (
    Agreed,
    Disagreement,
    Guide,
    Missing,
    Report,
    Ruling,
    Section,
    Snippet,
    Source,
    Statement,
    Table,
    Unread,
)  # fmt: skip

QUOTATION_CHARS_MAX = 100
KINDS = {
    "numbers": "other numbers",
    "dates": "other dates",
    "negation": "one says it, the other denies it",
}
FINDINGS = "\n## Findings\n"


def print_report(report: Report) -> list[str]:
    """All parts in order; those that are empty are left out."""
    return [part for part in _parts(report) if part]


def _parts(report: Report) -> Iterator[str]:
    yield print_title(report.title)
    yield print_summary(report.summary)
    yield from print_evidence(report)
    for at, section in enumerate(report.sections):
        yield (FINDINGS if at == 0 else "") + print_section(section)
    yield from print_end(report)


def print_title(title: str) -> str:
    return f"# {escape(title)}\n"


def print_summary(statements: Sequence[Statement]) -> str:
    return "\n## Summary\n\n" + " ".join(map(sentence, statements)) + "\n"


def print_evidence(report: Report) -> Iterator[str]:
    """The parts between summary and findings."""
    yield print_table(report.table) if report.table else ""
    yield print_rulings(report.rulings)
    yield print_guides(report.guides)


def print_end(report: Report) -> Iterator[str]:
    """The parts behind the findings."""
    yield print_agreements(report.agreements)
    yield print_differences(report.differences, said_before(report))
    yield print_missing(report.missing, report.unread)
    yield print_sources(report)


def sentence(statement: Statement) -> str:
    """The sentence and its numbers, for the beginning of a line or within one."""
    return " ".join([escape_line(statement.text), *map(_mark, statement.sources)])


def print_section(section: Section) -> str:
    heading = f"\n### {escape(section.title)}\n\n" if section.title else "\n"
    return heading + "".join(f"- {sentence(statement)}\n" for statement in section.statements)


def print_table(table: Table) -> str:
    """As many columns as the shorter side has."""
    subjects = [row.subject for row in table.rows]
    cells = [[_cell(cell.text, cell.sources) for cell in row.cells] for row in table.rows]
    columns, names = table.aspects, subjects
    if len(subjects) < len(table.aspects):
        columns, names, cells = subjects, table.aspects, [list(column) for column in zip(*cells, strict=True)]
    rows = [["", *map(escape, columns)], ["---"] * (len(columns) + 1)]
    rows += [[f"**{escape(name)}**", *row] for name, row in zip(names, cells, strict=True)]
    return "\n" + "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cell(text: str, sources: list[int]) -> str:
    return " ".join([*([escape(text)] if text else []), *map(_mark, sources)]) or "not found"


def print_rulings(rulings: Sequence[Ruling]) -> str:
    if not rulings:
        return ""
    said: set[str] = set()
    return "\n## Statements checked\n\n" + "".join(
        _ruling(at, ruling, said) for at, ruling in enumerate(rulings, start=1)
    )


def _ruling(at: int, ruling: Ruling, said: set[str]) -> str:
    lines = [f"{at}. “{escape(ruling.claim)}”: **{ruling.verdict}**"]
    said.add(_bare(ruling.claim))
    lines += [f"   - {_evidence(statement, said)}" for statement in ruling.evidence]
    lines += [f"   - But: {_evidence(statement, said)}" for statement in ruling.against]
    return "\n".join(lines) + "\n"


def _evidence(statement: Statement, said: set[str]) -> str:
    """Of a sentence that a reader has read before, as a claim or as evidence, only the number."""
    if _bare(statement.text) in said:
        return " ".join(["Word for word so in", *map(_mark, statement.sources)])
    said.add(_bare(statement.text))
    return sentence(statement)


def _bare(text: str) -> str:
    return normalised(text).rstrip(".!")


def print_guides(guides: Sequence[Guide]) -> str:
    if not guides:
        return ""
    return "\n## Steps\n" + "".join(_guide(guide, titled=len(guides) > 1 or bool(guide.subject)) for guide in guides)


def _guide(guide: Guide, *, titled: bool) -> str:
    title = ": ".join(part for part in (guide.subject, guide.title) if part)
    heading = f"\n### {escape(title)}\n" if titled and title else ""
    steps = []
    for at, step in enumerate(guide.steps, start=1):
        indent = " " * len(f"{at}. ")
        steps.append(f"\n{at}. {sentence(step)}\n" + "".join(_code(snippet, indent) for snippet in step.code))
    return heading + "".join(steps)


def _code(snippet: Snippet, indent: str) -> str:
    """Verbatim between fences that nothing in it can end."""
    text = "".join(char for char in snippet.text if char in "\n\t" or char.isprintable())
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0))
    language = snippet.language if re.fullmatch(r"[\w+#.-]{1,20}", snippet.language) else ""
    lines = [fence + language, *text.strip("\n").split("\n"), fence]
    return "\n" + "".join(f"{indent}{line}".rstrip() + "\n" for line in lines)


def print_agreements(agreements: Sequence[Agreed]) -> str:
    lines = [f"- {_on(agreed.about)}{sentence(agreed)}\n" for agreed in agreements]
    return "\n## Where sources agree\n\n" + "".join(lines) if lines else ""


def print_differences(differences: Sequence[Disagreement], said: set[str]) -> str:
    """Both sentences; of one that a reader has read before only the number."""
    lines = []
    for pair in differences:
        a, b = _side(pair.a, said), _side(pair.b, said)
        lines.append(f"- {_on(pair.about)}{a}, but {b} ({KINDS.get(pair.kind, escape(pair.kind))}).\n")
    return "\n## Where sources differ\n\n" + "".join(lines) if lines else ""


def _on(about: str) -> str:
    return f"**{escape(about)}**: " if about else ""


def _side(statement: Statement, said: set[str]) -> str:
    marks = " ".join(map(_mark, statement.sources))
    if normalised(statement.text) in said:
        return f"what {marks} says"
    said.add(normalised(statement.text))
    return f"“{escape(statement.text)}” {marks}"


def said_before(report: Report) -> set[str]:
    """The sentences above the differences."""
    parts: list[Iterable[Statement]] = [report.summary, report.agreements]
    parts += [section.statements for section in report.sections]
    parts += [guide.steps for guide in report.guides]
    parts += [[*ruling.evidence, *ruling.against] for ruling in report.rulings]
    texts = [statement.text for part in parts for statement in part]
    texts += [cell.text for row in (report.table.rows if report.table else []) for cell in row.cells]
    return {normalised(text) for text in texts if text}


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
    quotation = escape(shorten(plain(source.quotes[0].quote), QUOTATION_CHARS_MAX))
    return f"{_mark(source.number)} {escape(source.uri)}{heading}, {lines}: “{quotation}”"


def _mark(number: int) -> str:
    return f"[{number}]"
