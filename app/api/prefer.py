"""The `Prefer` header (RFC 7240): how long a client would wait for its answer."""

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated
from urllib.request import parse_http_list

from fastapi import Depends, Header
from pydantic import WithJsonSchema

WAIT_S_MAX = 60


@dataclass(frozen=True, slots=True)
class Wait:
    """A wish to wait `seconds`, and since when; they count from the moment the request came."""

    seconds: int
    since_s: float

    @property
    def left_s(self) -> float:
        return max(0.0, self.since_s + self.seconds - time.monotonic())

    @property
    def applied(self) -> str:
        """What `Preference-Applied` says."""
        return f"wait={self.seconds}"


def wait_seconds(prefer: Iterable[str]) -> int | None:
    """
    The `wait` of some `Prefer` headers, at most `WAIT_S_MAX`; nothing when there is none that can be read.

    The first one counts, and what a server does not understand it ignores (section 2).
    """
    for preference in parse_http_list(",".join(prefer)):
        name, _, value = preference.partition(";")[0].partition("=")
        if name.strip().lower() == "wait":
            digits = value.strip().strip('"')
            return _bounded(digits) if digits.isascii() and digits.isdecimal() else None
    return None


def _bounded(digits: str) -> int:
    return min(int(digits.lstrip("0")[:3] or 0), WAIT_S_MAX)


HeaderLines = Annotated[
    Sequence[str],
    WithJsonSchema({"type": "string"}),
    Header(
        description=f"`wait=n`: answer when the task has ended, but not later than in n seconds, {WAIT_S_MAX} at most.",
        examples=["wait=30"],
    ),
]


async def _wait(prefer: HeaderLines = ()) -> Wait | None:
    seconds = wait_seconds(prefer)
    return None if seconds is None else Wait(seconds, time.monotonic())


Preference = Annotated[Wait | None, Depends(_wait)]
