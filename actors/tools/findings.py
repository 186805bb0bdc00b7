"""What an analysis consists of: findings, agreements, differences and gaps, each with its place in a document."""

from typing import Literal

from pydantic import BaseModel, Field

from actors.tools.passages import Passage


class Finding(BaseModel):
    """A sentence that answers: as a reader sees it, and the exact quotation it comes from."""

    text: str
    quote: str
    pid: str
    subject: str = ""
    score: float = 0.0
    terms: list[str] = []
    kind: Literal["answer", "background"] = "answer"
    theme: str = ""


class Side(BaseModel):
    """One side of a difference."""

    text: str
    quote: str
    pid: str


class Difference(BaseModel):
    """Two sources that do not agree: on what, and how (`numbers`, `dates`, `negation`)."""

    a: Side
    b: Side
    kind: str
    about: str = ""


class Agreement(BaseModel):
    """What several documents say alike, each in its own words; the clearest first."""

    sides: list[Side] = Field(min_length=2)
    about: str = ""


class Gap(BaseModel):
    """What was asked and not found; an empty subject means any, an empty term means anything at all."""

    subject: str = ""
    term: str = ""


class Analysis(BaseModel):
    """
    What passages say about a question; `passages` has those that are cited.

    `themes` are the labels of the findings in the order in which a report speaks of them.
    """

    question: str
    subjects: list[str] = []
    topics: list[str] = []
    documents: int = 0
    themes: list[str] = []
    findings: list[Finding] = []
    agreements: list[Agreement] = []
    differences: list[Difference] = []
    gaps: list[Gap] = []
    passages: dict[str, Passage] = {}

    @property
    def answered(self) -> bool:
        return any(finding.kind == "answer" for finding in self.findings)

    def asked_as(self, asked: "Analysis") -> "Analysis":
        """These findings under the question of another analysis, whose topics stay uncovered."""
        topics = list(dict.fromkeys([*asked.topics, *self.topics]))
        gaps = find_gaps(self.subjects, topics, self.findings)
        return self.model_copy(update={"question": asked.question, "topics": topics, "gaps": gaps})


def find_gaps(subjects: list[str], topics: list[str], findings: list[Finding]) -> list[Gap]:
    """The pairs of subject and topic that no finding covers."""
    gaps: list[Gap] = []
    for subject in subjects or [""]:
        own = [finding for finding in findings if finding.subject == subject or not subject]
        if not own and subject:
            gaps.append(Gap(subject=subject))
            continue
        covered = {term for finding in own for term in finding.terms}
        gaps += [Gap(subject=subject, term=topic) for topic in topics if topic not in covered]
    return gaps
