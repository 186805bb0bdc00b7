"""
What a document is about, as far as its name says: two manuals of one product, or the READMEs of two.

Sentences of different products may differ in every number without contradicting each other, though neither names
its product. A document's name counts as that of a thing when its text uses it as one: "Click is a package",
"as Dramatiq does".
"""

import re
from collections import defaultdict
from dataclasses import dataclass, field

from actors.tools.contradictions.units import UNITS
from actors.tools.splitting.passages import Passage, name_stem
from actors.tools.text.words import stem, tokens, word_set

CAPITAL = re.compile(r"(?<=[a-z,] )[A-Z][\w-]*|\b[A-Z]{2,}[\w-]*|\b\w+_\w+\b|\b[a-z]+[A-Z]\w*")
EDITION = re.compile(r"(?<![a-z0-9])(?:v?\d+(?:\.\d+)*|(?:19|20)\d\d)(?![a-z0-9])", re.IGNORECASE)
NAME_CHARS_MIN = 3
TITLE_WORDS_MAX = 2  # a longer title is a sentence, not a name
GENERIC_NAMES = word_set(
    """readme guide manual faq docs doc documentation index overview intro introduction reference tutorial changelog
    handbook policy spec specification runbook design report page notes note wiki main about home draft final copy
    summary meeting minutes memo plan review proposal history usage install installation api"""
)


@dataclass(frozen=True, slots=True)
class Identities:
    """For each document the stems of the name of its thing; and what its name says about the edition."""

    names: dict[str, frozenset[str]] = field(default_factory=dict)
    editions: dict[str, frozenset[str]] = field(default_factory=dict)

    def comparable(self, one: str, other: str) -> bool:
        """Whether both documents may speak of the same thing."""
        names = self.names.get(one), self.names.get(other)
        return not (names[0] and names[1] and not names[0] & names[1])

    def alike(self, one: str, other: str) -> bool:
        return self.comparable(one, other) and self.same_edition(one, other)

    def same_edition(self, one: str, other: str) -> bool:
        mine, theirs = self.editions.get(one), self.editions.get(other)
        return not mine or not theirs or mine == theirs

    def name_in_common(self, left: str, right: str) -> bool:
        """Whether two sentences name the same thing that is neither document's own."""
        own = frozenset().union(*self.names.values())
        mine, theirs = ({stem(name) for name in CAPITAL.findall(text) if name not in UNITS} for text in (left, right))
        return bool((mine & theirs) - own)


def identities(passages: list[Passage]) -> Identities:
    texts: dict[str, list[str]] = defaultdict(list)
    titles: dict[str, str] = {}
    for passage in passages:
        texts[passage.uri].append(passage.text)
        titles.setdefault(passage.uri, passage.title)
    names = {uri: _names(uri, titles[uri], texts[uri]) for uri in texts}
    return Identities(names, {uri: frozenset(EDITION.findall(uri)) for uri in texts})


def _names(uri: str, title: str, texts: list[str]) -> frozenset[str]:
    called = {*tokens(name_stem(uri)), *(tokens(title) if len(tokens(title)) <= TITLE_WORDS_MAX else ())}
    likely = sorted(word for word in called if len(word) >= NAME_CHARS_MIN and word not in GENERIC_NAMES)
    return frozenset(stem(word) for word in likely if word.isalpha() and _is_a_thing(word, texts))


def _is_a_thing(word: str, texts: list[str]) -> bool:
    what_it_is = re.compile(rf"(?<![\w-])[`*]*{re.escape(word)}(?:[ -][\w-]+){{0,2}}[`*]* is an? ", re.IGNORECASE)
    as_a_name = re.compile(rf"(?<=[a-z,] )(?-i:[A-Z]){re.escape(word[1:])}(?![\w-])", re.IGNORECASE)
    return any(what_it_is.search(text) or as_a_name.search(text) for text in texts)
