"""The terms of a task: when it may start, when it must have ended, and how much of its kind runs at once."""

import re
from datetime import datetime, timedelta
from typing import Annotated, Any, TypeVar

from fastapi import Header
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, PlainValidator, TypeAdapter, ValidationError

from app.api.text import LabelName
from app.dispatch.submission import CONCURRENCY_MAX
from app.model.task import Concurrency, Moment

TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt][0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,9})?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)
#: Weeks to seconds; years and months have no fixed length.
DURATION = re.compile(
    r"P(?=[0-9T])([0-9]{1,9}W)?([0-9]{1,9}D)?(T(?=[0-9])([0-9]{1,9}H)?([0-9]{1,9}M)?([0-9]{1,9}(\.[0-9]{1,9})?S)?)?"
)
EITHER = "write a time with its offset (2026-05-01T12:00:00Z) or a duration from now (PT30S)"
EPOCH = datetime.fromisoformat("1970-01-01T00:00:00+00:00")
MILLISECOND = timedelta(milliseconds=1)
T = TypeVar("T")

_TIMES: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)
_DURATIONS: TypeAdapter[timedelta] = TypeAdapter(timedelta)


def parse_time(value: object) -> int:
    """Epoch milliseconds of an RFC 3339 time; raises `ValueError`."""
    if isinstance(value, str) and TIME.fullmatch(value):
        return _milliseconds(_parsed(_TIMES, value) - EPOCH)
    raise ValueError("write a time with its offset, as in 2026-05-01T12:00:00Z")


def parse_moment(value: object) -> Moment:
    """A time, or a duration from the moment the server accepts the task; raises `ValueError`."""
    if isinstance(value, str) and DURATION.fullmatch(value):
        return Moment(_milliseconds(_parsed(_DURATIONS, value)), relative=True)
    if isinstance(value, str) and TIME.fullmatch(value):
        return Moment(parse_time(value))
    raise ValueError(EITHER)


def _milliseconds(duration: timedelta) -> int:
    return duration // MILLISECOND


def _parsed(adapter: TypeAdapter[T], text: str) -> T:
    try:
        return adapter.validate_python(text)
    except ValidationError as error:
        raise ValueError(error.errors(include_url=False)[0]["msg"]) from error


def _schema(text: str) -> dict[str, Any]:
    return {"type": "string", "examples": ["PT30S", "2026-05-01T12:00:00Z"], "description": text}


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
