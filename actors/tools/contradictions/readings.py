"""
What a sentence claims, in a form in which two sentences can be set against each other.

A sentence gives one reading per clause. Each carries the words that are affirmed or denied, the quantities and
dates, and what limits the claim: conditions ("if the queue is full"), places ("on Windows"), versions, and whether
it is a rule, advice, an example or a measured figure. Claims under different limits do not contradict each other.
"""

import re
from dataclasses import dataclass
from itertools import pairwise

from actors.tools.contradictions.dates import Date, dates
from actors.tools.contradictions.polarity import CONTRACTED, NEGATIONS, Word, signed_words
from actors.tools.contradictions.quantities import Quantity, quantities, versions
from actors.tools.text.vocabulary import QUALIFIERS, meaning
from actors.tools.text.words import STOP_WORDS, TOKEN, stem, word_set

TEXT_CHARS_MAX = 600
LIGHT_WEIGHT = 0.25
CLAUSES_MAX = 6

CLAUSE_END = re.compile(
    r"[;:\u2014\u2013](?=\s)|\s[-\u2013\u2014]\s|[.!?](?=\s)|"
    r"(?:, (?:and |or )?|\s)(?=(?:but|while|whereas|although|though|which|so that|because|yet|however)\s)|"
    r", (?=(?:and|or|so|then) )|\s(?=and (?:then|does|do|is|are|was|can|cannot|must|may|will|never|not)\b)",
    re.IGNORECASE,
)
CONDITION = re.compile(
    r"\b(if|when|whenever|unless|while|during|until|once|as long as|in case|provided that|after|before|inside|outside|"
    r"except|with|without|among|for)\s+([^,;:.()]{2,120})",
    re.IGNORECASE,
)
WEAK_CONDITIONS = word_set("with without among for")  # limit a claim only when they open the sentence
WEAK_WORDS = 2
MARKED = word_set("until before after unless without except")
EXCLUDING = word_set("unless without except")
MARK = "~"
EXAMPLE = re.compile(
    r"\b(?:for (?:example|instance)|e\.g|such as|suppose|imagine|say,? (?:the|a|an|you|that)|let'?s say|"
    r"hypothetical\w*|in this example|consider (?:a|an|the))\b|\?\s*$",
    re.IGNORECASE,
)
ADVICE = re.compile(
    r"\b(?:recommend\w*|suggest\w*|advis\w+|consider|prefer\w*|ideally|try|rule of thumb|"
    r"(?:can|could|may|might|you) (?:also )?(?:set|raise|lower|change|increase|decrease|configure|tune|adjust|"
    r"choose|use)|^(?:set|raise|lower|change|increase|decrease|use|choose|pass|add))\b",
    re.IGNORECASE,
)
MEASURED = re.compile(
    r"\b(?:p\d\d|percentile|median|mean|average|typical(?:ly)?|peak|worst case|best case)\b", re.IGNORECASE
)
PARTIAL = re.compile(
    r"\b(?:some|sometimes|often|usually|most|mostly|many|rarely|certain|partly|partially|occasionally|in general|"
    r"generally|typically|almost|nearly all|few|not all|not every)\b",
    re.IGNORECASE,
)
MOST, LEAST = re.compile(r"\bmax(?:imum)?\b", re.IGNORECASE), re.compile(r"\bmin(?:imum)?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Reading:
    """One clause with what it claims and what limits it; `whole` has the meanings of its whole sentence."""

    text: str
    start: int
    words: dict[str, Word]
    whole: frozenset[str]
    quantities: tuple[Quantity, ...]
    dates: tuple[Date, ...]
    versions: frozenset[str]
    conditions: frozenset[str]
    places: frozenset[str]
    mode: str
    partial: bool
    negated: bool
    strong: frozenset[str]  # the words that are not light

    @property
    def pointed(self) -> bool:
        """Whether it denies something or has a word with an opposite, so that it may deny another."""
        return self.negated or any(word.focus for word in self.words.values())

    def marked(self, other: "Reading") -> list[tuple[int, int, bool]]:
        """Where each strong word of the clause stands in the sentence, and whether the other has it too."""
        ranked = sorted(((word.start, key) for key, word in self.words.items() if not word.light))
        ends = {start: match.end() for start, _ in ranked if (match := TOKEN.match(self.text, start))}
        return [(start, ends.get(start, start), key in other.words) for start, key in ranked]

    def near(self, other: "Reading") -> bool:
        """Whether half of the telling words of the one that has fewer stand in the other: a quick look."""
        return 2 * len(self.strong & other.strong) >= min(len(self.strong), len(other.strong))


def read(text: str) -> list[Reading]:
    """The readings of a sentence; examples and questions claim nothing and have none."""
    text = text[:TEXT_CHARS_MAX].replace("`", " ")
    if EXAMPLE.search(text):
        return []
    found_dates, found_versions = dates(text), versions(text)
    painted = _painted(text, found_dates)
    amounts = quantities(painted)
    whole = frozenset(signed_words(painted))
    limits = _conditions(painted, [*amounts, *found_dates])
    mode = _mode(text)
    bare = _painted(painted, amounts)
    readings = []
    for start, end in _clauses(text):
        clause = bare[start:end]
        words = {key: word for key, word in signed_words(clause, start).items() if not key.isdigit()}
        if not words:
            continue
        readings.append(
            Reading(
                text=text, start=start, words=words, whole=whole,
                quantities=tuple(q for q in amounts if start <= q.start < end),
                dates=tuple(d for d in found_dates if start <= d.start < end),
                versions=found_versions, conditions=limits, places=whole_stems(bare) & QUALIFIERS, mode=mode,
                partial=bool(PARTIAL.search(clause)), negated=_negated(clause),
                strong=frozenset(key for key, word in words.items() if not word.light),
            )
        )  # fmt: skip
    return readings


def weight(word: Word) -> float:
    return LIGHT_WEIGHT if word.light else 1.0


def whole_stems(text: str) -> frozenset[str]:
    return frozenset(stem(match[0]) for match in TOKEN.finditer(text))


def _painted(text: str, places: "list[Quantity] | list[Date]") -> str:
    for place in places:
        text = text[: place.start] + " " * (place.end - place.start) + text[place.end :]
    return text


def _clauses(text: str) -> list[tuple[int, int]]:
    """Where each clause begins and ends; one without a word of its own belongs to the one before."""
    cuts = [match.end() for match in CLAUSE_END.finditer(text)][: CLAUSES_MAX - 1]
    bounds = [0, *cuts, len(text)]
    found: list[tuple[int, int]] = []
    for start, end in pairwise(bounds):
        words = [match[0] for match in TOKEN.finditer(text[start:end]) if match[0].lower() not in STOP_WORDS]
        if found and len(words) < 3:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _conditions(text: str, measured: "list[Quantity | Date]") -> frozenset[str]:
    """The meanings that stand in a condition; one with a number in it is part of the claim."""
    found: set[str] = set()
    for match in CONDITION.finditer(text):
        word = match[1].lower()
        weak = word in WEAK_CONDITIONS
        if weak and text[: match.start()].strip():
            continue
        end = match.end() if not weak else match.end(1) + 1
        # "an hour after it was issued": from where it counts, not when it holds.
        if any(match.start() <= place.start < end or match.start() - place.end in (0, 1) for place in measured):
            continue
        keys = [token[0].lower() for token in TOKEN.finditer(match[2]) if token[0].lower() not in STOP_WORDS]
        found |= {meaning(key)[0] for key in keys[: WEAK_WORDS if weak else None]}
        # "Not before" and "after" may say the same, so which of them it is belongs to the condition.
        found |= {MARK + word} if word in MARKED else set()
    return frozenset(found)


def _mode(text: str) -> str:
    if ADVICE.search(text):
        return "advice"
    if measured := MEASURED.search(text):
        return measured[0].lower()
    if MOST.search(text):
        return "most"
    return "least" if LEAST.search(text) else ""


def _negated(clause: str) -> bool:
    return bool(CONTRACTED.search(clause)) or any(match[0].lower() in NEGATIONS for match in TOKEN.finditer(clause))
