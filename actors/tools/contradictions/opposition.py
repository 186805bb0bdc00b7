"""
Whether two readings contradict each other: other numbers, other dates, or one denies what the other says.

Both must speak of the same attribute of the same thing under the same limits; where that is open, they do not
contradict: a report that cries wolf is worth less than one that misses a pair.
"""

from dataclasses import dataclass
from typing import Literal

from actors.tools.contradictions.dates import Date
from actors.tools.contradictions.quantities import Quantity
from actors.tools.contradictions.readings import EXCLUDING, MARK, MARKED, Reading, weight

SHARED_MANY = 6  # words; sentences this alike speak of the same, whatever else they mention

AGREE_SHARED_MIN = 3
DENIED_SHARED_MIN = 3  # unless both say nothing else: two words in common may be anything's
CLAIM_COVERED_MIN = 0.75  # of a claim's words, for a source to speak of it

Kind = Literal["numbers", "dates", "negation"]


@dataclass(frozen=True, slots=True)
class Likeness:
    """How much two readings share: `contained` of the shorter, `alike` of both together (0 to 1)."""

    shared: tuple[str, ...]
    contained: float
    alike: float
    only_left: tuple[str, ...]
    only_right: tuple[str, ...]


def likeness(left: Reading, right: Reading) -> Likeness:
    shared = [key for key in left.words if key in right.words]
    both = sum(weight(left.words[key]) for key in shared)
    mine = sum(weight(word) for word in left.words.values())
    theirs = sum(weight(word) for word in right.words.values())
    return Likeness(
        tuple(key for key in shared if not left.words[key].light),
        both / min(mine, theirs),
        both / (mine + theirs - both),
        tuple(sorted(left.strong - right.whole)),
        tuple(sorted(right.strong - left.whole)),
    )


def opposition(left: Reading, right: Reading) -> tuple[Kind, float] | None:
    """The kind of the contradiction and how sure it is (0 to 1), or `None`."""
    like = likeness(left, right)
    if not like.shared or not _same_limits(left, right) or _contrasts(left, right, like):
        return None
    kind: Kind | None = "negation" if _denies(left, right, like) else None
    advice = left.mode != right.mode and "advice" in (left.mode, right.mode)
    if not kind and not advice and _same_attribute(like):
        kind = _other_figure(left, right, like)
    return (kind, like.alike) if kind else None


def agree(left: Reading, right: Reading) -> float:
    """How surely both say the same, 0 for not; then their numbers, dates and denials are the same as well."""
    like = likeness(left, right)
    if len(like.shared) < AGREE_SHARED_MIN or like.contained < 0.75 or like.alike < 0.55:
        return 0.0
    if not _same_limits(left, right) or not _same_marks(left, right) or _contrasts(left, right, like):
        return 0.0
    if (like.only_left and like.only_right and like.alike < 0.65) or left.partial != right.partial:
        return 0.0
    shared = [(left.words[key], right.words[key]) for key in like.shared]
    if any(a.sign != b.sign or (a.mood != b.mood and (a.focus or b.focus)) for a, b in shared):
        return 0.0
    return like.alike if _same_figures(left, right) else 0.0


def supports(claim: Reading, source: Reading) -> float:
    """How surely the source says all of the claim, whatever else it says; 0 for not."""
    covered = _covered(claim, source)
    shared = [(claim.words[key], source.words[key]) for key in claim.words if key in source.words]
    if covered < CLAIM_COVERED_MIN or not _same_limits(claim, source) or claim.partial != source.partial:
        return 0.0
    if any(a.sign != b.sign or (a.mood != b.mood and (a.focus or b.focus)) for a, b in shared):
        return 0.0
    figures = all(any(_same_amount(claim, a, source, b) for b in source.quantities) for a in claim.quantities)
    days = all(any(not a.conflicts(b) for b in source.dates) for a in claim.dates)
    return covered if figures and days and claim.versions <= source.versions else 0.0


def contradicts(claim: Reading, source: Reading) -> float:
    """How surely the source says the contrary of the claim, whatever else it says; 0 for not."""
    covered, like = _covered(claim, source), likeness(claim, source)
    if covered < CLAIM_COVERED_MIN or not _same_limits(claim, source) or not like.shared:
        return 0.0
    denied = claim.partial == source.partial and _same_marks(claim, source) and _opposed(claim, source)
    return covered if denied or (source.mode != "advice" and _other_figure(claim, source, like)) else 0.0


def _covered(claim: Reading, source: Reading) -> float:
    mine = sum(weight(word) for word in claim.words.values())
    return sum(weight(word) for key, word in claim.words.items() if key in source.words) / mine


def _same_figures(left: Reading, right: Reading) -> bool:
    """Whether every number of the one that says less of them is in the other."""
    if bool(left.quantities) != bool(right.quantities) or bool(left.dates) != bool(right.dates):
        return False
    few, many = sorted((left, right), key=lambda one: len(one.quantities))
    matched = (any(_same_amount(few, a, many, b) for b in many.quantities) for a in few.quantities)
    return all(matched) and all(not a.conflicts(b) for a in left.dates for b in right.dates)


def _same_amount(one: Reading, a: Quantity, other: Reading, b: Quantity) -> bool:
    return a.comparable(b, one.whole, other.whole) and not a.conflicts(b)


def _other_figure(left: Reading, right: Reading, like: Likeness) -> Kind | None:
    if _other_amount(left, right):
        return "numbers"
    return "dates" if _other_date(left, right, like) else None


def _same_limits(left: Reading, right: Reading) -> bool:
    if left.places != right.places or ((left.versions or right.versions) and left.versions != right.versions):
        return False
    return _met(left, right) and _met(right, left) and _same_marks(left, right, EXCLUDING)


def _met(one: Reading, other: Reading) -> bool:
    """Whether the other speaks of what one makes a condition."""
    plain = [key for key in one.conditions if not key.startswith(MARK)]
    known = other.conditions | other.whole
    return len([key for key in plain if key in known]) >= 0.6 * len(plain)


def _same_marks(left: Reading, right: Reading, which: frozenset[str] = MARKED) -> bool:
    """Whether both say "until", both "unless", or neither."""
    mine, theirs = ({key for key in one.conditions if key.removeprefix(MARK) in which} for one in (left, right))
    return mine == theirs


def _contrasts(left: Reading, right: Reading, like: Likeness) -> bool:
    """Whether both qualify the same word differently: "the read timeout" and "the write timeout"."""
    if like.alike >= 0.75 and len(like.shared) >= SHARED_MANY:
        return False
    mine, theirs = _neighbours(left, like.only_left), _neighbours(right, like.only_right)
    return any(place in theirs for place in mine if place[1] in like.shared)


def _neighbours(reading: Reading, keys: tuple[str, ...]) -> set[tuple[str, str]]:
    """For each of the words the strong word before it and behind it, with the side."""
    ranked = sorted((word.start, key) for key, word in reading.words.items() if not word.light)
    order = [key for _, key in ranked]
    found = set()
    for at, key in enumerate(order):
        if key in keys:
            found |= {("before", order[at - 1])} if at else set()
            found |= {("behind", order[at + 1])} if at + 1 < len(order) else set()
    return found


def _same_attribute(like: Likeness) -> bool:
    if like.only_left and like.only_right:
        return like.contained >= 0.6 and like.alike >= 0.4
    return like.contained >= 0.7 and like.alike >= 0.3


def _denies(left: Reading, right: Reading, like: Likeness) -> bool:
    if left.partial != right.partial or not _same_marks(left, right):
        return False
    if like.contained < 0.7 or like.alike < 0.5 or (like.only_left and like.only_right and like.alike < 0.6):
        return False
    if len(like.shared) < DENIED_SHARED_MIN and (like.only_left or like.only_right):
        return False
    return _opposed(left, right)


def _opposed(left: Reading, right: Reading) -> bool:
    """Whether a word in focus is affirmed by one and denied by the other, and none is by both alike."""
    pairs = [(left.words[key], right.words[key]) for key in left.words if key in right.words]
    opposed = [a for a, b in pairs if a.sign != b.sign and (a.focus or b.focus) and a.mood == b.mood]
    agreed = [a for a, b in pairs if a.sign == b.sign and a.focus and b.focus]
    return bool(opposed) and not agreed


def _other_amount(left: Reading, right: Reading) -> bool:
    pairs = [
        (a, b)
        for a in left.quantities
        for b in right.quantities
        if a.comparable(b, left.whole, right.whole)
    ]  # fmt: skip
    if not pairs or not any(a.conflicts(b) for a, b in pairs) or not all(a.conflicts(b) for a, b in pairs):
        return False
    return any(_heads_shared(left, a, right, b) for a, b in pairs)


def _heads_shared(left: Reading, a: "Quantity | Date", right: Reading, b: "Quantity | Date") -> bool:
    """Whether the word nearest to each number, which mostly names the attribute, stands in the other too."""
    return _head(left, a) in right.words and _head(right, b) in left.words


def _head(reading: Reading, place: "Quantity | Date") -> str:
    strong = [(key, word) for key, word in reading.words.items() if not word.light]
    ranked = sorted(strong, key=lambda entry: (abs(entry[1].start - place.start), entry[1].start))
    return ranked[0][0] if ranked else ""


def _other_date(left: Reading, right: Reading, like: Likeness) -> bool:
    pairs = [(a, b) for a in left.dates for b in right.dates]
    return bool(pairs) and all(a.conflicts(b) for a, b in pairs) and like.alike >= 0.5
