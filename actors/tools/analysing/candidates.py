"""Scores every sentence of some passages for a question: what it covers, how central and how good it is."""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice

from actors.tools.analysing.quality import Statement, iter_statements
from actors.tools.analysing.question import BY_NAME_PART, Question
from actors.tools.splitting.passages import Passage
from actors.tools.text.sentences import Sentence
from actors.tools.text.words import stem_set, stems

SENTENCES_MAX = 4_000
READ_WHOLE_MAX = 60  # passages
OPENING_LINES = 40
SENTENCES_EACH_MIN = 10  # of a passage, however many there are
PRIOR_BONUS = 1.1  # for what an earlier analysis picked already
SURE, UNSURE = 1.0, 0.6  # factor by how surely the sentence belongs to its subject
WEIGHT_MIN = 0.2  # of a statement, doubt about its subject included; a change log of another document is below
TOPIC, CENTRAL, RANK = 0.65, 0.2, 0.15  # weights of the score when topics are asked
WHAT_IT_IS = re.compile(
    r"(?:the |an? )?[`\"']?([\w.-]+)[`\"']?(?: \S+){0,3}? (?:is|are|was|provides|lets|allows)\b", re.IGNORECASE
)
NOUN_PHRASE = re.compile(r"(?:this is )?(?:an?|the) ", re.IGNORECASE)

Vector = dict[str, float]


@dataclass(slots=True)
class Candidate:
    """A sentence with all that selection needs to know of it."""

    passage: Passage
    sentence: Sentence
    weight: float
    subject: str
    sure: float
    covers: list[str]
    relevance: float
    vector: Vector
    score: float = 0.0

    @property
    def place(self) -> tuple[str, int]:
        """Where it stands: sorts like a reader reads."""
        return self.passage.uri, self.passage.span[0] + self.sentence.start

    @property
    def key(self) -> tuple[str, str]:
        return self.passage.pid, self.sentence.quote


def gather(question: Question, passages: list[Passage], prior: frozenset[tuple[str, str]]) -> list[Candidate]:
    """All statements of the passages with their scores, in the passages' order."""
    each = max(SENTENCES_EACH_MIN, SENTENCES_MAX // max(1, len(passages)))
    wanted = [_wanted(question, passage) if len(passages) > READ_WHOLE_MAX else None for passage in passages]
    every = (
        (passage, found)
        for passage, test in zip(passages, wanted, strict=True)
        for found in islice(iter_statements(passage, test), each)
    )
    weighed = list(islice(every, SENTENCES_MAX))
    bags = [Counter(stems(found.sentence.text)) for _, found in weighed]
    rarity = _rarity(bags)
    found = [
        _candidate(question, passage, statement, _unit({word: n * rarity[word] for word, n in bag.items()}))
        for (passage, statement), bag in zip(weighed, bags, strict=True)
    ]
    centre = _unit(_summed(candidate.vector for candidate in found))
    rank = {passage.pid: 1 / (1 + 0.2 * at) for at, passage in enumerate(passages)}
    found = [candidate for candidate in found if candidate.weight * _surety(question, candidate) >= WEIGHT_MIN]
    for candidate in found:
        bonus = PRIOR_BONUS if candidate.key in prior else 1.0
        score = _score(question, candidate, similarity(candidate.vector, centre), rank[candidate.passage.pid])
        candidate.score = round(score * bonus, 6)
    return found


def _wanted(question: Question, passage: Passage) -> Callable[[str], bool] | None:
    """
    Of many passages only blocks with a word of the question are read, unless the passage may introduce its document.

    Nothing else in them could answer; reading them would take most of the time.
    """
    if not question.topics or passage.line <= OPENING_LINES:
        return None
    beginnings = question.beginnings
    return lambda raw: any(beginning in raw.lower() for beginning in beginnings)


def similarity(left: Vector, right: Vector) -> float:
    """Cosine of two unit vectors."""
    if len(left) > len(right):
        left, right = right, left
    return sum(value * right.get(word, 0.0) for word, value in left.items())


def introduces(candidate: Candidate) -> float:
    """How well the sentence says what its subject is; 0 when it does not speak of a subject's own document."""
    if not candidate.subject or candidate.sure < BY_NAME_PART:
        return 0.0
    early = 1 / (1 + (candidate.passage.line + candidate.passage.text.count("\n", 0, candidate.sentence.start)) / 40)
    text = candidate.sentence.text
    match = WHAT_IT_IS.match(text)
    if match and stem_set(match[1]) & stem_set(candidate.subject):
        early += 1.0
    elif NOUN_PHRASE.match(text):
        early += 0.3
    return candidate.weight * early


def _candidate(question: Question, passage: Passage, statement: Statement, vector: Vector) -> Candidate:
    words = stem_set(statement.sentence.text)
    subject, sure = question.attribute(passage, statement.sentence.text)
    relevance, covers = question.hits(words, stem_set(passage.heading))
    return Candidate(passage, statement.sentence, statement.weight, subject, sure, covers, relevance, vector)


def _score(question: Question, candidate: Candidate, central: float, rank: float) -> float:
    if question.topics:
        score = TOPIC * candidate.relevance + CENTRAL * central + RANK * rank
    else:
        opening = 1 / (1 + candidate.passage.line / 60)
        score = 0.4 * central + 0.3 * opening + 0.3 * rank
    return score * candidate.weight * _surety(question, candidate)


def _surety(question: Question, candidate: Candidate) -> float:
    return SURE if candidate.sure >= BY_NAME_PART or not question.subjects else UNSURE


def _rarity(bags: list[Counter[str]]) -> dict[str, float]:
    frequency = Counter(word for bag in bags for word in bag)
    return {word: math.log(1 + len(bags) / count) for word, count in frequency.items()}


def _unit(vector: Vector) -> Vector:
    length = math.sqrt(sum(value * value for value in vector.values()))
    return {word: value / length for word, value in vector.items()} if length else {}


def _summed(vectors: Iterable[Vector]) -> Vector:
    total: Vector = {}
    for vector in vectors:
        for word, value in vector.items():
            total[word] = total.get(word, 0.0) + value
    return total
