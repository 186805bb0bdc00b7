"""Why a page was not read."""

import hashlib
from typing import Any

from app.errors import AgentError, Permanent, RateLimited, Retryable

#: A task waits that long for a site that asks for patience, and no longer.
DEFERRAL_S_MAX = 900.0


class Unreached(Exception):  # it says what happened
    """
    A page could not be had; the text is a reason for people, to be read behind the URL.

    `passing`: it may be there later; `retry_after_s` says when, where the server did.
    """

    def __init__(self, reason: str, *, passing: bool = False, retry_after_s: float | None = None) -> None:
        self.reason = reason
        self.passing = passing or retry_after_s is not None
        self.retry_after_s = retry_after_s
        super().__init__(reason)

    def again(self) -> "Unreached":
        """The same for somebody else: an exception that is raised twice drags two tracebacks along."""
        return Unreached(self.reason, passing=self.passing, retry_after_s=self.retry_after_s)


class NoTime(Unreached):
    """The step has not the time that it would take; another one may have it."""


class TooLarge(Unreached):
    """It has more bytes than are read of such a thing."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(f"has more than {bytes_max} bytes")


class Failures:
    """The URLs of one step that could not be read, in the order in which that became known."""

    def __init__(self) -> None:
        self._found: dict[str, Unreached] = {}

    def add(self, uri: str, trouble: Unreached) -> None:
        self._found.setdefault(uri, trouble)

    def __bool__(self) -> bool:
        return bool(self._found)

    def listed(self) -> list[dict[str, Any]]:
        """As they stand in the retriever's output: `[{uri, reason}]`."""
        return [{"uri": uri, "reason": trouble.reason} for uri, trouble in self._found.items()]

    def error(self) -> AgentError:
        """What the step fails with when it has nothing but these: it waits, tries again, or gives up."""
        uri, trouble = next(iter(self._found.items()))
        more = f"; and {len(self._found) - 1} more" if len(self._found) > 1 else ""
        sentence = f"Nothing could be read from the web: {uri} {trouble.reason}{more}."
        asked = [t.retry_after_s for t in self._found.values() if t.retry_after_s is not None]
        if asked and min(asked) <= DEFERRAL_S_MAX:
            # The provider is the site and not the agent: nobody else has to wait for it.
            site = hashlib.sha256(uri.encode()).hexdigest()[:12]
            return RateLimited(sentence, retry_after_ms=round(min(asked) * 1000), provider=f"web-{site}")
        if any(t.passing and t.retry_after_s is None for t in self._found.values()):
            return Retryable(sentence, code="web_unreachable")
        return Permanent(sentence, code="web_unreachable")
