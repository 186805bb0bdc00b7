"""
Takes a question apart: about which subjects, on which topics, and to which subject a sentence belongs.

Subjects come with the step or are the documents that the question names. Topics are what the answer should say
something about: the aspects that come with the step, else the phrases of the question. Words that only ask ("how
long", "best", "happens") are no topics, as long as there are others.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from actors.tools.retrieval.index import Name
from actors.tools.retrieval.naming import named_by
from actors.tools.retrieval.search import TOPICS_MAX
from actors.tools.splitting.passages import Passage, name_stem
from actors.tools.text.phrases import phrases, telling_words
from actors.tools.text.vocabulary import synonyms
from actors.tools.text.words import content_words, related, stem, stem_set, tokens

RELATED_HIT, HEADING_HIT = 0.6, 0.35
COVERED_MIN = 0.6  # of a phrase

# How surely a sentence belongs to a subject, by where the subject's words stand.
BY_NAME, BY_NAME_PART, BY_SENTENCE, BY_HEADING, BY_PASSAGE = 4.0, 2.5, 2.0, 1.5, 1.0


@dataclass(frozen=True, slots=True)
class Part:
    """A word of a topic: its stem, the stems that count nearly as much, and its weight."""

    stem: str
    alike: frozenset[str]
    weight: float = 1.0  # a word that stands in every passage tells little

    def hit(self, words: frozenset[str]) -> float:
        if self.stem in words:
            return 1.0
        return RELATED_HIT if self.alike & words else 0.0


@dataclass(frozen=True, slots=True)
class Topic:
    """A phrase of the question, or an aspect as it was given."""

    word: str
    parts: tuple[Part, ...]

    @property
    def weight(self) -> float:
        return sum(part.weight for part in self.parts)

    @property
    def stems(self) -> frozenset[str]:
        return frozenset(part.stem for part in self.parts)

    def hit(self, words: frozenset[str]) -> float:
        """How much of it the words say, 0 to 1, rare words more than common ones."""
        return sum(part.weight * part.hit(words) for part in self.parts) / self.weight

    def covered(self, words: frozenset[str], heading: frozenset[str]) -> bool:
        """Whether the words speak of it, be they rare or common; a part of it may stand in the heading above."""
        said = sum(part.hit(words) for part in self.parts)
        known = sum(part.hit(words | heading) for part in self.parts)
        return said > 0 and known >= COVERED_MIN * len(self.parts)


@dataclass(frozen=True, slots=True)
class Subject:
    """Something asked about: its name as given and the stems in it."""

    name: str
    words: frozenset[str]
    has_document: bool = False

    def share(self, words: frozenset[str]) -> float:
        """Which part of the name occurs; less than half counts as none."""
        part = len(self.words & words) / len(self.words)
        return part if part >= 0.5 else 0.0


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked."""

    text: str
    subjects: tuple[Subject, ...]
    topics: tuple[Topic, ...]
    implied: bool = False  # the subjects were read from the text, so other documents may answer too

    @property
    def beginnings(self) -> tuple[str, ...]:
        """How every word begins that hits a topic, lower case."""
        parts = [part for topic in self.topics for part in topic.parts]
        return tuple(sorted({beginning(key) for part in parts for key in (part.stem, *part.alike)}))

    def attribute(self, passage: Passage, text: str) -> tuple[str, float]:
        """The subject a sentence of the passage belongs to, and how surely; no name when it is open."""
        weighed = [(self._belongs(subject, passage, text), subject) for subject in self.subjects]
        best = max((sure for sure, _ in weighed), default=0.0)
        first = [subject for sure, subject in weighed if sure == best]
        # Of a subject with a document of its own, other documents must speak by name.
        least = BY_SENTENCE if first and first[0].has_document else BY_PASSAGE
        if best < least or (len(first) > 1 and best <= BY_PASSAGE):
            return "", 0.0
        return first[0].name, best

    def _belongs(self, subject: Subject, passage: Passage, text: str) -> float:
        words = stem_set(text)
        sure = _belongs(subject, passage, words)
        if sure < BY_NAME_PART or subject.words & words:
            return sure
        # In one subject's document a sentence may be about another: it says so, or its heading does.
        heading = passage.heading.rpartition(" > ")[2]
        place = words | stem_set(heading)
        if any(other.words <= place for other in self.subjects if other != subject):
            return BY_PASSAGE
        return 0.0 if self._is_name(heading) and heading in text else sure

    def _is_name(self, heading: str) -> bool:
        """Whether a heading may be the name of something else that the document also describes."""
        words = heading.split()
        asked = {stem for topic in self.topics for stem in topic.stems}
        return 0 < len(words) <= 2 and all(word[0].isupper() for word in words) and not asked & stem_set(heading)

    def hits(self, words: frozenset[str], heading: frozenset[str]) -> tuple[float, list[str]]:
        """How much of the topics a sentence speaks of, 0 to 1, and which of them it covers itself."""
        if not self.topics:
            return 0.0, []
        covered = [topic.word for topic in self.topics if topic.covered(words, heading)]
        total = sum(
            topic.weight * max(topic.hit(words), HEADING_HIT * (topic.hit(heading) > 0)) for topic in self.topics
        )
        return total / sum(topic.weight for topic in self.topics), covered


def read_question(text: str, subjects: Sequence[str], passages: list[Passage], aspects: Sequence[str] = ()) -> Question:
    """Aspects that are given take precedence over the words of the text."""
    stem_names = {stem_set(name_stem(passage.uri)) for passage in passages}
    named = [_subject(name, stem_names) for name in subjects] if subjects else _implied(text, passages)
    distinct = {subject.name: subject for subject in named if subject.words}
    taken = frozenset(word for subject in distinct.values() for word in subject.words)
    if aspects:
        wanted = [(name, content_words(name) or tokens(name)) for name in dict.fromkeys(aspects)]
    else:
        wanted = phrases(text, taken)
    known = _Known(passages)
    topics = [Topic(name, tuple(map(known.part, telling_words(words)))) for name, words in wanted if words]
    return Question(text, tuple(distinct.values()), tuple(topics[:TOPICS_MAX]), implied=not subjects)


def beginning(key: str) -> str:
    """How all words of a stem begin: "retr" for "retry" and "retries"."""
    return key.removesuffix("i")


class _Known:
    """In how many passages a word stands, or a longer one that begins like it."""

    def __init__(self, passages: list[Passage]) -> None:
        self._texts = [passage.text.lower() for passage in passages]

    def part(self, word: str) -> Part:
        key = stem(word)
        start = beginning(key)
        known = sum(start in text for text in self._texts)
        alike = related(word) | frozenset(map(stem, synonyms(word)))
        return Part(key, alike, weight=math.log(2 + len(self._texts) / (1 + known)))


def asks_something(text: str) -> bool:
    """Whether the text has a topic of its own, unlike "Write a summary"."""
    return bool(content_words(text))


def _subject(name: str, stem_names: set[frozenset[str]]) -> Subject:
    words = frozenset(stem(word) for word in content_words(name) or tokens(name))
    return Subject(name.strip(), words, words in stem_names)


def _implied(text: str, passages: list[Passage]) -> list[Subject]:
    known = [Name(uri, title) for uri, title in dict.fromkeys((p.uri, p.title) for p in passages)]
    # One document alone is named by any word in its name; with several it must be the whole name.
    return [
        Subject(word, frozenset({stem(word)}), has_document=True)
        for word in content_words(text)
        if any(tokens(name_stem(name.uri)) == tokens(word) for name in named_by(word, known))
    ]


def _belongs(subject: Subject, passage: Passage, words: frozenset[str]) -> float:
    name = stem_set(name_stem(passage.uri))
    if name == subject.words:
        return BY_NAME
    if subject.words <= name or subject.words <= stem_set(passage.title):
        return BY_NAME_PART
    return max(
        BY_SENTENCE * subject.share(words),
        BY_HEADING * subject.share(stem_set(passage.heading)),
        BY_PASSAGE * subject.share(stem_set(passage.text)),
    )
