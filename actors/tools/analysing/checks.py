"""
Judges statements by what the passages say: supported, contradicted, disputed, or not found.

The statement is read like a sentence of a document and set against all of them. What says the same supports it, what
opposes it contradicts it, and anything less leaves it open: a sentence about the same thing is no evidence.
"""

import re
from collections.abc import Callable, Sequence

from actors.tools.analysing.candidates import Candidate
from actors.tools.contradictions.opposition import contradicts, supports
from actors.tools.contradictions.readings import Reading, read
from actors.tools.text.inline import clean

CLAIMS_MAX = 12
CLAIM_CHARS_MAX = 500
SIDES_MAX = 3

ASKS = re.compile(
    r"^\W*(?:(?:please|can you|could you) )*(?:(?:fact[- ]?check|check|verify|confirm|validate|examine)(?: and \w+)?"
    r"(?: (?:whether|that|if|for me|these|this|the (?=claim|statement|fact|following)|"
    r"following|claims?|statements?|facts?))*|is it (?:true|correct|right)"
    r"(?: that)?|true or false|(?:the )?(?:claim|statement)(?: that)?)\b\W*",
    re.IGNORECASE,
)
TAIL = re.compile(
    r"\W*\b(?:is (?:that|this|it) (?:right|true|correct)|true or false|right|really)\s*\?*\s*$", re.IGNORECASE
)
BETWEEN = re.compile(r"(?<=[.!?;])\s+|\n+\s*(?:[-*\u2022]|\d{1,2}[.)])?\s*")


def claims_of(text: str, subjects: Sequence[str] = ()) -> list[str]:
    """The statements to judge: those the step names, else the sentences of its text without what asks for it."""
    if subjects:
        return list(dict.fromkeys(subjects))[:CLAIMS_MAX]
    pieces = (TAIL.sub("", ASKS.sub("", piece.strip())) for piece in BETWEEN.split(text))
    kept = [clean(piece).strip(" \"'\u201c\u201d:;")[:CLAIM_CHARS_MAX] for piece in pieces]
    return list(dict.fromkeys(claim for claim in kept if len(claim.split()) > 1))[:CLAIMS_MAX] or [clean(text)]


def judge(claim: str, candidates: list[Candidate]) -> tuple[list[Candidate], list[Candidate]]:
    """The sentences that say the same, and those that say the contrary, surest first."""
    stated = read(claim.rstrip("?") + ".")
    agreeing: list[tuple[float, Candidate]] = []
    opposing: list[tuple[float, Candidate]] = []
    for candidate in candidates:
        readings = read(candidate.sentence.text)
        if against := _surest(stated, readings, contradicts):
            opposing.append((against, candidate))
        elif same := _surest(stated, readings, supports):
            agreeing.append((same, candidate))
    return _best(agreeing), _best(opposing)


def _surest(stated: list[Reading], said: list[Reading], judged: Callable[[Reading, Reading], float]) -> float:
    return max((judged(claim, reading) for claim in stated for reading in said), default=0.0)


def _best(found: list[tuple[float, Candidate]]) -> list[Candidate]:
    ranked = sorted(found, key=lambda entry: (-entry[0], -entry[1].score, entry[1].place))
    return [candidate for _, candidate in ranked[:SIDES_MAX]]
