"""
Finds where documents contradict each other about the same attribute of the same thing, and where they say the same.

Only pairs that share a telling word are looked at, the rarest words first and at most `PAIRS_MAX` of them, so the work
is bounded however many sentences there are.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, combinations, islice

from actors.tools.analysing.candidates import Candidate
from actors.tools.contradictions.identity import Identities
from actors.tools.contradictions.opposition import Kind, agree, likeness, opposition
from actors.tools.contradictions.readings import Reading, read, whole_stems
from actors.tools.contradictions.twins import twins
from actors.tools.text.vocabulary import PLATFORMS
from actors.tools.text.words import stem_set

COMPARED_MAX = 600  # sentences
PAIRS_MAX = 20_000
PAIRS_SEEN_MAX = 200_000
POSTINGS_MAX = 80  # a word in more sentences tells none of them
DIFFERENCES_MAX = 8
AGREEMENTS_MAX = 6
VOICES_MAX = 5
PAIRS_PER_SENTENCE = 2
ALIKE_ELSEWHERE = 0.6  # of two sentences from documents about different things
ALIKE_WITHIN, ALIKE_WITHIN_SHORT = 0.7, 0.8  # of two sentences of one document; with one telling word in common
ABOUT_WORDS_MAX = 5
ENTRY = re.compile(r"(?:\w+\.)*(\w+)\s?\(|(?:\w+\.)+(\w+)$|(\w*_\w+)$")
GENERIC_HEADINGS = stem_set(
    "introduction overview configuration configuring settings options faq frequently asked questions usage getting "
    "started quickstart details notes summary background features limits defaults general reference basics about "
    "readme troubleshooting frequently operation operations guide and the of for how to"
)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two sentences that do not agree, and how sure that is."""

    first: Candidate
    second: Candidate
    kind: Kind
    sure: float
    about: str


@dataclass(frozen=True, slots=True)
class Chorus:
    """Sentences of several documents that say the same, the clearest first."""

    voices: tuple[Candidate, ...]
    about: str


@dataclass(frozen=True, slots=True)
class _Read:
    candidate: Candidate
    reading: Reading

    @property
    def is_most_of_it(self) -> bool:
        return len(self.reading.words) >= 0.6 * len(self.reading.whole)


def compare_sources(candidates: list[Candidate], identities: Identities) -> tuple[list[Pair], list[Chorus]]:
    """The contradictions among the best candidates, surest first, each sentence in at most two; and the agreements."""
    best = sorted(candidates, key=lambda candidate: (-candidate.score, candidate.place))[:COMPARED_MAX]
    readings = [_Read(candidate, reading) for candidate in best for reading in read(candidate.sentence.text)]
    found: dict[tuple[int, int], Pair] = {}
    alike: list[tuple[float, _Read, _Read]] = []
    for one, other in twins(best):
        if one.subject == other.subject and identities.alike(one.passage.uri, other.passage.uri):
            first, second = sorted((one, other), key=lambda candidate: candidate.place)
            found[id(first), id(second)] = Pair(first, second, "numbers", 1.0, "")
    for left, right in _likely(readings):
        if not left.reading.near(right.reading):
            continue
        if _may_oppose(left.reading, right.reading) and (pair := _pair(left, right, identities)):
            key = (id(pair.first), id(pair.second))
            if key not in found or found[key].sure <= pair.sure:
                found[key] = pair
        elif sure := _agreement(left, right, identities):
            alike.append((sure, left, right))
    ranked = sorted(found.values(), key=lambda pair: (-pair.sure, pair.first.place, pair.second.place))
    return _spread(ranked), _choruses(alike)


def _agreement(left: _Read, right: _Read, identities: Identities) -> float:
    one, other = left.candidate, right.candidate
    if one.passage.uri == other.passage.uri or one.subject != other.subject:
        return 0.0
    if not left.is_most_of_it or not right.is_most_of_it:
        return 0.0
    sure = agree(left.reading, right.reading)
    return sure if sure and _of_one_thing(left, right, sure, identities) else 0.0


def _choruses(alike: list[tuple[float, _Read, _Read]]) -> list[Chorus]:
    """Around the sentence with the best score the one of each other document that is most like it."""
    near: dict[int, list[tuple[float, _Read, _Read]]] = defaultdict(list)
    for sure, left, right in alike:
        near[id(left.candidate)].append((sure, left, right))
        near[id(right.candidate)].append((sure, right, left))
    found: list[Chorus] = []
    used: set[int] = set()
    for around in sorted(near.values(), key=lambda each: (-each[0][1].candidate.score, each[0][1].candidate.place)):
        lead = around[0][1]
        by_document: dict[str, _Read] = {}
        for _, _, other in sorted(around, key=lambda each: (-each[0], each[2].candidate.place)):
            if id(other.candidate) not in used:
                by_document.setdefault(other.candidate.passage.uri, other)
        if id(lead.candidate) in used or not by_document or len(found) == AGREEMENTS_MAX:
            continue
        others = list(by_document.values())[: VOICES_MAX - 1]
        used |= {id(lead.candidate), *(id(other.candidate) for other in others)}
        voices = (lead.candidate, *(other.candidate for other in others))
        found.append(Chorus(voices, about_words(lead.reading, others[0].reading)))
    return found


def _spread(ranked: list[Pair]) -> list[Pair]:
    uses: dict[tuple[str, str], int] = defaultdict(int)
    kept: list[Pair] = []
    for pair in ranked:
        keys = (pair.first.key, pair.second.key)
        if max(uses[key] for key in keys) < PAIRS_PER_SENTENCE and len(kept) < DIFFERENCES_MAX:
            kept.append(pair)
            for key in keys:
                uses[key] += 1
    return kept


def _likely(readings: list[_Read]) -> Iterator[tuple[_Read, _Read]]:
    """Pairs of clauses with a strong word in common, those with a rare one first."""
    postings: dict[str, list[int]] = defaultdict(list)
    for at, read_ in enumerate(readings):
        for key in read_.reading.strong:
            postings[key].append(at)
    rarest = sorted((len(places), key) for key, places in postings.items() if 1 < len(places) <= POSTINGS_MAX)
    shared = chain.from_iterable(combinations(postings[key], 2) for _, key in rarest)
    return islice(((readings[one], readings[other]) for one, other in _distinct(shared)), PAIRS_MAX)


def _distinct(pairs: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    seen: set[tuple[int, int]] = set()
    for pair in islice(pairs, PAIRS_SEEN_MAX):
        if pair not in seen:
            seen.add(pair)
            yield pair


def _may_oppose(left: Reading, right: Reading) -> bool:
    return bool(left.pointed or right.pointed or (left.quantities and right.quantities) or (left.dates and right.dates))


def _pair(left: _Read, right: _Read, identities: Identities) -> Pair | None:
    one, other = left.candidate, right.candidate
    if one is other or one.subject != other.subject or one.sentence.text == other.sentence.text:
        return None
    found = opposition(left.reading, right.reading)
    if found is None or not _same_surroundings(left, right) or not _same_entry(left, right):
        return None
    kind, sure = found
    if not _of_one_thing(left, right, sure, identities):
        return None
    first, second = sorted((left, right), key=lambda read_: read_.candidate.place)
    about = about_words(first.reading, second.reading)
    return Pair(first.candidate, second.candidate, kind, round(sure, 4), about)


def _of_one_thing(left: _Read, right: _Read, sure: float, identities: Identities) -> bool:
    one, other = left.candidate, right.candidate
    if one.passage.uri == other.passage.uri:
        return sure >= ALIKE_WITHIN and _clearly_the_same(left, right)
    if not identities.same_edition(one.passage.uri, other.passage.uri):
        return False
    if identities.comparable(one.passage.uri, other.passage.uri):
        return True
    return sure >= ALIKE_ELSEWHERE and identities.name_in_common(one.sentence.text, other.sentence.text)


def _same_entry(left: _Read, right: _Read) -> bool:
    """A row is about what its first cell names; below the name of a function a sentence is about that, unsaid."""
    rows = [one.candidate.sentence.text for one in (left, right) if one.candidate.sentence.form == "row"]
    if len({row.partition(";")[0].casefold() for row in rows}) > 1:
        return False
    mine, theirs = (one.candidate.passage.heading.rpartition(" > ")[2] for one in (left, right))
    return mine == theirs or (_names_entry(mine, right) and _names_entry(theirs, left))


def _names_entry(heading: str, other: _Read) -> bool:
    name = ENTRY.match(heading)
    return name is None or next(filter(None, name.groups())).lower() in other.reading.text.lower()


def _same_surroundings(left: _Read, right: _Read) -> bool:
    """Whether headings tie neither to a platform that the other does not speak of."""
    mine, theirs = (stem_set(one.candidate.passage.heading) & PLATFORMS for one in (left, right))
    return mine - whole_stems(right.reading.text) == theirs - whole_stems(left.reading.text)


def _clearly_the_same(left: _Read, right: _Read) -> bool:
    """Within one document headings tell things apart, unless they only name kinds of sections."""
    if left.candidate.passage.heading == right.candidate.passage.heading:
        return False
    like = likeness(left.reading, right.reading)
    if like.only_left or like.only_right or (len(like.shared) < 2 and like.alike < ALIKE_WITHIN_SHORT):
        return False
    headings = (stem_set(one.candidate.passage.heading.rpartition(" > ")[2]) for one in (left, right))
    return all(words <= GENERIC_HEADINGS | whole_stems(left.reading.text) for words in headings)


def about_words(left: Reading, right: Reading) -> str:
    """What both speak of, in the words of the first: its run of shared words that says most."""
    runs: list[list[tuple[int, int]]] = [[]]
    for start, end, shared in left.marked(right):
        if shared:
            runs[-1].append((start, end))
        else:
            runs.append([])
    best = max(runs, key=lambda run: (min(len(run), ABOUT_WORDS_MAX), -(run[0][0] if run else 0)))[:ABOUT_WORDS_MAX]
    return " ".join(left.text[best[0][0] : best[-1][1]].split()) if best else ""
