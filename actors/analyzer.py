"""The analyzer: works out what the passages say about a question, and what they do not."""

from typing import Annotated

from anyio import to_thread
from pydantic import Field

from actors.agent import StepContext, StepInput, StepOutput, agent
from actors.tools.analysis import analyse
from actors.tools.evidence import Evidence, read_evidence
from actors.tools.findings import Analysis
from actors.tools.question import asks_something
from app.model.plan import Intent

SUBJECTS_MAX = 24
ASPECTS_MAX = 12

SubjectName = Annotated[str, Field(min_length=1, max_length=200)]
AspectName = Annotated[str, Field(min_length=1, max_length=200)]


class AnalyzerInput(StepInput):
    """The question, what kind of answer it wants, and what to set side by side in it, on which aspects."""

    intent: Intent = Field(Intent.ANSWER, description="The kind of answer that is wanted.")
    subjects: list[SubjectName] = Field([], max_length=SUBJECTS_MAX, description="What is compared, if anything.")
    aspects: list[AspectName] = Field([], max_length=ASPECTS_MAX, description="On what it is compared.")


@agent("analyzer", input_model=AnalyzerInput, description="Selects what the passages say about a question.")
async def run(step: AnalyzerInput, ctx: StepContext) -> StepOutput:
    evidence = read_evidence(ctx, step.subjects)
    await ctx.progress(0, 1, f"reading {len(evidence.passages)} passages")
    analysis = await to_thread.run_sync(analyse_evidence, evidence, question_of(step.text, ctx), step.subjects)
    await ctx.progress(1, 1, _summary(analysis))
    return StepOutput(summary=_summary(analysis), data=analysis.model_dump(mode="json"))


def analyse_evidence(evidence: Evidence, question: str, subjects: list[str]) -> Analysis:
    """
    All passages at once; what an earlier analysis picked has a small advantage.

    When nothing speaks of the question ("Analyse challenges"), the answer is what was searched for, and
    the question stays among what was not found.
    """
    passages = list(evidence.passages.values())
    analysis = analyse(question, subjects, passages, evidence.picked)
    if not analysis.answered and (searched := " ".join(evidence.searches)):
        wider = analyse(searched, subjects, passages, evidence.picked)
        if wider.answered:
            analysis = wider.asked_as(analysis)
    analysis.documents = max(analysis.documents, evidence.documents)
    analysis.unread = evidence.unread
    return analysis


def question_of(text: str, ctx: StepContext) -> str:
    """The step's own text, or the task's when the step only says "analyse it"."""
    return text if asks_something(text) or not ctx.task.strip() else ctx.task


def _summary(analysis: Analysis) -> str:
    found = len(analysis.findings)
    parts = [f"{found} finding{'' if found == 1 else 's'}" if found else "no findings"]
    if analysis.differences:
        parts.append(f"{len(analysis.differences)} differing")
    if analysis.gaps:
        parts.append(f"{len(analysis.gaps)} not found")
    return ", ".join(parts)
