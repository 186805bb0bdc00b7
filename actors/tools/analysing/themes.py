"""
Groups findings under labels that stand in the documents or the question.

A label is a topic of the question, a heading, or a phrase that several findings share. Labels are taken greedily, the
one that gathers most first; what is left over joins the group it is most alike. So there are few groups, none of one
sentence unless nothing else fits it, and the order in which passages came makes no difference.
"""

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from actors.tools.analysing.candidates import Vector, similarity
from actors.tools.analysing.quality import BOILERPLATE
from actors.tools.text.words import STOP_WORDS, stem

THEMES_MAX = 6
FINDINGS_MIN = 4  # with fewer there is nothing to group
MEMBERS_MIN = 2
ALIKE_MIN = 0.08  # of a finding and a group that it may join
HEADING_WORDS_MAX = 6
TOPIC, HEADING, PHRASE = 1.0, 0.95, 0.6  # how good a label is, times what it gathers
OTHER = ""
GENERIC = re.compile(
    r"^(?:\d[\d.]*|introduction|overview|general|about|summary|background|basics?|notes?|details|usage|features|examples?|"
    r"description|faq|index|readme|documentation|getting started|quick ?start|more|other|misc\w*|reference|contents)$",
    re.IGNORECASE,
)
WORD = re.compile(r"[^\W\d_][\w-]*")


@dataclass(frozen=True, slots=True)
class Told:
    """What grouping needs to know of a finding."""

    text: str
    heading: str
    title: str
    topics: tuple[str, ...]
    vector: Vector


def themes_of(told: list[Told]) -> list[str]:
    """The label of each finding, in their order; all empty when there is nothing to group."""
    if len(told) < FINDINGS_MIN:
        return [OTHER] * len(told)
    gathered = _labels(told)
    chosen: dict[str, list[int]] = {}
    left = set(range(len(told)))
    while left and len(chosen) < THEMES_MAX:
        ranked = [
            (_worth(label, quality, members & left), label, members & left) for label, quality, members in gathered
        ]
        best = max(ranked, key=lambda entry: (entry[0], entry[1]), default=None)
        if best is None or len(best[2]) < MEMBERS_MIN:
            break
        chosen[best[1]] = sorted(best[2])
        left -= best[2]
    if len(chosen) < 2:
        return [OTHER] * len(told)
    return _placed(told, chosen, left)


def _worth(label: str, quality: float, members: set[int]) -> float:
    return round(quality * len(members) + 0.01 * min(3, len(label.split())), 6)


def _placed(told: list[Told], chosen: dict[str, list[int]], left: Iterable[int]) -> list[str]:
    """The label of each; what no label gathered goes to the group that is most like it."""
    label_of = {at: label for label, members in chosen.items() for at in members}
    for at in sorted(left):
        near = {
            label: max(similarity(told[at].vector, told[i].vector) for i in members)
            for label, members in chosen.items()
        }
        best = max(sorted(near), key=lambda label: near[label])
        label_of[at] = best if near[best] >= ALIKE_MIN else OTHER
    return [label_of[at] for at in range(len(told))]


def _labels(told: list[Told]) -> list[tuple[str, float, set[int]]]:
    """Every label that could be used: how it reads, how good it is, which findings it fits."""
    members: dict[str, set[int]] = defaultdict(set)
    shown: dict[str, dict[str, float]] = defaultdict(dict)
    for at, one in enumerate(told):
        for label, quality in [*_topics(one), *_headings(one), *_phrases(one.text)]:
            key = " ".join(stem(word) for word in label.lower().split())
            members[key].add(at)
            shown[key][label] = max(quality, shown[key].get(label, 0.0))
    found = []
    for key, fits in members.items():
        label, quality = max(shown[key].items(), key=lambda entry: (entry[1], entry[0]))
        # What fits all of them tells nothing apart.
        if len(fits) >= MEMBERS_MIN and len(fits) < len(told):
            found.append((label[:1].upper() + label[1:], quality, fits))
    return sorted(found, key=lambda entry: entry[0])


def _topics(one: Told) -> Iterable[tuple[str, float]]:
    return ((topic, TOPIC) for topic in one.topics)


def _headings(one: Told) -> Iterable[tuple[str, float]]:
    path = [part for part in one.heading.split(" > ") if part and part != one.title]
    for depth, part in enumerate(reversed(path[-2:])):
        if not GENERIC.match(part) and not BOILERPLATE.search(part) and len(part.split()) <= HEADING_WORDS_MAX:
            yield part, HEADING - 0.1 * depth


def _phrases(text: str) -> set[tuple[str, float]]:
    """Two or three words that stand together, none of them a small one."""
    found = set()
    words = [match[0] for match in WORD.finditer(text)]
    for size in (2, 3):
        for at in range(len(words) - size + 1):
            piece = words[at : at + size]
            if all(word.lower() not in STOP_WORDS and len(word) > 2 for word in piece) and " ".join(piece) in text:
                found.add((" ".join(piece), PHRASE + 0.1 * (size - 2)))
    return found
