"""What the client raises."""

from collections.abc import Mapping
from typing import Any


class ClientError(Exception):
    """Base of what the client raises; its text is one sentence for a person."""


class ApiUnreachable(ClientError):
    """Nothing answers at the address, or a stream stayed silent for longer than `SILENCE_S_MAX`."""


class KeyExposed(ClientError, ValueError):
    """The key would travel where others can read it; see `allow_insecure` of `Client`."""


class StreamBroken(ClientError):
    """An event is missing, out of order or no event at all."""


class ApiError(ClientError):
    """The API refused; `problem` is its problem document, `lines` what a person should read."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.problem = dict(problem)
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
