"""Are reports true, complete and honest? Runs tasks from plan to report and checks what came out."""

import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from app.model.agents import StepOutput
from app.model.plan import Step
from app.model.task import Document

from .corpora import CACHE
from .documents import readable
from .harness import TaskRun, run_task
from .questions import Question, ReportTask, words
from .report_text import MISSING, ReportText, longest_run

QUOTED = 0.6  # of a cited sentence's words stand in the cited document in one piece; the rest may be a lead-in of ours
FORGED = "Nothing of this kind was ever written down anywhere at all."


@dataclass
class Tally:
    """Counts over all reports of a half; `faults` names every one that is not as it should be."""

    reports: int = 0
    marks: int = 0
    unresolved: int = 0
    quotations: int = 0
    unfound: int = 0
    sentences: int = 0
    unsupported: int = 0
    aspects: int = 0
    answered: int = 0
    missing: int = 0
    owned: int = 0
    repeated: int = 0
    themes: list[int] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)

    @property
    def peak_mb(self) -> float:
        """Of this process so far, with all corpora in memory."""
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def score_reports(tasks: Sequence[ReportTask]) -> Tally:
    tally = Tally()
    for task in tasks:
        documents = readable(task.corpus)
        began = time.perf_counter()
        run = run_task(task.task, documents, CACHE / "reports")
        tally.seconds.append(time.perf_counter() - began)
        _count(tally, task, run, documents)
    return tally


def unanswered(asked: Sequence[Question]) -> tuple[int, int, list[str]]:
    """Of the questions without an answer: how many, how many reports own up, and the others."""
    own = [question for question in asked if question.kind == "unanswered"]
    reports = [(q, ReportText(str(run_task(q.text, readable(q.corpus), CACHE / "reports").report.text))) for q in own]
    bad = [question.text for question, report in reports if report.numbers and not report.sections.get(MISSING)]
    return len(own), len(own) - len(bad), bad


def _count(tally: Tally, task: ReportTask, run: TaskRun, documents: list[Document]) -> None:
    report = ReportText(str(run.report.text))
    sources = {source["number"]: source for source in _data(run.report)["sources"]}
    texts = {document.name: document.text for document in documents}
    tally.reports += 1
    tally.marks += len(report.numbers)
    tally.quotations += sum(len(source["quotes"]) for source in sources.values())
    tally.sentences += len(report.fragments)
    tally.aspects += len(task.aspects)
    tally.missing += len(task.missing)
    tally.themes.append(len(report.themes))
    for kind, what in _faults(task, run, report, sources, texts):
        setattr(tally, kind, getattr(tally, kind) + 1)
        tally.faults.append(f"{task.id}: {kind}: {what}")
    failed = [what for kind, what in _faults_of_content(task, report)]
    tally.faults += [f"{task.id}: not said: {what}" for what in failed]
    tally.answered += sum(any(report.says(quote) for _, quote in aspect.any) for aspect in task.aspects)
    tally.owned += sum(report.owns_up(word) for word in task.missing)


def _faults_of_content(task: ReportTask, report: ReportText) -> Iterator[tuple[str, str]]:
    for aspect in task.aspects:
        if not any(report.says(quote) for _, quote in aspect.any):
            yield "aspect", aspect.name
    for word in task.missing:
        if not report.owns_up(word):
            yield "missing", word


def _faults(
    task: ReportTask, run: TaskRun, report: ReportText, sources: dict[int, Any], texts: dict[str, str]
) -> Iterator[tuple[str, str]]:
    """What must not be, in any report."""
    passages = {passage["pid"]: passage for data in run.left_by("retriever") for passage in data["passages"]}
    for number in report.numbers | set(report.listed) | set(sources):
        source = sources.get(number)
        known = source and source["pid"] in passages and source["uri"] in texts
        if not known or report.listed.count(number) != 1 or number not in report.numbers:
            yield "unresolved", f"[{number}]"
    for source in sources.values():
        text = texts.get(source["uri"], "")
        for quote in source["quotes"]:
            if " ".join(quote["quote"].split()) not in " ".join(text.split()):
                yield "unfound", quote["quote"]
    for fragment in report.fragments:
        cited = [texts.get(sources[number]["uri"], "") for number in fragment.numbers if number in sources]
        if words(fragment.text).strip() and not any(longest_run(fragment.text, text) >= QUOTED for text in cited):
            yield "unsupported", fragment.text
    for sentence in report.repeated():
        yield "repeated", sentence


def forged_citations(task: ReportTask) -> tuple[int, int, int]:
    """Puts forged findings into the analyses: how many, without how many the report is, how many it says it dropped."""

    def meddle(step: Step, output: StepOutput) -> StepOutput:
        if step.agent != "analyzer":
            return output
        data = _data(output)
        pids = ["forged", *list(data["passages"])[:1]]
        forged = [{"text": FORGED, "quote": FORGED, "pid": pid, "terms": data["topics"], "score": 9.0} for pid in pids]
        return output.model_copy(update={"data": {**data, "findings": [*forged, *data["findings"]]}})

    run = run_task(task.task, readable(task.corpus), CACHE / "reports", meddle)
    kept_out = words(FORGED) not in words(str(run.report.text))
    # A writer that reads several analyses works from their passages, and never sees what was forged.
    return 2, 2 * kept_out, min(2, _data(run.report)["citations"]["dropped"])


def figures(tally: Tally) -> list[tuple[str, str]]:
    """The rows of the table."""
    return [
        ("citations that resolve", _part(tally.marks - tally.unresolved, tally.marks)),
        ("quotations found in the documents", _part(tally.quotations - tally.unfound, tally.quotations)),
        ("cited sentences that are their source's", _part(tally.sentences - tally.unsupported, tally.sentences)),
        ("aspects answered", _part(tally.answered, tally.aspects)),
        ("what is missing is owned up to", _part(tally.owned, tally.missing)),
        ("sentences repeated", str(tally.repeated)),
        ("headings of themes per report, median", f"{median(tally.themes):.0f}"),
        ("seconds per report, median", f"{median(tally.seconds):.2f}"),
        ("peak memory of the run, MB", f"{tally.peak_mb:.0f}"),
    ]


def _part(good: int, total: int) -> str:
    return f"{good}/{total} ({good / total:.0%})" if total else "none asked"


def _data(output: StepOutput) -> dict[str, Any]:
    assert isinstance(output.data, dict)
    return output.data
