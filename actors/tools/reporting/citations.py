"""
Checks a report's citations against the passages they point to, and mends the few that can be.

A claim holds when its passage is there, its quotation stands in that passage word for word (white space
and case apart), and the sentence a reader sees is that quotation without its markup, read with its context, which
must stand there too (see `shown`).

A claim is repaired when its quotation stands in another of the passages, or when it is so near to what its passage
says that only the passage's own words can be meant: then these are what a reader gets. Its numbers and whether it
denies must be the same, or it says something else. Any other claim is dropped.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import SequenceMatcher
from typing import Literal, TypeVar

from actors.tools.analysing.findings import Quotation
from actors.tools.contradictions.facts import denials, numbers
from actors.tools.splitting.passages import Passage
from actors.tools.text.shown import Form, shown

QUOTE_CHARS_MAX = 4_000
REPAIRS_MAX = 40  # tried per report; each looks through all passages
ALIKE_MIN = 0.92
ELSEWHERE_WORDS_MIN = 4  # fewer stand anywhere

Reason = Literal["no such passage", "quotation not in the passage", "sentence is not the quotation"]
WORD = re.compile(r"\S+")
Q = TypeVar("Q", bound=Quotation)


@dataclass(frozen=True, slots=True)
class Claim:
    """One sentence of a report and the place it claims to come from."""

    text: str
    quote: str
    pid: str
    context: str = ""
    form: Form = "sentence"

    @classmethod
    def of(cls, quotation: Quotation) -> "Claim":
        return cls(quotation.text, quotation.quote, quotation.pid, quotation.context, quotation.form)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A claim that does not hold, and why."""

    claim: Claim
    reason: Reason


@dataclass(frozen=True, slots=True)
class Verification:
    """The outcome: every claim holds, holds as it was repaired, or is rejected."""

    held: frozenset[Claim]
    rejected: tuple[Rejected, ...]
    total: int
    repaired: Mapping[Claim, Claim] = field(default_factory=dict)

    @property
    def counts(self) -> dict[str, int]:
        dropped, repaired = len(self.rejected), len(self.repaired)
        return {"total": self.total, "ok": self.total - dropped - repaired, "repaired": repaired, "dropped": dropped}

    def of(self, quotation: Q) -> Q | None:
        """The quotation as it may be printed; `None` when it may not."""
        claim = Claim.of(quotation)
        if claim in self.held:
            return quotation
        mended = self.repaired.get(claim)
        if mended is None:
            return None
        return quotation.model_copy(update={"text": mended.text, "quote": mended.quote, "pid": mended.pid})


def verify(claims: Iterable[Claim], passages: Mapping[str, Passage]) -> Verification:
    """Checks each distinct claim once; pure."""
    distinct = list(dict.fromkeys(claims))
    faults = {claim: reason for claim in distinct if (reason := fault(claim, passages))}
    tried = list(faults.items())[:REPAIRS_MAX]
    repaired = {claim: mended for claim, reason in tried if (mended := repair(claim, reason, passages))}
    rejected = tuple(Rejected(claim, reason) for claim, reason in faults.items() if claim not in repaired)
    return Verification(frozenset(distinct) - faults.keys(), rejected, len(distinct), repaired)


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


def repair(claim: Claim, reason: Reason, passages: Mapping[str, Passage]) -> Claim | None:
    """The claim as the passages bear it out, if they do."""
    if reason == "sentence is not the quotation":
        candidates = [claim]
    else:
        candidates = [replace(claim, pid=passage.pid) for passage in _elsewhere(claim, passages)]
        here = passages.get(claim.pid)
        if not candidates and here and (quote := nearest(claim.quote, here.text)):
            candidates = [replace(claim, quote=quote)]
    for candidate in candidates:
        mended = replace(candidate, text=shown(candidate.quote, candidate.context, candidate.form))
        if _alike(claim.text, mended.text) and fault(mended, passages) is None:
            return mended
    return None


def nearest(quote: str, text: str) -> str | None:
    """The piece of the text, in whole words, that is nearly the quotation."""
    words, wanted = [match.span() for match in WORD.finditer(text)], normalised(quote)
    size, best, found = len(quote.split()), ALIKE_MIN, None
    if not size or len(quote) > QUOTE_CHARS_MAX:
        return None
    matcher = SequenceMatcher(autojunk=False)
    matcher.set_seq2(wanted)
    for length in {max(1, size - 1), size, size + 1}:
        for first in range(len(words) - length + 1):
            piece = text[words[first][0] : words[first + length - 1][1]]
            matcher.set_seq1(normalised(piece))
            if matcher.real_quick_ratio() >= best and matcher.quick_ratio() >= best and matcher.ratio() >= best:
                best, found = matcher.ratio(), piece
    return found


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


def _elsewhere(claim: Claim, passages: Mapping[str, Passage]) -> list[Passage]:
    """The passages, by their own ids, that have the quotation."""
    if len(claim.quote.split()) < ELSEWHERE_WORDS_MIN:
        return []
    known = [passage for pid, passage in passages.items() if passage.pid == pid != claim.pid]
    return [passage for passage in known if locate(claim.quote, passage.text) is not None]


def _alike(one: str, other: str) -> bool:
    if numbers(one) != numbers(other) or denials(one) != denials(other):
        return False
    return SequenceMatcher(None, normalised(one), normalised(other), autojunk=False).ratio() >= ALIKE_MIN
