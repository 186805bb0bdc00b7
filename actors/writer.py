"""The writer: turns analyses into a report and checks every citation before it prints one."""

from anyio import to_thread

from actors.agent import StepContext, StepOutput, agent
from actors.analyzer import AnalyzerInput, analyse_evidence, question_of
from actors.tools.evidence import Evidence, read_evidence
from actors.tools.findings import Analysis
from actors.tools.press import Press
from actors.tools.report import Written, write_report
from app.model.output import OutputFormat
from app.model.report import Report


class WriterInput(AnalyzerInput):
    """What the report is about, and how it is to answer; the fields are the analyzer's."""


@agent("writer", input_model=WriterInput, description="Writes a report with checked citations.")
async def run(step: WriterInput, ctx: StepContext) -> StepOutput:
    evidence = read_evidence(ctx, step.subjects)
    await ctx.progress(0, 1, "checking citations")
    written = await to_thread.run_sync(_write, step, ctx, evidence)
    # Checked before the first piece is shown, so nothing that was streamed is ever taken back.
    press = Press(ctx, written.report.title)
    for part in written.parts:
        await press.put(part)
        await press.end_block()
    await press.close(written.report)
    return await _finish(written.report, press)


def _write(step: WriterInput, ctx: StepContext, evidence: Evidence) -> Written:
    return write_report(_analysis(step, ctx, evidence), _request(step, ctx), evidence.passages)


def _analysis(step: WriterInput, ctx: StepContext, evidence: Evidence) -> Analysis:
    if evidence.is_one_analysis:
        return evidence.analyses[0]
    return analyse_evidence(evidence, question_of(step.text, ctx), step.subjects)


def _request(step: WriterInput, ctx: StepContext) -> str:
    return ctx.task if ctx.task.strip() else step.text


async def _finish(report: Report, press: Press) -> StepOutput:
    counts = report.citations
    await press.ctx.citations(**counts.model_dump())
    markdown = None if press.form is OutputFormat.MARKDOWN else "".join(press.markdown)
    held = counts.ok + counts.repaired
    return StepOutput(
        summary=f"{held} citations from {len(report.sources)} passages, {counts.dropped} dropped",
        text=press.text,
        media_type=press.form.media_type,
        markdown=markdown,
        data=report.model_dump(mode="json"),
    )
