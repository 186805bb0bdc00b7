"""On what subjects are set side by side: from a phrase to a list of aspects."""

import re
from collections.abc import Callable
from itertools import islice

from app.planning import words

MARKS_MAX = 16
ASPECTS_MAX = 12
ASPECT_CHARS_MAX = 120

MARK = re.compile(
    r",? (?:in terms of|with (?:respect|regard) to|with a focus on|focus(?:ing|ed) on|regarding|concerning|considering|"
    r"when it comes to|based on|according to|by|on|for|in|as|under|when|while|at|with|using|given) |: | - ",
    re.IGNORECASE,
)
#: What stands before an aspect and says nothing about it.
_BEFORE = re.compile(
    r"(?:what happens (?:to|with|when|if) |"
    r"(?:and|then|so|their|its|the|an?|how (?:they|it)|which(?: one)?|what|is|are|one is|of|in|on|for|at|to|with|"
    r"about|as|by|regarding) |(?:should|would|can|could|do|does|shall) (?:i|we|you|one|they) |"
    r"(?:handling|treatment) of |(?:use|pick|choose|prefer|take|buy|go with|recommend|be) |"
    r"(?:(?:much|a|the) )?(?:better|best|worse|worst|right|good|suited|suitable)"
    r"(?: (?:choice|option|one|fit))?(?: |$)|: ?)+",
    re.IGNORECASE,
)
_EMPTY = frozenset({"it", "them", "both", "each", "all", "one", "use", "why", "that", "this"})


def cut(text: str, enough: Callable[[str], bool]) -> tuple[str, str, str]:
    """The text around the first mark of an aspect that has enough before it."""
    for match in islice(MARK.finditer(text), MARKS_MAX):
        if enough(text[: match.start()]):
            return text[: match.start()], match[0], text[match.end() :]
    return text, "", ""


def listed(phrase: str, *, predicate: bool = False) -> tuple[str, ...]:
    """
    The aspects that a phrase names, at most `ASPECTS_MAX`; with `predicate` it begins with a verb.

    "handle errors and retries" names two, "which is better for a task queue" one: "task queue".
    """
    if predicate:
        verb, _, rest = phrase.partition(" ")
        phrase = rest if verb.lower().strip(".,?") in words.EMPTY_VERBS and rest else phrase
    found = (_one(member) for member in words.split_list(phrase.replace(";", ",")))
    distinct = dict.fromkeys(aspect for aspect in found if aspect and aspect.casefold() not in _EMPTY)
    return tuple(islice(distinct, ASPECTS_MAX))


def _one(text: str) -> str:
    match = _BEFORE.match(text)
    return words.name(text[match.end() :] if match else text)[:ASPECT_CHARS_MAX].strip()
