"""The writer: turns analyses into a Markdown report and checks every citation before it prints one."""

from anyio import to_thread

from actors.agent import StepContext, StepOutput, agent
from actors.analyzer import AnalyzerInput, analyse_evidence, question_of
from actors.tools.evidence import Evidence, read_evidence
from actors.tools.report import Report, write_report


class WriterInput(AnalyzerInput):
    """What the report is about, and how it is to answer; the fields are the analyzer's."""


@agent("writer", input_model=WriterInput, description="Writes a Markdown report with checked citations.")
async def run(step: WriterInput, ctx: StepContext) -> StepOutput:
    evidence = read_evidence(ctx)
    await ctx.progress(0, 1, "checking citations")
    report = await to_thread.run_sync(_write, step, ctx, evidence)
    # Checked before the first piece is shown, so nothing that was streamed is ever taken back.
    for part in report.parts:
        await ctx.delta(part)
    counts = report.verification.counts
    await ctx.citations(**counts)
    return StepOutput(
        summary=f"{report.sentences} cited sentences from {len(report.sources)} passages, {counts['dropped']} dropped",
        text=report.text,
        data={"title": report.title, "sources": report.sources, "citations": counts},
    )


def _write(step: WriterInput, ctx: StepContext, evidence: Evidence) -> Report:
    if evidence.is_one_analysis:
        analysis = evidence.analyses[0]
    else:
        analysis = analyse_evidence(evidence, question_of(step.text, ctx), step.subjects)
    return write_report(analysis, ctx.task if ctx.task.strip() else step.text)
