"""
A report as data: what `output.format: json` writes, and what a Markdown report or a page is printed from.

Texts are plain, code in backticks. The numbers in `sources` of a statement are those of the report's own `sources`;
a statement without any is the report's own word about what it has or has not found.
"""

from typing import Literal

from pydantic import BaseModel, Field

from app.model.plan import Intent


class Statement(BaseModel):
    """A sentence of the report."""

    text: str = Field(description="As a reader sees it.")
    sources: list[int] = Field([], description="Numbers of the sources it stands in.")
    lead: str = Field("", description="The words it begins with that lead into several items of a list.")


class Section(BaseModel):
    """What was found about one theme, one subject or one document."""

    title: str = Field(description="Empty when the report has only this one.")
    statements: list[Statement] = Field(description="In the order of their documents, or as a model wrote them.")


class Cell(BaseModel):
    """What was found of one subject on one aspect; without sources when that is nothing."""

    text: str = Field("", description="The gist; of a sentence that stands elsewhere the part on the aspect.")
    sources: list[int] = Field([], description="Numbers of the sources of the gist.")


class Row(BaseModel):
    """One subject of a comparison."""

    subject: str = Field(description="What is compared.")
    cells: list[Cell] = Field(description="One per aspect of the table.")


class Table(BaseModel):
    """Subjects side by side."""

    aspects: list[str] = Field(description="On what they are compared.")
    rows: list[Row] = Field(description="One per subject.")


class Ruling(BaseModel):
    """Whether a statement holds by what the documents say."""

    claim: str = Field(description="The statement that was to be checked.")
    verdict: Literal["supported", "contradicted", "disputed", "not found"] = Field(description="What came of it.")
    evidence: list[Statement] = Field([], description="The sentences that decide it.")
    against: list[Statement] = Field([], description="Those that say the contrary, when it is disputed.")


class Snippet(BaseModel):
    """A piece of code of a source, word for word."""

    text: str = Field(description="The code.")
    language: str = Field("", description="Its language, where the source names it.")
    source: int = Field(description="Number of the source.")


class Instruction(Statement):
    """One thing to do."""

    code: list[Snippet] = Field([], description="The code that belongs to it.")


class Guide(BaseModel):
    """How one document does something."""

    title: str = Field(description="The heading it stands under.")
    subject: str = Field("", description="What it is about, when several things were asked.")
    steps: list[Instruction] = Field(description="What to do, in order.")


class Agreed(Statement):
    """What several documents say alike, in the words of the clearest."""

    about: str = Field("", description="On what they agree.")


class Disagreement(BaseModel):
    """Two sources that do not agree."""

    about: str = Field("", description="On what.")
    kind: str = Field(description="How they differ: `numbers`, `dates`, `negation`.")
    a: Statement = Field(description="What one says.")
    b: Statement = Field(description="What the other says.")


class Missing(BaseModel):
    """What was asked and not found."""

    subject: str = Field("", description="Of what; empty when the question has no subjects.")
    about: list[str] = Field([], description="On what nothing was found; empty when there was nothing at all.")


class Unread(BaseModel):
    """A document that could not be used or was read with some doubt, or a part of the task whose steps failed."""

    uri: str = Field(description="Its address or name.")
    reason: str = Field("", description="Why not; of a `note` the doubt.")
    kind: Literal["document", "part", "note"] = Field(
        "document", description="What it is; a `note` is about a document that was used."
    )


class Quote(BaseModel):
    """An exact piece of a document."""

    line: int = Field(description="The line it begins in, from 1.")
    quote: str = Field(description="The piece.")


class Source(BaseModel):
    """A passage that the report cites."""

    number: int = Field(description="Its number in this report, from 1.")
    pid: str = Field(description="Id of the passage.")
    title: str = Field(description="Title of the document.")
    uri: str = Field(description="Name or address of the document.")
    heading: str = Field("", description="The headings above the passage, joined by ` > `.")
    quotes: list[Quote] = Field(
        description="What is quoted from it; a model's sentence quotes the passage's beginning."
    )


class CitationCounts(BaseModel):
    """What the check of the citations came to."""

    total: int = Field(0, description="Sentences that were checked.")
    ok: int = Field(0, description="Those that held.")
    repaired: int = Field(0, description="Those that were corrected to what their source says.")
    dropped: int = Field(0, description="Those that were left out.")


class Report(BaseModel):
    """The whole report; parts that it does not have are empty."""

    title: str = Field(description="What it is about.")
    question: str = Field(description="What was asked.")
    intent: Intent = Field(Intent.ANSWER, description="The kind of answer that was wanted.")
    written_by: Literal["rules", "llm"] = Field("rules", description="Who chose the words of summary and sections.")
    documents: int = Field(0, description="Documents that were searched.")
    summary: list[Statement] = Field([], description="The answer in short.")
    table: Table | None = Field(None, description="The comparison by aspect, where subjects are compared.")
    rulings: list[Ruling] = Field([], description="The statements that were to be checked.")
    guides: list[Guide] = Field([], description="How it is done, step by step.")
    sections: list[Section] = Field([], description="What was found.")
    agreements: list[Agreed] = Field([], description="Where sources agree.")
    differences: list[Disagreement] = Field([], description="Where sources differ.")
    missing: list[Missing] = Field([], description="What was asked and not found.")
    unread: list[Unread] = Field([], description="Documents that could not be used.")
    sources: list[Source] = Field([], description="The passages that are cited, by number.")
    citations: CitationCounts = Field(default_factory=CitationCounts, description="How many of the sentences held.")
