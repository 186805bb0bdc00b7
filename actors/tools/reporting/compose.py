"""
Makes a report of an analysis whose quotations have been checked.

The parts are asked for in the order in which they are read, for that is the order of the numbers. Every sentence of a
document is said once: where sources differ rather than among the findings, in the summary rather than below it.
"""

from actors.tools.analysing.findings import Analysis, Finding
from actors.tools.reporting.citations import normalised
from actors.tools.reporting.ledger import Ledger
from actors.tools.reporting.opening import contents, opening
from actors.tools.reporting.sources import Numbering
from actors.tools.reporting.table import compare
from app.model.plan import Intent
from app.model.report import (
    Agreed,
    Disagreement,
    Guide,
    Instruction,
    Missing,
    Report,
    Ruling,
    Section,
    Snippet,
    Statement,
    Table,
)  # fmt: skip

SUMMARY_SENTENCES = 3
OTHER = "Other"


class Composer:
    """The parts of a report about one analysis."""

    def __init__(self, analysis: Analysis) -> None:
        self.analysis = analysis
        self.ledger = Ledger(Numbering(analysis.passages))
        ledger = self.ledger
        for ruling in analysis.verdicts:
            ledger.reserve([*ruling.sides, *ruling.against])
        for procedure in analysis.procedures:
            ledger.reserve(procedure.instructions)
        for pair in analysis.differences:
            ledger.reserve([pair.a, pair.b])
        for agreement in analysis.agreements:
            ledger.agree(agreement)

    @property
    def compares(self) -> bool:
        """Whether subjects are set side by side."""
        several = len(self.analysis.subjects) > 1
        return several and self.analysis.intent in (Intent.COMPARISON, Intent.ANSWER)

    def fill(self, report: Report) -> Report:
        """All parts, in order."""
        report.summary = self.summary()
        self.fill_evidence(report)
        report.sections = self.sections()
        self.fill_end(report)
        return report

    def fill_evidence(self, report: Report) -> None:
        """What stands between the summary and the sections."""
        report.table = self.table()
        report.rulings = self.rulings()
        report.guides = self.guides()

    def fill_end(self, report: Report) -> None:
        """What follows the sections; only now all numbers are known."""
        report.agreements = self.agreements()
        report.differences = self.differences()
        report.missing = self.missing()
        report.unread = self.analysis.unread
        report.sources = self.ledger.numbering.sources()

    def summary(self) -> list[Statement]:
        """In words of our own what was found, or the sentences that answer best."""
        own = [Statement(text=text) for text in opening(self.analysis)]
        if self.analysis.verdicts or (len(self.analysis.subjects) > 1 and self.analysis.intent is not Intent.OVERVIEW):
            return own
        return [*self.ledger.say_free(self._lead()), *own] or [Statement(text=contents(filter(None, self.labels())))]

    def table(self) -> Table | None:
        """The comparison by aspect."""
        return compare(self.analysis, self.ledger) if self.compares and self.analysis.topics else None

    def rulings(self) -> list[Ruling]:
        """What became of each statement that was to be checked."""
        return [
            Ruling(
                claim=ruling.claim.rstrip("? "),
                verdict=ruling.verdict,
                evidence=[self.ledger.say(side) for side in ruling.sides],
                against=[self.ledger.say(side) for side in ruling.against],
            )
            for ruling in self.analysis.verdicts
        ]

    def guides(self) -> list[Guide]:
        """Step by step, with the code of each step."""
        guides = []
        for procedure in self.analysis.procedures:
            steps = []
            for instruction in procedure.instructions:
                said = self.ledger.say(instruction)
                code = [
                    Snippet(text=c.text, language=c.language, source=self.ledger.numbering.number(c.pid, c.quote))
                    for c in instruction.code
                ]
                steps.append(Instruction(text=said.text, sources=said.sources, code=code))
            guides.append(Guide(title=procedure.about, subject=procedure.subject, steps=steps))
        return guides

    def sections(self) -> list[Section]:
        """What was found and not yet said, theme by theme, subject by subject or document by document."""
        sections = []
        for label in self.labels():
            statements = self.section(label)
            if statements:
                sections.append(Section(title=label or OTHER, statements=statements))
        if len(sections) == 1 and len(self.analysis.subjects) < 2:
            sections[0].title = ""
        return sections

    def labels(self) -> list[str]:
        """The sections there may be, in their order; what fits under none comes last."""
        used = list(dict.fromkeys(map(self._label, self.analysis.findings)))
        known = self.analysis.subjects if len(self.analysis.subjects) > 1 else self.analysis.themes
        ordered = [label for label in known if label in used]
        rest = [label for label in used if label not in ordered]
        return [*ordered, *sorted(rest, key=lambda label: not label)]

    def section(self, label: str) -> list[Statement]:
        """The findings of one section that are not said elsewhere."""
        return self.ledger.say_free(finding for finding in self.analysis.findings if self._label(finding) == label)

    def agreements(self) -> list[Agreed]:
        """What several documents say, unless it has been said with all their numbers."""
        found = []
        for agreement in self.analysis.agreements:
            found += [Agreed(about=agreement.about, **dict(said)) for said in self.ledger.say_free(agreement.sides[:1])]
        return found

    def differences(self) -> list[Disagreement]:
        """Both sides of each; one whose sides both have been weighed already is not told again."""
        found = []
        weighed = {normalised(s.text) for v in self.analysis.verdicts for s in [*v.sides, *v.against]}
        for pair in self.analysis.differences:
            if {normalised(pair.a.text), normalised(pair.b.text)} <= weighed:
                continue
            a, b = self.ledger.say(pair.a), self.ledger.say(pair.b)
            found.append(Disagreement(about=pair.about, kind=pair.kind, a=a, b=b))
        return found

    def missing(self) -> list[Missing]:
        """The gaps, by subject."""
        # That a statement was not found is what was found out about it.
        checked = {ruling.claim for ruling in self.analysis.verdicts}
        gaps = [gap for gap in self.analysis.gaps if gap.subject not in checked]
        return [
            Missing(subject=subject, about=[gap.term for gap in gaps if gap.subject == subject and gap.term])
            for subject in dict.fromkeys(gap.subject for gap in gaps)
        ]

    def _label(self, finding: Finding) -> str:
        analysis = self.analysis
        if len(analysis.subjects) > 1:
            return finding.subject
        if analysis.intent is Intent.SUMMARY and analysis.documents > 1:
            return analysis.passages[finding.pid].title
        return finding.theme if analysis.themes else finding.subject

    @property
    def _tells_each(self) -> bool:
        """Whether every section is asked for by itself."""
        return self.analysis.intent in (Intent.SUMMARY, Intent.OVERVIEW)

    def _lead(self) -> list[Finding]:
        """What the subject is, then the best answers; when nothing in particular was asked, one from each section."""
        free = [finding for finding in self.analysis.findings if self.ledger.is_free(finding)]
        introduction = [finding for finding in free if finding.kind == "background"][:1]
        answers = sorted((f for f in free if f not in introduction), key=lambda f: -f.score)
        if self.analysis.intent is Intent.OVERVIEW or not (self.analysis.topics or introduction):
            answers = list({self._label(finding): finding for finding in reversed(answers)}.values())[::-1]
        lead = [*introduction, *answers]
        left = {label: sum(self._label(f) == label for f in free) for label in map(self._label, free)}
        if self._tells_each and len(left) > 1:
            # What has one sentence only keeps it for its own section.
            lead = [finding for finding in lead if left[self._label(finding)] > 1]
        # Of a list one item: its lead-in is not read twice in a row.
        first: dict[str, Finding] = {}
        for finding in lead:
            first.setdefault(finding.context or finding.quote, finding)
        return list(first.values())[:SUMMARY_SENTENCES]
