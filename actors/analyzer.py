"""
The analyzer: works out what the passages say about a question, and what they do not.

What was asked and not found may be searched for once more: see `followups`. The searches run below this step, and what
waits for this step, a merge or the writer, gets their passages as well.
"""

from dataclasses import dataclass
from typing import Annotated

from anyio import to_thread
from pydantic import Field, JsonValue

from actors.agent import StepContext, StepInput, StepOutput, agent
from actors.tools.analysing.analysis import analyse
from actors.tools.analysing.evidence import Evidence, read_evidence
from actors.tools.analysing.findings import Analysis
from actors.tools.analysing.followups import FOLLOW_UPS_MAX, follow_up
from actors.tools.analysing.question import asks_something
from app.model.agents import registry
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
    follow_ups: int = Field(
        FOLLOW_UPS_MAX,
        ge=0,
        le=FOLLOW_UPS_MAX,
        description="How many further searches the step may add for what was not found.",
    )


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked, as the step or, where it leaves that open, the task says it."""

    question: str
    intent: Intent
    subjects: tuple[str, ...]
    aspects: tuple[str, ...]


@agent(
    "analyzer",
    input_model=AnalyzerInput,
    output_model=Analysis,
    description="Selects what the passages say about a question.",
)
async def run(step: AnalyzerInput, ctx: StepContext) -> StepOutput:
    evidence = read_evidence(ctx, step.subjects)
    await ctx.progress(0, 1, f"reading {len(evidence.passages)} passages")
    analysis = await to_thread.run_sync(analyse_evidence, evidence, asked_of(step, ctx))
    steps = _steps(step, analysis, evidence)
    analysis.followed_up = bool(steps) or evidence.followed_up
    await ctx.progress(1, 1, _summary(analysis))
    return StepOutput(
        summary=_summary(analysis), data=analysis.model_dump(mode="json"), steps=steps, steps_optional=True
    )


def _steps(step: AnalyzerInput, analysis: Analysis, evidence: Evidence) -> list[dict[str, JsonValue]]:
    """One round: where an earlier analysis has searched again, nothing does."""
    if evidence.followed_up or not step.follow_ups or "retriever" not in registry:
        return []
    return follow_up(analysis, analysis.searched, evidence.passages.values(), step.follow_ups)


def asked_of(step: AnalyzerInput, ctx: StepContext) -> Asked:
    return Asked(question_of(step.text, ctx), step.intent, tuple(step.subjects), tuple(step.aspects))


def analyse_evidence(evidence: Evidence, asked: Asked) -> Analysis:
    """
    All passages at once; what an earlier analysis picked has a small advantage.

    When nothing speaks of the question ("Analyse challenges"), the answer is what was searched for, and
    the question stays among what was not found.
    """
    passages = list(evidence.passages.values())
    subjects = list(asked.subjects)
    if asked.intent is Intent.CHECK and evidence.claims:
        subjects = evidence.claims
    analysis = analyse(asked.question, subjects, passages, evidence.picked, intent=asked.intent, aspects=asked.aspects)
    if not analysis.answered and asked.intent is not Intent.CHECK and (searched := " ".join(evidence.searches)):
        wider = analyse(searched, subjects, passages, evidence.picked, intent=asked.intent)
        if wider.answered:
            analysis = wider.asked_as(analysis)
    analysis.documents = max(analysis.documents, evidence.documents)
    analysis.unread = evidence.unused(analysis.findings)
    analysis.searched = evidence.searched
    analysis.followed_up = evidence.followed_up
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
