"""
Reads the dates of a sentence, however they are written, as precisely as they are given.

    "2024-03-01", "1 March 2024", "March 1st, 2024", "01.03.2024"     the day
    "March 2024", "2024-03"                                           the month
    "Q3 2025", "in 2025"                                              the quarter, the year

Two dates agree when one includes the other. "03/04/2024" is either of two days and agrees with both.
"""

import re
from dataclasses import dataclass

DATES_MAX = 8  # of one sentence
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_MONTH = (
    r"(?P<name{0}>jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|"
    r"oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_YEAR = r"(?P<year{0}>(?:19|20)\d\d)"
DATE = re.compile(
    rf"\b(?:{_YEAR.format(1)}-(?P<month1>\d\d)(?:-(?P<day1>\d\d))?(?!\d)|"
    rf"(?P<day2>\d{{1,2}})(?:st|nd|rd|th)?(?: of)? {_MONTH.format(2)},? {_YEAR.format(2)}|"
    rf"{_MONTH.format(3)} (?P<day3>\d{{1,2}})(?:st|nd|rd|th)?,? {_YEAR.format(3)}|"
    rf"{_MONTH.format(4)},? {_YEAR.format(4)}|"
    rf"(?P<one>\d{{1,2}})[./](?P<two>\d{{1,2}})[./]{_YEAR.format(5)}|"
    rf"Q(?P<quarter>[1-4])[ /]?{_YEAR.format(6)}|"
    rf"(?:in|since|by|of|until|before|after|from|during|year|early|late|mid|spring|summer|autumn|fall|winter) "
    rf"{_YEAR.format(7)}(?![\d.,-]?\d| ?%| [a-z]+s\b))\b",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Date:
    """The days it may mean, as pairs of first and last day, each `(year, month, day)`; and where it stands."""

    spans: tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...]
    start: int
    end: int

    def conflicts(self, other: "Date") -> bool:
        return not any(a <= d and c <= b for a, b in self.spans for c, d in other.spans)


def dates(text: str) -> list[Date]:
    """The dates of a sentence, in order; what is no date of a calendar (month 13) is none."""
    found = []
    for match in DATE.finditer(text):
        if spans := _spans(match):
            found.append(Date(spans, match.start(), match.end()))
        if len(found) == DATES_MAX:
            break
    return found


def _spans(match: re.Match[str]) -> tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...]:
    part = {name: value for name, value in match.groupdict().items() if value}
    year = int(next(value for name, value in part.items() if name.startswith("year")))
    if "one" in part:
        one, two = int(part["one"]), int(part["two"])
        # A full stop between them is only written where the day comes first.
        orders = [(two, one)] if "." in match[0] else [(one, two), (two, one)]
        return tuple(span for month, day in orders for span in _span(year, month, day))
    if "quarter" in part:
        first = 3 * int(part["quarter"]) - 2
        return (((year, first, 1), (year, first + 2, 31)),)
    named = next((value for name, value in part.items() if name.startswith("name")), "")
    month = MONTHS.index(named[:3].lower()) + 1 if named else int(part.get("month1", 0))
    day = int(next((value for name, value in part.items() if name.startswith("day")), 0))
    return _span(year, month, day) if named or "month1" in part else (((year, 1, 1), (year, 12, 31)),)


def _span(year: int, month: int, day: int) -> tuple[tuple[tuple[int, int, int], tuple[int, int, int]], ...]:
    if not 1 <= month <= 12 or not 0 <= day <= 31:
        return ()
    return (((year, month, day or 1), (year, month, day or 31)),)
