"""
What an analysis consists of, each part with its place in a document.

    findings      sentences that answer, by subject and theme
    agreements    what several documents say alike
    differences   where documents do not agree
    verdicts      whether the statements of a question hold, when it asks that
    procedures    how something is done, step by step, when the question asks that
    gaps          what was asked and not found
"""

from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, Field

from actors.tools.splitting.passages import Passage
from actors.tools.text.shown import Form, shown
from app.model.plan import Intent
from app.model.report import Unread


class Quotation(BaseModel):
    """
    A piece of a passage: as a reader sees it (`text`), and exactly as it stands there (`quote`).

    `context` is another exact piece of the same passage without which the quotation cannot be read: the sentence
    that leads into a list item, the header of a table's row. `shown(quote, context, form) == text` always holds.
    """

    text: str
    quote: str
    pid: str
    context: str = ""
    form: Form = "sentence"

    @classmethod
    def of(cls, pid: str, quote: str, context: str = "", form: Form = "sentence") -> "Quotation":
        return cls(text=shown(quote, context, form), quote=quote, pid=pid, context=context, form=form)


class Finding(Quotation):
    """A sentence that answers; `terms` are the topics or aspects that it covers, `theme` the label it stands under."""

    subject: str = ""
    score: float = 0.0
    terms: list[str] = []
    kind: Literal["answer", "background"] = "answer"
    theme: str = ""


class Side(Quotation):
    """One side of a difference, an agreement or a verdict."""


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


class Verdict(BaseModel):
    """
    Whether a statement holds by what the documents say.

    `sides` decide it: they say the same when it is `supported`, the contrary when it is `contradicted`, and are
    empty when it is `not found`. It is `disputed` when some say the same (`sides`) and others the contrary
    (`against`).
    """

    claim: str
    verdict: Literal["supported", "contradicted", "disputed", "not found"]
    sides: list[Side] = []
    against: list[Side] = []


class Code(BaseModel):
    """A piece of code: `quote` is the exact slice of its passage, fence included, `text` the code alone."""

    text: str
    quote: str
    pid: str
    language: str = ""


class Instruction(Quotation):
    """One thing to do, with the code that belongs to it, in the source's order."""

    code: list[Code] = []


class Procedure(BaseModel):
    """How one document does something: `about` is the heading it stands under; `subject` as for findings."""

    about: str
    instructions: list[Instruction] = Field(min_length=1)
    subject: str = ""

    @property
    def wording(self) -> str:
        """All of its text and code."""
        pieces = (piece for step in self.instructions for piece in [step.text, *(code.text for code in step.code)])
        return " ".join([self.about, *pieces])


class Gap(BaseModel):
    """What was asked and not found; an empty subject means any, an empty term means anything at all."""

    subject: str = ""
    term: str = ""


class Analysis(BaseModel):
    """
    What passages say about a question; `passages` has those that are cited.

    `topics` are what the answer should speak of: the aspects given, else words of the question. `themes` are the
    labels of the findings in the order in which a report speaks of them. `followed_up` says that what was missing
    is being searched for, or has been, so that nothing searches for it again; `searched` has all queries so far.

    `unread` are documents that retrievers
    could not use.
    """

    question: str
    intent: Intent = Intent.ANSWER
    subjects: list[str] = []
    topics: list[str] = []
    documents: int = 0
    themes: list[str] = []
    findings: list[Finding] = []
    agreements: list[Agreement] = []
    differences: list[Difference] = []
    verdicts: list[Verdict] = []
    procedures: list[Procedure] = []
    gaps: list[Gap] = []
    passages: dict[str, Passage] = {}
    searched: list[str] = []
    followed_up: bool = False
    unread: list[Unread] = []

    @property
    def answered(self) -> bool:
        found = any(finding.kind == "answer" for finding in self.findings)
        return found or bool(self.procedures) or any(verdict.sides for verdict in self.verdicts)

    @property
    def quotations(self) -> Iterator[Quotation]:
        """Everything in it that a report may quote, code apart."""
        yield from self.findings
        for pair in self.differences:
            yield from (pair.a, pair.b)
        for agreement in self.agreements:
            yield from agreement.sides
        for verdict in self.verdicts:
            yield from [*verdict.sides, *verdict.against]
        for procedure in self.procedures:
            yield from procedure.instructions

    @property
    def cited(self) -> set[str]:
        """The ids of the passages that any part of it stands in."""
        steps = (step for procedure in self.procedures for step in procedure.instructions)
        return {said.pid for said in self.quotations} | {code.pid for step in steps for code in step.code}

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
