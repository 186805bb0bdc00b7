"""What must not change when a sentence is told in other words: its numbers, its dates, whether it denies."""

import re

from actors.tools.text.words import word_set

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
NEGATION = re.compile(
    r"\b(?:not|no|never|cannot|without|neither|nor|none|nothing|nobody|unable|fails? to|lacks?|instead of|"
    r"rather than)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
MONTHS = word_set(
    """january february march april may june july august september october november december jan feb mar apr jun jul aug
    sep sept oct nov dec"""
)
DATED_MONTH = re.compile(
    rf"\b({'|'.join(sorted(MONTHS))})\b(?=\.?\s+\d)|(?<=\d )\b({'|'.join(sorted(MONTHS))})\b", re.I
)
NUMBER_WORDS = {
    word: str(number)
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve".split()  # noqa: SIM905
    )
}
SPELLED = re.compile(rf"\b({'|'.join(NUMBER_WORDS)})\b", re.IGNORECASE)


def numbers(text: str) -> frozenset[str]:
    """The numbers and the months of dates, each in one way of writing; "one" as a word is none, it means too much."""
    digits = {_plain(match[0]) for match in NUMBER.finditer(text)}
    spelled = {NUMBER_WORDS[match[0].lower()] for match in SPELLED.finditer(text)} - {"0", "1"}
    months = {match[0].lower()[:3] for match in DATED_MONTH.finditer(text)}
    return frozenset(digits | spelled | months)


def denies(text: str) -> bool:
    """Whether the sentence has a word of denial."""
    return bool(NEGATION.search(text))


def denials(text: str) -> int:
    return len(NEGATION.findall(text))


def _plain(number: str) -> str:
    return re.sub(r",(?=\d{3}(?:\D|$))", "", number).rstrip(".,:")
