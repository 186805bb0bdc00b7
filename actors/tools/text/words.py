"""
Words as the agents compare them: tokens, stems, and which of them carry meaning.

The stemmer only has to give forms of one word the same key ("retries", "retry", "retrying"), not a word.
"""

import re
from collections.abc import Iterable
from functools import lru_cache

TOKEN = re.compile(r"[^\W_]+")
COMPOUND = re.compile(r"[^\W_]+(?:[./][^\W_]+){0,4}")
# Several times as fast as the expression, and the same for ASCII.
_SPACED = "".join(character if character.isalnum() else " " for character in map(chr, range(128)))


def word_set(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS = word_set(
    """a about above after again all also although always am an and any are as at be because been before being below
    between both but by can cannot could did do does doing don down during each else etc ever every few for from
    further had has have having he her here hers him his how however i if in into is isn it its itself just let like
    ll many may me might more most much must my need neither no nor not now of off often on once one only onto or
    other others our ours out over own per please quite rather re s same shall she should since so some still such t
    than that the their theirs them then there these they this those though through thus to together too under until
    up upon us use used uses using ve very via was way ways we well were what whatever when where whether which while
    who whom whose why will with within without would yes yet you your yours"""
)

# Words without which a search misses nothing; others that mean little on their own still tell questions apart.
SEARCH_STOP_WORDS = word_set(
    """a an and are as at be been but by can could did do does for from had has have how i if in into is it its me my
    not of on one or our shall should so than that the their them then there these they this those to us was we were
    what when where which who whom whose why will with would you your about"""
)

# Words that ask for the work instead of naming its topic.
REQUEST_WORDS = word_set(
    """analyse analysis analyze answer approach article aspect branch bring brief briefly chapter collect compare
    comparing comparison conclusion contrast create deal depth describe description detail detailed difference differ
    document documentation evaluate examine explain extract fact file find finding following gather generate give
    handle handling identify include information insight investigate key know list look main make manage new output
    overview paper part passage pick point produce provide question readme report research result retrieve review say
    search section set short show side side-by-side source statement study subject summarise summarize summary
    task tell text thing topic understand versus vs work write"""
)

# Words that answer for one another; a match by one of them counts less than the word itself.
RELATED_GROUPS = (
    "error exception failure fail fault crash",
    "retry backoff reattempt redeliver",
    "fast faster fastest speed performance quick benchmark slow",
    "latency delay",
    "timeout deadline",
    "cancel abort interrupt",
    "install installation setup",
    "configure configuration setting option",
    "secure security vulnerability",
    "concurrent concurrency parallel",
    "async asynchronous asyncio",
    "cost price pricing",
    "limit maximum quota",
    "delete remove",
)

# Words whose ending belongs to them: without it they would be another word.
_WHOLE = word_set("exception portion station mission session passion million during nothing string instance")
_PLAIN_ENDINGS = ("ations", "ation", "ances", "ance", "ings", "ing", "ions", "ion", "ates", "ate", "ed")
_VOWEL = re.compile(r"[aeiouy]")


def tokens(text: str) -> list[str]:
    """Letters and digits in runs, lower case; "redis-py" is two."""
    return text.lower().translate(_SPACED).split() if text.isascii() else TOKEN.findall(text.lower())


def compounds(text: str) -> list[str]:
    """What only means something in one piece: "3.9", "HTTP/2"."""
    found = (match[0].lower() for match in COMPOUND.finditer(text))
    return [word for word in found if not word.isalnum() and word.rpartition("/")[2].rpartition(".")[2].isdigit()]


@lru_cache(maxsize=50_000)
def stem(word: str) -> str:
    """A key shared by the common forms of an English word; words with digits only lose their capitals."""
    word = word.lower()
    if len(word) <= 3 or not word.isascii() or not word.isalpha():
        return word
    word = _singular(word)
    if word in _WHOLE:
        return word
    word = _ending_removed(word)
    if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "se":
        word = word[:-1]
    if len(word) > 3 and word.endswith("e"):
        word = word[:-1]
    return word[:-1] + "i" if word.endswith("y") else word


def _singular(word: str) -> str:
    if word.endswith(("ies", "ied")) and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "shes", "ches", "xes")):
        return word[:-2]
    if word.endswith("s") and not word.endswith(("ss", "us", "is")):
        return word[:-1]
    return word


def _ending_removed(word: str) -> str:
    for ending in _PLAIN_ENDINGS:
        root = word.removesuffix(ending)
        if root != word and len(root) >= 4 - (ending in ("ing", "ed")) and _VOWEL.search(root):
            return word if ending == "ed" and word.endswith("eed") else root
    return word


def content_words(text: str) -> list[str]:
    """The words of a question that name its topic, in order, each stem once; compounds stay whole."""
    chosen: dict[str, str] = {}
    for match in COMPOUND.finditer(text):
        for word in [match[0]] if compounds(match[0]) else TOKEN.findall(match[0]):
            key = stem(word)
            if word.lower() not in STOP_WORDS and key not in _REQUEST_STEMS and (len(word) > 1 or word.isdigit()):
                chosen.setdefault(key, word)
    return list(chosen.values())


def search_words(text: str) -> list[str]:
    """The words to search for, in order, each stem once; compounds stay whole."""
    chosen: dict[str, str] = {}
    for match in COMPOUND.finditer(text):
        for word in [match[0]] if compounds(match[0]) else TOKEN.findall(match[0]):
            if word.lower() not in SEARCH_STOP_WORDS:
                chosen.setdefault(stem(word), word)
    return list(chosen.values())


@lru_cache(maxsize=500)
def stem_list(text: str) -> tuple[str, ...]:
    """Every word's stem, in order; remembered for as long as a search goes over the same passages."""
    return tuple(map(stem, tokens(text)))


@lru_cache(maxsize=2_000)
def stem_set(text: str) -> frozenset[str]:
    """Every stem and compound of the text."""
    return frozenset([*(stem(word) for word in tokens(text)), *compounds(text)])


def stems(text: str) -> list[str]:
    """The stems of everything but stop words, with repetitions."""
    return [stem(word) for word in tokens(text) if word not in STOP_WORDS]


def related(word: str) -> frozenset[str]:
    """Stems that mean nearly the same, without the word's own."""
    return _RELATED.get(stem(word), frozenset())


def jaccard(left: frozenset[str], right: frozenset[str]) -> float:
    """Shared part of two sets, 0 to 1."""
    union = len(left | right)
    return len(left & right) / union if union else 0.0


def _pairs() -> Iterable[tuple[str, frozenset[str]]]:
    for group in RELATED_GROUPS:
        members = {stem(word) for word in group.split()}
        for member in sorted(members):
            yield member, frozenset(members - {member})


_REQUEST_STEMS = frozenset(stem(word) for word in REQUEST_WORDS)
_RELATED = dict(_pairs())
