"""In which form a task's document is wanted, and how documents of each form are named."""

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, Field

MARKDOWN = "text/markdown"
HTML = "text/html"
JSON = "application/json"
PLAIN = "text/plain"

_SUFFIXES = {MARKDOWN: ".md", HTML: ".html", JSON: ".json", PLAIN: ".txt", "text/csv": ".csv"}


class OutputFormat(StrEnum):
    """`markdown` for people and programs, `html` a page that stands alone, `json` the report as data."""

    MARKDOWN = "markdown"
    JSON = "json"
    HTML = "html"

    @property
    def media_type(self) -> str:
        return {"markdown": MARKDOWN, "json": JSON, "html": HTML}[self.value]


class TaskOutput(BaseModel):
    """What the task's document is to be like."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: OutputFormat = Field(OutputFormat.MARKDOWN, description="The form in which the report is written.")


def suffix_of(media_type: str) -> str:
    """How the name of a document of this type ends; nothing for types that are not known here."""
    return _SUFFIXES.get(media_type.partition(";")[0].strip().lower(), "")
