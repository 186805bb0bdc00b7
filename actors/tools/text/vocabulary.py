"""
Which words mean the same, which the opposite, and which tell little: what it takes to set two sentences side by side.

Lists of common words of technical and office prose; a word that stands in none of them is simply itself.
"""

from actors.tools.text.words import stem, word_set

#: Each group counts as its first word.
SAME_GROUPS = (
    "maximum max limit cap ceiling most",
    "minimum min floor least",
    "default defaults",
    "retry reattempt redeliver",
    "timeout deadline expire expiry expiration",
    "delay latency wait pause",
    "delete remove erase purge drop discard",
    "keep kept retain store preserve save persist hold held",
    "lose lost",
    "take took taken",
    "write wrote written",
    "build built",
    "find found",
    "choose chose chosen",
    "make made",
    "know knew known",
    "leave left",
    "pay paid",
    "spend spent",
    "break broke broken",
    "start begin began begun launch open",
    "stop end terminate finish",
    "support offer provide",
    "send sent transmit emit publish",
    "fetch get retrieve download",
    "create generate produce",
    "repository repo",
    "configure configuration config setting parameter",
    "directory folder",
    "employee staff",
    "connection connect",
    "message msg",
    "memory ram",
    "need require requirement",
    "use employ utilise utilize",
    "answer reply respond response",
    "fast quick speedy",
    "run ran execute",
    "process handle",
    "have has having",
    "get gets got",
    "deliver delivery",
    "authenticate authentication auth",
    "allow let permit",
    "database db",
    "application app",
    "document doc documentation",
    "show display print",
    "measure benchmark",
)

#: Words of either side of a stroke mean one thing, once affirmed and once denied.
OPPOSITES = (
    "enable active activate / disable inactive deactivate",
    "support compatible / unsupported incompatible",
    "require need mandatory obligatory necessary compulsory / optional unnecessary voluntary",
    "include contain / exclude omit",
    "allow permit accept legal / forbid prohibit reject deny refuse disallow illegal",
    "ascend / descend",
    "increase grow rise raise / decrease shrink fall reduce lower",
    "fast quick / slow",
    "safe secure / unsafe insecure",
    "synchronous sync / asynchronous async",
    "sensitive / insensitive",
    "mutable / immutable",
    "public / private",
    "valid / invalid",
    "encrypt / unencrypted plaintext",
    "stable / unstable",
    "available / unavailable",
    "automatic / manual",
    "succeed success / fail failure",
    "always / never",
    "true / false",
    "stateless / stateful",
    "deterministic / random",
    "limited / unlimited",
    "opt-in / opt-out",
    "persistent durable persist / volatile",
    "strict / lenient",
    "lose lost / keep retain preserve",
    "oldest / newest",
)

_GROUPS = {stem(group.split()[0]): tuple(group.split()) for group in SAME_GROUPS}
_SAME = {stem(word): stem(group.split()[0]) for group in SAME_GROUPS for word in group.split()}


def same_meaning(key: str) -> str:
    """One stem for all that say the same as this stem."""
    return _SAME.get(key, key)


def synonyms(word: str) -> tuple[str, ...]:
    """Other words for it, forms of the word itself left out."""
    key, own = same_meaning(stem(word)), stem(word)
    return tuple(other for other in _GROUPS.get(key, ()) if stem(other) != own and other[:3] != word[:3].lower())


def meaning(word: str) -> tuple[str, int]:
    """The key that words of one meaning share, and -1 for the opposite of it."""
    known = _SENSES.get(word) or _SENSES.get(stem(word))
    return known if known else (same_meaning(stem(word)), 1)


def has_opposite(word: str) -> bool:
    return word in _SENSES or stem(word) in _SENSES


def _senses() -> dict[str, tuple[str, int]]:
    found: dict[str, tuple[str, int]] = {}
    for pair in OPPOSITES:
        one, other = pair.split(" / ")
        key = same_meaning(stem(one.split()[0]))
        for side, sense in ((one, 1), (other, -1)):
            for word in side.split():
                found[word] = found[stem(word)] = (key, sense)
    return found


def _stems(text: str) -> frozenset[str]:
    return frozenset(stem(word) for word in word_set(text))


_SENSES = _senses()

#: Words that say little about what a sentence speaks of.
LIGHT = frozenset(map(same_meaning, _stems(
    """default set value last take have come go work run get make time currently number amount total
    usually normally generally typically simply itself automatic new current exact equal mean use hold keep stay start
    begin happen occur several certain different various possible way kind type sort thing part whole still mostly
    measured apply call name become put find see want using first own anything something everything full single given
    describe specify specified mention note second minute hour day week month year always never more most less least
    guarantee unlike similar like similarly please"""
)))  # fmt: skip

#: Surroundings: a claim under a heading or with a word of one of them holds there and nowhere else.
PLATFORMS = _stems(
    """windows linux macos mac osx unix posix bsd freebsd android ios arm x86 docker kubernetes production
    development staging debug enterprise premium standalone cluster sentinel cpython pypy jython asyncio trio ipv4 ipv6
    tcp udp remote cloud legacy experimental beta alpha deprecated previously formerly originally historically trial"""
)

#: Words that tell two settings apart: a claim about one says nothing about the other.
QUALIFIERS = PLATFORMS | _stems(
    """first second third fourth primary secondary upper lower daily weekly monthly yearly hourly annual odd
    even minimum maximum min max read write connect idle soft hard internal external client server internally median
    percentile average peak mean beginner admin administrator guest"""
)
