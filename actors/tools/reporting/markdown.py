"""
Prints the parts of a report as Markdown, down to the findings; `endmatter` prints the rest.

Text of documents only enters through `escape`; headings, lists, tables, fences and source numbers are made here. The
parts joined are the report, each ends with a line, and each but the first begins with a blank one.
"""

import re
from collections.abc import Iterator, Sequence
from itertools import groupby

from actors.tools.reporting.citations import normalised
from actors.tools.text.inline import escape, escape_line
from app.model.report import (
    Guide,
    Report,
    Ruling,
    Section,
    Snippet,
    Statement,
    Table,
)  # fmt: skip

FINDINGS = "\n## Findings\n"
ENDED = re.compile(r"[.!?:…\u3002\uff01\uff1f][\"'”\u2019)\]*_`]*$")


def print_title(title: str) -> str:
    return f"# {escape(title)}\n"


def print_summary(statements: Sequence[Statement]) -> str:
    return "\n## Summary\n\n" + " ".join(sentence(ended(statement)) for statement in statements) + "\n"


def ended(statement: Statement) -> Statement:
    """With an end, so that it does not run into the next one: items of lists have none."""
    if not statement.text or ENDED.search(statement.text):
        return statement
    return statement.model_copy(update={"text": f"{statement.text}."})


def print_evidence(report: Report) -> Iterator[str]:
    """The parts between summary and findings."""
    yield print_table(report.table) if report.table else ""
    yield print_rulings(report.rulings)
    yield print_guides(report.guides)


def sentence(statement: Statement) -> str:
    """The sentence and its numbers, for the beginning of a line or within one."""
    return " ".join([escape_line(statement.text), *map(mark, statement.sources)])


def print_sections(sections: Sequence[Section]) -> Iterator[str]:
    """The findings, with their heading before the first."""
    for at, section in enumerate(sections):
        yield (FINDINGS if at == 0 else "") + print_section(section)


def section_heading(title: str) -> str:
    return f"\n### {escape(title)}\n"


def print_section(section: Section) -> str:
    heading = section_heading(section.title) if section.title else ""
    groups = groupby(section.statements, key=lambda statement: statement.lead)
    return f"{heading}\n" + "".join(_items(lead, list(statements)) for lead, statements in groups)


def _items(lead: str, statements: list[Statement]) -> str:
    """Neighbours that one lead-in belongs to stand below it, which is said once."""
    if not lead or len(statements) == 1:
        return "".join(f"- {sentence(statement)}\n" for statement in statements)
    head = Statement(text=lead, sources=list(dict.fromkeys(n for s in statements for n in s.sources)))
    rest = [s.model_copy(update={"text": s.text.removeprefix(lead).strip()}) for s in statements]
    return f"- {sentence(head)}\n" + "".join(f"  - {sentence(statement)}\n" for statement in rest)


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
    return " ".join([*([escape(text)] if text else []), *map(mark, sources)]) or "not found"


def print_rulings(rulings: Sequence[Ruling]) -> str:
    if not rulings:
        return ""
    said: set[str] = set()
    lines = [_ruling(at, ruling, said) for at, ruling in enumerate(rulings, start=1)]
    return "\n## Statements checked\n\n" + "".join(lines)


def _ruling(at: int, ruling: Ruling, said: set[str]) -> str:
    """A sentence that says just what the claim says has its number at the claim."""
    same = [s for s in ruling.evidence if bare(s.text) == bare(ruling.claim)]
    marks = "".join(f" {mark(number)}" for statement in same for number in statement.sources)
    said.add(bare(ruling.claim))
    lines = [f"{at}. “{escape(ruling.claim)}”{marks}: **{ruling.verdict}**{', word for word' if same else ''}"]
    lines += [f"   - {_once(statement, said)}" for statement in ruling.evidence if statement not in same]
    lines += [f"   - But: {_once(statement, said)}" for statement in ruling.against]
    return "\n".join(lines) + "\n"


def _once(statement: Statement, said: set[str]) -> str:
    return sentence(statement.model_copy(update={"text": text_once(statement, said)}))


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


def text_once(statement: Statement, said: set[str]) -> str:
    """The sentence; of one that a reader has read before only the beginning."""
    known, words = bare(statement.text) in said, statement.text.split()
    said.add(bare(statement.text))
    return " ".join([*words[: len(words) // 2], "…"]) if known else statement.text


def bare(text: str) -> str:
    """The text as it counts when sentences are compared."""
    return normalised(text).rstrip(".!")


def mark(number: int) -> str:
    """The number as it stands in the text."""
    return f"[{number}]"
