"""
The writer: turns analyses into a report and checks every citation before it prints one.

With a language model the model chooses the words of summary and findings, and each of its sentences is checked before
it is shown; without one, and for all the rest, a report consists of the documents' own words.
"""

import math
from contextlib import aclosing

from anyio import to_thread

from actors.agent import StepContext, StepOutput, agent
from actors.analyzer import AnalyzerInput, analyse_evidence, asked_of
from actors.tools.analysing.evidence import Evidence, read_evidence
from actors.tools.analysing.findings import Analysis
from actors.tools.drafting.brief import SHORT_CHARS_MAX, brief
from actors.tools.drafting.draft import Draft
from actors.tools.drafting.model import Dictation
from actors.tools.reporting.checked import Checked, check_analysis
from actors.tools.reporting.compose import OTHER, Composer
from actors.tools.reporting.endmatter import print_end, print_report
from actors.tools.reporting.markdown import print_title
from actors.tools.reporting.press import Press
from actors.tools.reporting.report import begin
from actors.tools.text.inline import amount
from app.model.llm import Llm
from app.model.output import OutputFormat
from app.model.plan import Intent
from app.model.report import CitationCounts, Report

#: Of the time the step has left: kept for writing without the model.
TIME_KEPT = 0.3


class WriterInput(AnalyzerInput):
    """What the report is about, and how it is to answer; the fields are the analyzer's."""


@agent("writer", input_model=WriterInput, output_model=Report, description="Writes a report with checked citations.")
async def run(step: WriterInput, ctx: StepContext) -> StepOutput:
    evidence = read_evidence(ctx)
    await ctx.progress(0, 1, "checking citations")
    checked = await to_thread.run_sync(_checked, step, ctx, evidence)
    request = ctx.task if ctx.task.strip() else step.text
    report = begin(checked, request)
    press = Press(ctx, report.title)
    if ctx.llm is not None and checked.analysis.findings:
        await _draft(report, checked, request, press, ctx.llm)
    else:
        await _compose(report, checked, press)
    await press.close(report)
    return await _finish(report, press)


def _checked(step: WriterInput, ctx: StepContext, evidence: Evidence) -> Checked:
    return check_analysis(_analysis(step, ctx, evidence), evidence.passages)


def _analysis(step: WriterInput, ctx: StepContext, evidence: Evidence) -> Analysis:
    if evidence.is_one_analysis:
        analysis = evidence.analyses[0]
        # An analysis that was made for no kind of answer in particular is written as the writer was told.
        return analysis if analysis.intent is not Intent.ANSWER else analysis.model_copy(update={"intent": step.intent})
    return analyse_evidence(evidence, asked_of(step, ctx))


async def _compose(report: Report, checked: Checked, press: Press) -> None:
    """In the documents' words, each checked before the first piece is shown: nothing is ever taken back."""
    await to_thread.run_sync(Composer(checked.analysis).fill, report)
    for part in print_report(report):
        await press.put(part)
        await press.end_block()


async def _draft(report: Report, checked: Checked, request: str, press: Press, llm: Llm) -> None:
    """In a model's words as far as they hold, in the documents' where they do not."""
    ctx, composer = press.ctx, Composer(checked.analysis)
    await ctx.progress(0, 1, "the model writes")
    await press.put(print_title(report.title))
    await press.end_block()
    kept_s = TIME_KEPT * ctx.remaining_s if ctx.remaining_s < math.inf else 0.0
    labels = composer.labels()
    draft = Draft(report, composer, brief(checked.analysis, request, labels, OTHER), press)
    dictation = Dictation(llm, draft.brief, lambda: ctx.remaining_s - kept_s, ctx.last_attempt)
    await _dictate(dictation, draft)
    if dictation.too_long:
        draft.brief = brief(checked.analysis, request, labels, OTHER, SHORT_CHARS_MAX)
        dictation = Dictation(llm, draft.brief, dictation.left_s, ctx.last_attempt)
        await _dictate(dictation, draft)
    if dictation.trouble or not draft.drafted:
        reason = dictation.trouble or "has nothing that its sources say"
        await ctx.progress(0, 1, f"the model's answer {reason}; the rest is in the documents' words")
    await draft.close()
    report.written_by = "llm" if draft.drafted else "rules"
    report.citations = _sum(report.citations, draft.counts)
    composer.fill_end(report)
    for part in filter(None, print_end(report)):
        await press.put(part)
        await press.end_block()


async def _dictate(dictation: Dictation, draft: Draft) -> None:
    async with aclosing(dictation.parts()) as parts:
        await draft.take(parts)


def _sum(one: CitationCounts, other: CitationCounts) -> CitationCounts:
    return CitationCounts(**{name: count + getattr(other, name) for name, count in one})


async def _finish(report: Report, press: Press) -> StepOutput:
    counts = report.citations
    await press.ctx.citations(**counts.model_dump())
    markdown = None if press.form is OutputFormat.MARKDOWN else "".join(press.markdown)
    held = counts.ok + counts.repaired
    return StepOutput(
        summary=f"{amount(held, 'citation')} from {amount(len(report.sources), 'passage')}, {counts.dropped} dropped",
        text=press.text,
        media_type=press.form.media_type,
        markdown=markdown,
        data=report.model_dump(mode="json"),
    )
