"""
Which words of a sentence are affirmed and which denied, and under what mood.

A word's sign turns with every "not" before it in its clause and with its own sense: "enabled" and "disabled" are one
word with two signs, so "not slow" and "fast" agree. A word is in focus when a negation stands right before it or when
it is one of such a pair: only these decide whether two sentences deny each other.
"""

import re
from dataclasses import dataclass
from typing import Literal

from actors.tools.text.vocabulary import LIGHT, has_opposite, meaning, same_meaning
from actors.tools.text.words import STOP_WORDS, TOKEN, stem, word_set

Mood = Literal["is", "can", "must"]

NEGATIONS = word_set(
    "not no never cannot without neither nor none nothing nobody non lacks lacking unable fails refuses"
)
DETERMINERS = word_set("a an the all any each every most some many our your their its")
CAN = word_set("can could may might able possible cannot optionally")
MUST = word_set("must should shall ought")
NEUTRAL = re.compile(
    r"\b(?:not only|not just|not merely|not necessarily|not always|not to mention|no matter|no doubt|or not|if not|"
    r"why not|(?:no|not) (?:more|less|fewer|later|earlier|longer|larger|smaller|greater) than|no sooner|no wonder|"
    r"whether or not|nothing but|none other than|without further ado|not yet|no\. ?\d)\b",
    re.IGNORECASE,
)
CONTRACTED = re.compile(r"\b(ca|wo|\w+?)n['\u2019]t\b", re.IGNORECASE)


@dataclass(slots=True)
class Word:
    """A meaning in a clause: its sign, whether it is in focus, the mood it stands in, and where it begins."""

    key: str
    sign: int
    focus: bool
    mood: Mood
    start: int
    light: bool


def signed_words(clause: str, offset: int = 0) -> dict[str, Word]:
    """The words of a clause that carry meaning, by key; a word said twice counts as it was said first."""
    text = NEUTRAL.sub(lambda match: " " * len(match[0]), CONTRACTED.sub(_spell_out, clause))
    found: dict[str, Word] = {}
    sign, pending, mood = 1, False, "is"
    matches = list(TOKEN.finditer(text))
    for at, match in enumerate(matches):
        word = match[0].lower()
        if word in NEGATIONS:
            sign, pending = -sign, True
            mood = "can" if word == "cannot" else mood
            continue
        if mood_now := _mood(word, matches[at + 1][0].lower() if at + 1 < len(matches) else ""):
            mood = mood_now
            continue
        if word in STOP_WORDS and not has_opposite(word):
            continue
        opens = at < 2 and _modifies(matches, at, text)
        key, sense = (same_meaning(stem(word)), 1) if opens else meaning(word)
        light = key in LIGHT and not (at and match[0][0].isupper())
        in_focus = pending or (not opens and has_opposite(word))
        if key not in found or (in_focus and not found[key].focus):
            found[key] = Word(key, sign * sense, in_focus, mood, offset + match.start(), light)  # type: ignore[arg-type]
        pending = pending and light
    return found


def _modifies(matches: list[re.Match[str]], at: int, text: str) -> bool:
    """Whether a word at the beginning only tells which things are meant: "Public projects are listed"."""
    if at + 1 == len(matches) or text[matches[at].end() : matches[at + 1].start()].strip(" -"):
        return False
    return matches[at + 1][0].lower() not in STOP_WORDS and (not at or matches[0][0].lower() in DETERMINERS)


def _mood(word: str, following: str) -> Mood | None:
    if word in CAN:
        return "can"
    if word in MUST:
        return "must"
    if word in ("need", "needs", "have", "has", "required") and following in ("to", "not"):
        return "must"
    return None


def _spell_out(match: re.Match[str]) -> str:
    whole = {"ca": "can", "wo": "will"}.get(match[1].lower(), match[1])
    return f"{whole} not"
