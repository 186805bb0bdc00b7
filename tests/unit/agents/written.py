"""The report of an analysis, made of the same parts as the writer makes it of."""

from collections.abc import Mapping
from dataclasses import dataclass

from actors.tools.analysing.findings import Analysis
from actors.tools.reporting.checked import check_analysis
from actors.tools.reporting.compose import Composer
from actors.tools.reporting.endmatter import print_report
from actors.tools.reporting.report import begin
from actors.tools.splitting.passages import Passage
from app.model.report import Report


@dataclass(frozen=True, slots=True)
class Written:
    """A finished report: as data, and as Markdown."""

    report: Report
    text: str


def write_report(analysis: Analysis, request: str, passages: Mapping[str, Passage] | None = None) -> Written:
    """Checked and composed; `passages` are those there were, else the analysis's own."""
    checked = check_analysis(analysis, analysis.passages if passages is None else passages)
    report = Composer(checked.analysis).fill(begin(checked, request))
    return Written(report, "".join(print_report(report)))
