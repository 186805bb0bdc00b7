"""The terms of a task: when it may start, when it must have ended, and how much of its kind runs at once."""

from typing import Annotated, Any

from fastapi import Header
from pydantic import BaseModel, ConfigDict, Field, PlainValidator

from app.api.text import LabelName
from app.dispatch.submission import CONCURRENCY_MAX
from app.model.task import Concurrency, Moment
from app.model.times import DURATION, TIME, parse_moment


def _schema(text: str) -> dict[str, Any]:
    pattern = f"^({DURATION.pattern}|{TIME.pattern})$"
    return {"type": "string", "pattern": pattern, "examples": ["PT30S", "2026-05-01T12:00:00Z"], "description": text}


MomentText = Annotated[
    Moment,
    PlainValidator(parse_moment, json_schema_input_type=str),
    Field(json_schema_extra=_schema("An RFC 3339 time with its offset, or an ISO 8601 duration from now.")),
]
IdempotencyKey = Annotated[
    str | None,
    Header(
        min_length=1,
        max_length=255,
        pattern=r"^[ -~]+$",
        description="Makes it safe to send the request again: the same key and body name the same task for 24 hours.",
    ),
]


class ConcurrencyBody(BaseModel):
    """At most `limit` steps are under way among all tasks with this task's value of the label `key`."""

    model_config = ConfigDict(extra="forbid")

    key: LabelName
    limit: Annotated[int, Field(strict=True, ge=1, le=CONCURRENCY_MAX)]

    def value(self) -> Concurrency:
        return Concurrency(self.key, self.limit)
