"""
Checks a report's citations against the passages they point to.

A claim holds when its passage is there, its quotation stands in that passage word for word (white space
and case apart), and the sentence a reader sees is that quotation without its markup, read with its context, which
must stand there too (see `shown`). A claim that fails is dropped; nothing here mends one.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from actors.tools.passages import Passage
from actors.tools.shown import Form, shown

QUOTE_CHARS_MAX = 4_000

Reason = Literal["no such passage", "quotation not in the passage", "sentence is not the quotation"]


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of a report and the place it claims to come from."""

    text: str
    quote: str
    pid: str
    context: str = ""
    form: Form = "sentence"


@dataclass(frozen=True, slots=True)
class Rejected:
    """A claim that does not hold, and why."""

    claim: Claim
    reason: Reason


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome: every claim is either held or rejected."""

    held: frozenset[Claim]
    rejected: tuple[Rejected, ...]
    total: int

    @property
    def counts(self) -> dict[str, int]:
        dropped = len(self.rejected)
        return {"total": self.total, "ok": self.total - dropped, "repaired": 0, "dropped": dropped}


def verify(claims: Iterable[Claim], passages: Mapping[str, Passage]) -> Verification:
    """Checks each distinct claim once; pure."""
    distinct = list(dict.fromkeys(claims))
    rejected = tuple(Rejected(claim, reason) for claim in distinct if (reason := fault(claim, passages)))
    failed = {entry.claim for entry in rejected}
    return Verification(frozenset(claim for claim in distinct if claim not in failed), rejected, len(distinct))


def fault(claim: Claim, passages: Mapping[str, Passage]) -> Reason | None:
    """What is wrong with the claim, if anything."""
    passage = passages.get(claim.pid)
    if passage is None or passage.pid != claim.pid:
        return "no such passage"
    if locate(claim.quote, passage.text) is None or (claim.context and locate(claim.context, passage.text) is None):
        return "quotation not in the passage"
    if not claim.text or normalised(claim.text) != normalised(shown(claim.quote, claim.context, claim.form)):
        return "sentence is not the quotation"
    return None


def locate(quote: str, text: str) -> int | None:
    """Where the quotation begins, in whole words; white space and case do not count."""
    words = quote.split()
    if not words or len(quote) > QUOTE_CHARS_MAX:
        return None
    pattern = r"\s+".join(re.escape(word) for word in words)
    match = re.search(rf"(?<!\w){pattern}(?!\w)", text, re.IGNORECASE)
    return match.start() if match else None


def normalised(text: str) -> str:
    return " ".join(text.casefold().split())
