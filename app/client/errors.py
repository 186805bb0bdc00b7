"""
What the client raises.

    ClientError
    ├── ApiUnreachable    nobody answers there, or not any more, or it is not this API
    ├── ApiError          the API said no: HTTP status and problem document (RFC 9457)
    ├── BadKey            what was given as a key cannot be one
    ├── KeyExposed        the key would travel where others can read it
    ├── StreamBroken      the event stream contradicts itself: a gap, or not an event
    └── WaitTimeout       the task has not ended in the time that was given; also a `TimeoutError`
"""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of what the client raises; its text is one sentence for a person."""


class ApiUnreachable(ClientError):
    """Nothing answers at the address, or a stream stayed silent for longer than `silence_s_max`."""


class KeyExposed(ClientError, ValueError):
    """The key would travel where others can read it; see `allow_insecure` of `Client`."""


class BadKey(ClientError, ValueError):
    """What was given as a key cannot be one."""


class StreamBroken(ClientError):
    """An event is missing, out of order or no event at all."""


class WaitTimeout(ClientError, TimeoutError):
    """The task had not ended when the time was up; it goes on."""


class ApiError(ClientError):
    """
    The API refused; `problem` is its problem document, `lines` what a person should read.

    `retry_after_s` is what the API asked for in `Retry-After`, if it did.
    """

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: int | None = None) -> None:
        self.status = status
        self.problem = dict(problem)
        self.retry_after_s = retry_after_s
        super().__init__(f"The API answered {status}: {problem.get('detail') or problem.get('title') or 'no reason'}")

    @property
    def lines(self) -> list[str]:
        errors = self.problem.get("errors")
        if not isinstance(errors, list) or not errors:
            return [str(self)]
        return [_line(error) for error in errors if isinstance(error, dict)]


def _line(error: Mapping[str, Any]) -> str:
    where = error.get("pointer") or error.get("parameter") or ""
    return f"{where}: {error.get('detail', '')}"
