"""
One request to the API as a value, and how its answer is read; nothing here does I/O.

A client sends what `Call.request` says and hands the answer to `Call.answer`. That is all it has to know of HTTP.
"""

import random
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, TypeAdapter, ValidationError

from app.client.errors import ApiError, ApiUnreachable, ClientError

T = TypeVar("T")

#: A time with its offset, a duration from now, or either as the API reads it.
When = datetime | timedelta | str

BACKOFF_S = 0.1
RETRY_AFTER_S_MAX = 10.0
#: A status and a connection that say nothing was done, or nothing that doing it again could harm.
BUSY = 503


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """A request; one that is `repeatable` may be sent again when its answer was lost or the API is busy."""

    method: str
    path: str
    read: Callable[[httpx2.Response], T]
    params: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    repeatable: bool = False

    @property
    def request(self) -> dict[str, Any]:
        """The arguments of `httpx2.Client.request`."""
        content = {} if self.body is None else {"json": self.body}
        return {"method": self.method, "url": self.path, "params": self.params, "headers": self.headers, **content}

    def answer(self, response: httpx2.Response) -> T:
        """What a complete answer says; raises `ApiError` for a refusal, `ApiUnreachable` for what is no answer."""
        check(response)
        return self.read(response)


class Patience:
    """How long a call is sent again: if it is repeatable, for `silence_s_max` from now on."""

    def __init__(self, call: Call[Any], silence_s_max: float) -> None:
        self._repeatable = call.repeatable
        self._end_s = time.monotonic() + silence_s_max
        self._delay_s = BACKOFF_S

    def pause_s(self, error: ClientError) -> float:
        """Seconds until the next try; raises `error` when there is none."""
        passing = isinstance(error, ApiUnreachable) or (isinstance(error, ApiError) and error.status == BUSY)
        left_s = self._end_s - time.monotonic()
        if not (self._repeatable and passing and left_s > self._delay_s):
            raise error
        pause_s = self._delay_s * random.uniform(0.5, 1)
        if isinstance(error, ApiError) and error.retry_after_s:
            pause_s = max(pause_s, min(error.retry_after_s, RETRY_AFTER_S_MAX))
        self._delay_s = min(2 * self._delay_s, RETRY_AFTER_S_MAX)
        return min(pause_s, left_s)


def check(response: httpx2.Response) -> None:
    """Raises `ApiError` unless the answer, which has been read, is a success."""
    if response.is_success:
        return
    problem = _problem(response) or {"detail": response.text[:200]}
    after = response.headers.get("retry-after", "")
    # Only digits that `int` reads as such: "²" is one to `isdigit`.
    raise ApiError(response.status_code, problem, int(after) if after.isascii() and after.isdigit() else None)


def as_model(kind: type[T]) -> Callable[[httpx2.Response], T]:
    """Reads an answer of this shape; members that a newer API has added are passed over."""
    adapter = TypeAdapter(kind)

    def read(response: httpx2.Response) -> T:
        try:
            return adapter.validate_json(response.content, extra="ignore")
        except ValidationError as error:
            raise ApiUnreachable(f"What answers at {response.url} is not this API.") from error

    return read


def nothing(_: httpx2.Response) -> None:
    """There is nothing to read."""


def segment(text: str) -> str:
    """A path segment that holds the text, whatever it is."""
    return quote(text, safe="", errors="replace")


def given(**members: object) -> dict[str, Any]:
    """Those members that have a value, models as JSON."""
    return {
        name: value.model_dump(mode="json") if isinstance(value, BaseModel) else value
        for name, value in members.items()
        if value is not None
    }


def moment(when: When | None) -> str | None:
    """As the API reads it; a time needs its offset, which is for the API to say."""
    if isinstance(when, timedelta):
        return f"PT{when.total_seconds():.3f}S"
    return when.isoformat() if isinstance(when, datetime) else when


def _problem(response: httpx2.Response) -> dict[str, Any] | None:
    try:
        answer = response.json()
    except ValueError:
        return None
    return answer if isinstance(answer, dict) else None
