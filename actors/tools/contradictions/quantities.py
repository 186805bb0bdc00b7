"""
Reads the numbers of a sentence: how much of what, whichever way it is written.

    "1,000 ms", "one second", "1 s"      1000 ms
    "64 KiB", "65,536 bytes"             65536 bytes
    "up to 5 attempts"                   at most 5 attempts
    "between 10 and 30 seconds"          10000 to 30000 ms

Versions and numbers that name something ("RFC 9110", "step 3", "HTTP 404") are no quantities.
"""

import re
from dataclasses import dataclass
from typing import Literal

from actors.tools.contradictions.units import NUMBER_WORDS, UNIT_PATTERN, UNITS, number_value
from actors.tools.text.words import STOP_WORDS, stem

QUANTITIES_MAX = 12  # of one sentence
ROUNDING = 0.05  # relative; two numbers this near, one of them rounded, say the same
ABOUT = 0.15

Bound = Literal["exact", "most", "least", "under", "over", "about", "range"]

_DIGITS = r"\d{1,3}(?:[,_\u202f]\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_WORDS = "|".join(sorted(NUMBER_WORDS, key=lambda word: (-len(word), word)))


def _one(suffix: str) -> str:
    """A number with its scale and unit, in groups whose names end with the suffix."""
    return (
        rf"(?P<value{suffix}>{_DIGITS}|\b(?:{_WORDS})\b)"
        rf"(?:(?P<unit{suffix}>[ \u00a0-]?(?:{UNIT_PATTERN})(?!\w)|\s?%)|"
        rf"(?P<scale{suffix}>k(?!\w)|\s(?:thousand|million|billion)\b))?(?!\w|:\d)"
    )


QUANTITY = re.compile(
    rf"(?<![\w.,/:#$-])(?P<currency>[$\u20ac\u00a3])?\s?{_one('')}"
    rf"(?:(?P<to>\s?[-\u2013]\s?|\s(?:to|and)\s){_one('2')})?"
    r"(?:\s?(?:/|per |an? (?=second|minute|hour|day|week|month|year))\s?(?P<per>[a-z]{1,20}))?",
    re.IGNORECASE | re.ASCII,  # "\u017f" is no s here
)
VERSION = re.compile(
    r"\b(?:v(?:ersion|ersions|\.)?\s?\d+(?:\.\d+)*|(?:python|redis|valkey|node(?:\.js)?|java|postgres(?:ql)?|mysql|"
    r"debian|ubuntu|django|ruby|php|go|rust|kubernetes|openssl|sqlite|tls|ssl|pydantic|php|perl|gcc|clang|"
    r"windows|macos|ios|android|ipv|utf|sha|md|es|c\+\+|api)[ /-]?v?\d+(?:\.\d+|\.x)*)\b|\b\d+(?:\.\d+){2,}[a-z0-9]*|"
    r"\b(?:since|until|before|from|in|to|with|at least)\s(?:version\s)?\d+\.\d+(?:\.\d+)*(?![\d\w%]| ?[a-z])",
    re.IGNORECASE,
)
NAMED = re.compile(
    r"\b(?:rfc|pep|step|section|chapter|figure|table|page|line|issue|bug|ticket|example|appendix|part|item|level|phase|"
    r"stage|option|rule|iso|ieee|article|clause|note|question|cve)s?[ -]#?\d[\d.:-]*\w*|"
    r"\bhttp[ /](?:status )?\d[\d.]*\b|#\d+|\b[a-z_]+\d[\w.]*|\b\d+(?:st|nd|rd|th)\b|\b\d+-bit\b|0x[0-9a-f]+",
    re.IGNORECASE,
)
LASTS = re.compile(r"\b(?:lasts?|takes?|for|after|within|of|about|is|least|most|than)\s$", re.IGNORECASE)
CHANGE = re.compile(
    r"\b(?:raised|increased|changed|reduced|lowered|bumped|dropped|cut|grew|went)\b[^.]{0,40}\bfrom\s$", re.IGNORECASE
)
_BEFORE: tuple[tuple[Bound, str], ...] = (
    ("most", r"\b(?:at most|up to|(?:no|not) (?:more|longer|later|larger|greater) than|within)"),
    ("most", r"\bmax(?:imum)?(?: of| is|:)?"),
    ("most", r"\b(?:(?:not|never|cannot) exceed|limited to|capped at)"),
    ("least", r"\b(?:at least|(?:no|not) (?:less|fewer|earlier|smaller) than|min(?:imum)?(?: of| is|:)?|starting at)"),
    ("under", r"(?:\b(?:less|fewer|shorter|smaller|lower|sooner) than|\b(?:under|below)|<)"),
    ("over", r"(?:\b(?:more|longer|larger|greater|higher) than|\b(?:over|above|beyond|exceeds?)|>)"),
    ("about", r"(?:\b(?:about|around|roughly|approximately|approx|nearly|almost|some|circa|ca|close to)|[~\u2248])"),
)  # fmt: skip
_AFTER: tuple[tuple[Bound, str], ...] = (
    ("most", r"(?: \w+)?\s(?:or (?:less|fewer|under|earlier|older|below)|at (?:the )?most|max(?:imum)?\b)"),
    ("least", r"\+|(?: \w+)?\s(?:or (?:more|newer|later|above|higher|greater|longer)|and (?:above|up|later|newer))"),
    ("least", r"(?: \w+)?\s(?:at least|min(?:imum)?\b)"),
    ("about", r"\s(?:or so)\b"),
)  # fmt: skip
BEFORE = tuple((bound, re.compile(rf"{words}\W{{0,3}}$", re.IGNORECASE)) for bound, words in _BEFORE)
AFTER = tuple((bound, re.compile(words, re.IGNORECASE)) for bound, words in _AFTER)
WORD = re.compile(r"[^\W\d_]+(?:[-'\u2019][^\W\d_]+)*")


@dataclass(frozen=True, slots=True)
class Quantity:
    """
    `low` to `high` in the base unit of `dimension`; `""` where no unit stands, and `nouns` has what is counted.

    `start` and `end` are where it stands in the sentence.
    """

    low: float
    high: float
    dimension: str
    nouns: frozenset[str]
    bound: Bound
    start: int
    end: int
    precise: bool  # written with a decimal point, or large: then one of the two may be rounded

    def comparable(self, other: "Quantity", mine: frozenset[str], theirs: frozenset[str]) -> bool:
        """Whether both measure the same thing, as far as units and nouns tell; the sets are the sentences' stems."""
        if self.dimension or other.dimension:
            return self.dimension == other.dimension
        if self.nouns and other.nouns:
            return bool(self.nouns & other.nouns)
        if self.nouns or other.nouns:
            return bool(self.nouns & theirs) if self.nouns else bool(other.nouns & mine)
        return True

    def conflicts(self, other: "Quantity") -> bool:
        """Whether the two cannot both hold; a bound includes what lies within it, and rounding is no conflict."""
        if self.bound == other.bound and self.bound in ("under", "over"):
            return False
        if self.bound == other.bound and self.bound in ("most", "least"):
            return not self._near(other)
        if self.bound == other.bound == "range":
            return (self.low, self.high) != (other.low, other.high) and not self._overlaps(other)
        return not self._overlaps(other) and not self._near(other)

    def _overlaps(self, other: "Quantity") -> bool:
        mine, theirs = self._interval(), other._interval()
        return mine[0] <= theirs[1] and theirs[0] <= mine[1]

    def _interval(self) -> tuple[float, float]:
        if self.bound in ("most", "under"):
            return float("-inf"), self.high
        if self.bound in ("least", "over"):
            return self.low, float("inf")
        if self.bound == "about":
            return self.low * (1 - ABOUT), self.high * (1 + ABOUT)
        return self.low, self.high

    def _near(self, other: "Quantity") -> bool:
        one, two = sorted((abs(self.low), abs(other.low)))
        if one == two:
            return True
        if self.dimension == "%" and one > 90:
            one, two = 100 - two, 100 - one
            return (self.precise and other.precise) is False and two > 0 and one / two > 1 - ROUNDING
        if not one:
            return False
        ratio = two / one
        if self.dimension.startswith("bytes") and any(abs(ratio / 1.024**power - 1) < 0.005 for power in (1, 2, 3, 4)):
            return True
        named = bool(self.dimension or self.nouns or other.nouns)  # a port is never rounded
        return named and (self.precise or other.precise) and ratio - 1 <= ROUNDING


def quantities(text: str) -> list[Quantity]:
    """The quantities of a sentence, in order; never raises, whatever the text."""
    painted = NAMED.sub(_paint, VERSION.sub(_paint, text.replace("`", " ")))
    found: list[Quantity] = []
    match = QUANTITY.search(painted)
    while match and len(found) < QUANTITIES_MAX:
        # "10 seconds and 1 s" looks like a range until it is read: then the second number has its own turn.
        ranged = bool(match["value2"]) and _is_range(painted, match)
        end = match.start("to") if match["value2"] and not ranged else match.end()
        if quantity := _quantity(painted, match, end, ranged):
            found.append(quantity)
        match = QUANTITY.search(painted, end)
    return found


def versions(text: str) -> frozenset[str]:
    """The versions a sentence speaks of: "Python 3.9", "v2.1", "version 4"."""
    return frozenset("".join(match[0].lower().split()) for match in VERSION.finditer(text))


def _paint(match: re.Match[str]) -> str:
    return "\x00" * len(match[0])


def _quantity(text: str, match: re.Match[str], end: int, ranged: bool) -> Quantity | None:
    low, unit = number_value(match["value"], match["scale"]), _unit(match["unit"])
    high, upper_unit = (
        (number_value(match["value2"], match["scale2"]), _unit(match["unit2"])) if ranged else (low, unit)
    )
    factor, dimension = _measure(upper_unit or unit, match["currency"])
    low *= _measure(unit or upper_unit, match["currency"])[0]
    high *= factor
    before = text[max(0, match.start() - 40) : match.start()]
    if ranged and CHANGE.search(before):
        ranged, low = False, high
    dimension += f"/{stem(match['per'])}" if match["per"] and end == match.end() else ""
    nouns = frozenset[str]() if dimension else _nouns(text[end : end + 60])
    if not _is_counted(match["value"].lower(), before, dimension, nouns):
        return None
    bound: Bound = "range" if ranged else _bound(before, text[end : end + 30])
    precise = "." in match["value"] or (low >= 1000 and dimension != "ms")
    return Quantity(low, high, dimension, nouns, bound, match.start(), end, precise)


def _is_counted(value: str, before: str, dimension: str, nouns: frozenset[str]) -> bool:
    """Whether a word is a number here: "lasts a minute", but neither "a worker" nor "twice a minute"."""
    if value in ("a", "an"):
        return dimension == "ms" and bool(LASTS.search(before))
    return value[0].isdigit() or bool(dimension or nouns)


def _unit(written: str | None) -> str:
    return (written or "").strip().strip("-\u00a0")


def _is_range(text: str, match: re.Match[str]) -> bool:
    if match["to"].strip().lower() == "and":
        return text[max(0, match.start() - 9) : match.start()].lower().rstrip().endswith("between")
    return True


def _measure(unit: str, currency: str | None) -> tuple[float, str]:
    if currency:
        return 1.0, currency
    if unit == "":
        return 1.0, ""
    dimension, factor = UNITS.get(unit) or UNITS[unit.lower()]
    return factor, dimension


def _bound(before: str, after: str) -> Bound:
    for bound, pattern in BEFORE:
        if pattern.search(before):
            return bound
    for bound, pattern in AFTER:
        if pattern.match(after):
            return bound
    return "exact"


def _nouns(after: str) -> frozenset[str]:
    """What is counted: the words right behind the number, up to the first small word or stop."""
    found = []
    for word in re.split(r"[^\w'\u2019-]", after.lstrip(" -"), maxsplit=4)[:3]:
        if not WORD.fullmatch(word) or word.lower() in STOP_WORDS:
            break
        found.append(stem(word.lower()))
    return frozenset(found)
