"""
Whether passages say what a sentence says that somebody else has written about them.

No program understands that. What can be checked is checked: numbers, dates, names, code, addresses and quotations
stand in the passages; most of the words that carry meaning stand near each other in them; what one denies the other
denies; and what is compared is compared in the same direction. The thresholds come from the table in
tests/unit/agents/test_support.py.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

from actors.tools.contradictions.facts import denies, numbers
from actors.tools.reporting.citations import locate, normalised
from actors.tools.splitting.passages import Passage
from actors.tools.text.inline import ADDRESS, CODE_SPAN, plain
from actors.tools.text.sentences import Sentence, sentences
from actors.tools.text.words import STOP_WORDS, stem, stem_set, stems, tokens

WINDOW_SENTENCES = 2
SHORT_WORDS = 6  # as few stand in one sentence, or it mixes two
SHARE_MIN = 0.85  # of the sentence's words, in the windows of all passages that it cites
OWN_SHARE_MIN = 0.25  # of one passage; with less it is cited for nothing
WORDS_MIN = 2
ORDER_MIN = 0.5
CITED_MAX = 4
QUOTE_CHARS_MAX = 1_000

QUOTED = re.compile(r"[“\"]([^“”\"]{3,400})[”\"]")
NAME = re.compile(r"\b[A-Z][A-Za-z0-9]*(?:[A-Z0-9][A-Za-z0-9]*)*\b|\b\w*[_]\w+\b")
COMPARED = re.compile(r"\b(?:than|before|after|instead of|rather than|unlike|over)\b", re.IGNORECASE)
# What a passage tells its reader to do or to say is no statement that others could be borne out by.
ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override)\b.{0,40}\b(?:instructions?|rules?|prompts?|above|previous|before|earlier)\b|"
    r"\b(?:system prompt|as an ai|language model must|assistant must|you are (?:now|an? (?:ai|assistant)))\b|"
    r"^\W*(?:please\s+)?(?:say|write|answer|reply|respond|print|output|tell|state|claim|cite)\b.{0,30}\b(?:that|with|only)\b",
    re.IGNORECASE,
)
# Words that join what is said and say nothing by themselves.
GLUE = frozenset(
    stems(
        """according additionally allow available become call case come contain currently describe document enable
        ensure example exist feature furthermore get give go help include instead keep make mean mention moreover
        namely never none nothing note offer passage possible provide remain report say source specifically start
        state stay take various"""
    )
)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a passage says it: an exact slice."""

    pid: str
    quote: str


def find_support(text: str, passages: Sequence[Passage]) -> list[Place]:
    """The places that bear the sentence out, best first; empty when they do not."""
    words = frozenset(word for word in stems(text) if not word.isdigit()) - GLUE
    if len(words) < WORDS_MIN or not passages or not _facts_stand(text, passages):
        return []
    counted = numbers(text)
    windows = [(passage, _best_window(words, counted, passage)) for passage in passages]
    found = [(passage, window) for passage, window in windows if _share(words, window) >= OWN_SHARE_MIN]
    found.sort(key=lambda entry: -_share(words, entry[1]))
    covered = frozenset[str]().union(*(_stems(window) | stem_set(_heads(passage)) for passage, window in found))
    if not found or len(words & covered) / len(words) < SHARE_MIN:
        return []
    said = " ".join(_text(window) for _, window in found)
    # A number that stands elsewhere in the passage is another number.
    if not counted <= numbers(" ".join([said, *(_heads(passage) for passage, _ in found)])):
        return []
    if denies(text) != denies(_closest(words, found[0][1])) or not _same_order(text, said):
        return []
    return [Place(passage.pid, _slice(passage, window)) for passage, window in found[:CITED_MAX]]


def find_elsewhere(text: str, passages: Mapping[str, Passage], cited: Sequence[Passage]) -> list[Place]:
    """The one other passage that says it, when the ones that are cited do not."""
    for passage in passages.values():
        if passage not in cited and (places := find_support(text, [passage])):
            return places
    return []


def _facts_stand(text: str, passages: Sequence[Passage]) -> bool:
    whole = "\n".join(f"{passage.text}\n{plain(passage.text)}" for passage in passages)
    if not numbers(text) <= numbers(whole):
        return False
    literal = [*ADDRESS.findall(text), *CODE_SPAN.findall(text)]
    if any(normalised(piece).rstrip(".,;:") not in normalised(whole) for piece in literal):
        return False
    if any(locate(quote.strip(" .,;:!?"), whole) is None for quote in QUOTED.findall(text)):
        return False
    known = stem_set(f"{whole}\n{' '.join(map(_heads, passages))}")
    return all(stem(part) in known for name in _names(text) for part in tokens(name))


def _heads(passage: Passage) -> str:
    """What the passage is about by its place: often it says "it"."""
    return f"{passage.title} {passage.heading}"


def _names(text: str) -> Iterator[str]:
    """Words that name something; the first of the sentence is written large in any case."""
    for match in NAME.finditer(text):
        small_within = match[0][1:].islower() or len(match[0]) == 1
        if match[0].lower() not in STOP_WORDS and not (match.start() == 0 and small_within):
            yield match[0]


def _best_window(words: frozenset[str], counted: frozenset[str], passage: Passage) -> tuple[Sentence, ...]:
    """The neighbouring sentences that have most of the words and numbers; the fewest of equals."""
    known = _sentences(passage.text)
    longest = 1 if len(words) <= SHORT_WORDS else WINDOW_SENTENCES
    windows = [known[at : at + size] for size in range(1, longest + 1) for at in range(len(known) - size + 1)]

    def worth(window: tuple[Sentence, ...]) -> float:
        return _share(words, window) + len(counted & numbers(_text(window))) / max(1, len(counted))

    return max(windows, key=worth, default=())


@lru_cache(maxsize=200)
def _sentences(text: str) -> tuple[Sentence, ...]:
    return tuple(sentence for sentence in sentences(text) if not ORDER.search(sentence.text))


def _share(words: frozenset[str], window: tuple[Sentence, ...]) -> float:
    known = _stems(window)
    return len(words & known) / len(words)


def _stems(window: tuple[Sentence, ...]) -> frozenset[str]:
    return frozenset[str]().union(*(stem_set(sentence.text) for sentence in window))


def _text(window: tuple[Sentence, ...]) -> str:
    return " ".join(sentence.text for sentence in window)


def _closest(words: frozenset[str], window: tuple[Sentence, ...]) -> str:
    """The one sentence of the window that has most of the words: its denial is the one that counts."""
    return max(window, key=lambda sentence: _share(words, (sentence,))).text


def _same_order(text: str, said: str) -> bool:
    """Of a comparison: whether the words that both have come in the same order."""
    if not COMPARED.search(text):
        return True
    own, other = stems(text), stems(said)
    shared = [word for word in own if word in other]
    return not shared or _common(shared, [word for word in other if word in shared]) / len(shared) > ORDER_MIN


def _common(one: list[str], other: list[str]) -> int:
    """Length of the longest common subsequence."""
    row = [0] * (len(other) + 1)
    for left in one:
        diagonal = 0
        for at, right in enumerate(other, start=1):
            diagonal, row[at] = row[at], diagonal + 1 if left == right else max(row[at], row[at - 1])
    return row[-1]


def _slice(passage: Passage, window: tuple[Sentence, ...]) -> str:
    whole = passage.text[window[0].start : window[-1].end]
    return whole if len(whole) <= QUOTE_CHARS_MAX else window[0].quote
