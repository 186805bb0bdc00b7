"""What a look at something has found."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum


class Status(StrEnum):
    """`warn`: look at it some day; `fail`: a promise is broken, or will be."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the doctor: which check, how it went, what was seen, what to do about it."""

    check: str
    status: Status
    said: str
    advice: str = ""


Findings = Iterator[Finding]


def number(count: int, what: str, many: str = "") -> str:
    """`1 task`, `2 tasks`"""
    return f"{count:,} {what if count == 1 else many or what + 's'}"


def ok(check: str, said: str) -> Finding:
    return Finding(check, Status.OK, said)


def warn(check: str, said: str, advice: str) -> Finding:
    return Finding(check, Status.WARN, said, advice)


def fail(check: str, said: str, advice: str) -> Finding:
    return Finding(check, Status.FAIL, said, advice)
