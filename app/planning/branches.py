"""The parts of a task that can be worked on side by side: what each is called, searches for and asks."""

import re
from dataclasses import dataclass, replace

from app.model.plan import Intent
from app.planning import words
from app.planning.comparison import Comparison

BRANCHES_MAX = 12
LABEL_CHARS_MAX = 80
CLAIM_CHARS_MAX = 200
SHORT_ITEM_WORDS_MAX = 4
#: A question about something that was named before, when it has but one word of its own.
OF_SOMETHING = re.compile(r"(?:who|when|where|why)\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Branch:
    """
    One part of a task: its short name, what to search for, what to answer and how, on which aspects.

    `sought` is the search in a person's words, where the whole task is one question or statement.
    """

    subject: str
    query: str
    question: str
    intent: Intent = Intent.ANSWER
    aspects: tuple[str, ...] = ()
    sought: str = ""


def part(content: str) -> Branch:
    """A sentence, or what is left of it, as one part."""
    about = words.topic(content) or content
    return Branch(label(about), words.query(about), content, question_intent(content))


def question_intent(content: str) -> Intent:
    """What kind of answer a single question wants."""
    return Intent.HOWTO if words.HOWTO.search(content) else Intent.ANSWER


def compared(comparison: Comparison) -> list[Branch]:
    """One part per subject, each asked for all aspects."""
    return [_compared(comparison, subject) for subject in comparison.subjects]


def _compared(comparison: Comparison, subject: str) -> Branch:
    asked = f"{comparison.aspects} {comparison.verdict}".strip()
    query = f"{subject} {words.aspect_query(asked)}".strip()[: words.QUERY_CHARS_MAX]
    return Branch(subject, query, _question(comparison, subject), aspects=comparison.aspect_names)


def _question(comparison: Comparison, subject: str) -> str:
    aspects, verdict = comparison.aspects, comparison.verdict
    if comparison.predicate and aspects:
        asked = f"How does {subject} {aspects}?"
        return f"{asked} {subject}: {verdict}" if verdict else asked
    aspects = ", ".join(filter(None, (aspects, verdict)))
    joint = " " if aspects.startswith("of ") else ": "
    return f"{subject}{joint}{aspects}" if aspects else subject


_OF_INTRODUCTION = re.compile(
    r"\b(?:compare|following|these|questions?|topics?|items?|points?|below|answer|each|parts?|tasks?)\b", re.IGNORECASE
)


def listed(contents: list[str], items: list[str]) -> list[Branch]:
    """Items are parts; short ones are searched together with what the introduction says about all of them."""
    common = words.aspect_query(_OF_INTRODUCTION.sub("", words.topic(" ".join(contents))))
    howto = any(map(words.HOWTO.search, contents))
    found: list[Branch] = []
    for item in items:
        about = words.query(words.topic(item)) or words.query(item) or item
        query = words.query(f"{about} {common}") if len(item.split()) <= SHORT_ITEM_WORDS_MAX else about
        intent = Intent.HOWTO if howto else question_intent(item)
        found.append(Branch(label(words.topic(item) or item), query, item, intent))
    return with_context(found)


def checked(claims: list[str]) -> list[Branch]:
    """One part per statement."""
    return with_context(
        [Branch(_cut(claim, CLAIM_CHARS_MAX), words.query(claim), claim, Intent.CHECK) for claim in claims]
    )


def sources(names: list[str]) -> list[Branch]:
    """One part per address or file that is to be summarised."""
    return [
        Branch(_cut(name, CLAIM_CHARS_MAX), words.query(name), f"Summarise {name}", Intent.SUMMARY) for name in names
    ]


def with_context(found: list[Branch]) -> list[Branch]:
    """ "When is it removed?" and "Who decides?" are searched for together with what the part before them names."""
    resolved: list[Branch] = []
    for branch in found:
        if resolved and (words.PRONOUN.search(branch.question) or _asks_by_a_word(branch)):
            branch = replace(branch, query=words.query(f"{branch.query} {resolved[-1].query}"))  # noqa: PLW2901
        resolved.append(branch)
    return resolved


def _asks_by_a_word(branch: Branch) -> bool:
    return " " not in branch.query and bool(OF_SOMETHING.match(branch.question))


def bounded(found: list[Branch]) -> list[Branch]:
    """Each search once, none without a word; what exceeds `BRANCHES_MAX` shares the last branch."""
    unique = list({branch.query.casefold(): branch for branch in reversed(found) if branch.query}.values())[::-1]
    if len(unique) <= BRANCHES_MAX:
        return unique
    kept, rest = unique[: BRANCHES_MAX - 1], unique[BRANCHES_MAX - 1 :]
    joined = Branch(
        label(", ".join(branch.subject for branch in rest)),
        words.query(" ".join(branch.query for branch in rest)),
        " ".join(branch.question for branch in rest),
        rest[0].intent,
        rest[0].aspects,
    )
    return [*kept, joined]


def label(text: str) -> str:
    """The beginning of a text, cut between words."""
    return _cut(words.name(text) or text.strip(), LABEL_CHARS_MAX)


def _cut(text: str, chars_max: int) -> str:
    return text if len(text) <= chars_max else text[:chars_max].rpartition(" ")[0] or text[:chars_max]
