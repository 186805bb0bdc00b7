"""Times and durations as people write them: RFC 3339 and ISO 8601."""

import re
from datetime import datetime, timedelta
from typing import TypeVar

from pydantic import AwareDatetime, TypeAdapter, ValidationError

from app.model.task import Moment

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
