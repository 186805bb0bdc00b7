"""
What a task asks for, read without a model: the parts that can be worked on side by side.

Each sentence is a comparison, an enumeration or one part; list items are parts as they stand. What is
to be done with the findings shapes the questions, not the searches.
"""

import re
from dataclasses import dataclass, replace

from app.planning import words
from app.planning.comparison import Comparison, read_comparison
from app.planning.sentences import listed, polite_part, sorted_sentences

BRANCHES_MAX = 12
LABEL_CHARS_MAX = 80
QUESTION_CHARS_MAX = 2_000


@dataclass(frozen=True, slots=True)
class Branch:
    """One part of a task: its short name, what to search for, what to answer."""

    subject: str
    query: str
    question: str


@dataclass(frozen=True, slots=True)
class Reading:
    """A task as it was understood; `question` is the whole of it without the wish for a document."""

    branches: tuple[Branch, ...]
    question: str
    compares: bool


#: What only the merge can answer.
VERDICT = re.compile(r"(?:recommend|rank|conclude|suggest|propose|end with)\b", re.IGNORECASE)
COMPARES = re.compile(r"\b(?:compar|contrast|differ|versus\b|vs\b)", re.IGNORECASE)
#: Without one of these a text is no list, has no second sentence and compares nothing.
SHAPE = re.compile(
    r"[,;:&/]|[.!?] |[0-9][.)]|\b(?:and|or|vs|versus|plus|than|then|as well as|between)\b|"
    r"compar|contrast|weigh|benchmark|differ|distinct",
    re.IGNORECASE,
)
OPENING = re.compile(r"^(?:what (?:is|are) |the |main )+", re.IGNORECASE)
NEXT_PART = re.compile(
    r",? and (?:then )?(?=(?:how|what|why|when|which|who|where) (?:do|does|did|is|are|was|were|can|could|should|will|"
    r"would|has|have)\b|(?:explain|describe|research|investigate|outline|define|find out|tell me)\b)",
    re.IGNORECASE,
)


def read(goal: str) -> Reading:
    """Never fails: a text without a recognised shape is one part."""
    lines = words.clean(goal) or [goal[: words.READ_CHARS_MAX]]
    if len(lines) == 1 and not SHAPE.search(lines[0]):
        return _plain(polite_part(lines[0]), goal)
    return _shaped(lines, goal)


def _plain(content: str, goal: str) -> Reading:
    """A single sentence in which nothing is set side by side."""
    about = words.topic(content)
    search = words.query(about) or goal[: words.QUERY_CHARS_MAX]
    asked = _sentence([content]) or search
    return Reading((Branch(_label(about or search), search, asked),), asked, False)


def _shaped(lines: list[str], goal: str) -> Reading:
    intro, items, outro = listed(lines)
    contents, wishes = sorted_sentences([intro, outro] if items else [" ".join(lines)])
    contents = [content for content in contents if words.topic(content)] or contents
    asked = _sentence([*contents, *items, *wishes])
    comparisons = {content: read_comparison(content) for content in contents}
    compares = any(comparisons.values())
    if items:
        branches = _item_branches(contents, items)
        compares = compares or any(map(COMPARES.search, contents))
    else:
        branches = [branch for content in _parts(contents) for branch in _branches(content, comparisons)]
    branches = _bounded(branches)
    if len(branches) < 2:
        about = " ".join(map(words.topic, [*contents, *items]))
        search = words.query(about) or goal[: words.QUERY_CHARS_MAX]
        return Reading((Branch(_label(about or search), search, asked or search),), asked or search, False)
    shared = [wish for wish in wishes if not VERDICT.match(wish)]
    branches = [replace(branch, question=_sentence([branch.question, *shared]) or branch.query) for branch in branches]
    return Reading(tuple(branches), asked or goal[:QUESTION_CHARS_MAX], compares)


def _parts(contents: list[str]) -> list[str]:
    """
    The sentences that ask for something; statements around them are context, not parts.

    A part that speaks of "it" or "them" belongs to the part before it.
    """
    pieces = [(piece, piece is not whole) for whole in contents for piece in _pieces(whole)]
    asking = [piece for piece, split in pieces if split or _asks(piece)] or [" ".join(contents)]
    parts: list[str] = []
    for piece in asking:
        if parts and words.PRONOUN.search(piece):
            parts[-1] = f"{parts[-1]} {piece}"
        else:
            parts.append(piece)
    return parts


def _pieces(content: str) -> list[str]:
    pieces = NEXT_PART.split(content)
    return pieces if not any(map(words.PRONOUN.search, pieces[1:])) else [content]


def _asks(piece: str) -> bool:
    asks = piece.endswith("?") or words.QUESTION.match(piece) or words.LEAD.match(piece) or words.TOPIC.match(piece)
    return bool(asks) or read_comparison(piece) is not None


def _branches(content: str, comparisons: dict[str, Comparison | None]) -> list[Branch]:
    """The parts of a sentence; `comparisons` are those of whole sentences that were read already."""
    comparison = comparisons[content] if content in comparisons else read_comparison(content)
    if comparison:
        return [_compared(comparison, subject) for subject in comparison.subjects]
    about = words.topic(content)
    subjects, aspect = _enumerated(about)
    if subjects:
        return [_compared(Comparison(tuple(subjects), aspect), subject) for subject in subjects]
    about = about or content
    return [Branch(_label(about), words.query(about), content)]


def _enumerated(about: str) -> tuple[list[str], str]:
    """Members and common aspect of "A, B and C", "X of A, B and C" and "A, B and C of X"; three at least."""
    about = OPENING.sub("", about.rstrip("?. "))
    members = words.split_list(about)
    if len(members) < 3 or "," not in about or max(len(member.split()) for member in members) > 8:
        return [], ""
    first, _, behind = members[0].partition(" of ")
    if behind:
        return [words.name(behind), *members[1:]], first
    last, _, behind = members[-1].partition(" of ")
    if behind:
        return [*members[:-1], last], f"of {behind}"
    return (members, "") if max(len(member.split()) for member in members) <= 5 else ([], "")


def _compared(comparison: Comparison, subject: str) -> Branch:
    query = f"{subject} {words.aspect_query(comparison.aspects)}".strip()[: words.QUERY_CHARS_MAX]
    if not comparison.aspects:
        return Branch(subject, query, subject)
    if comparison.predicate:
        return Branch(subject, query, f"How does {subject} {comparison.aspects}?")
    joint = " " if comparison.aspects.startswith("of ") else ": "
    return Branch(subject, query, f"{subject}{joint}{comparison.aspects}")


def _item_branches(contents: list[str], items: list[str]) -> list[Branch]:
    """Items are parts; short ones are searched together with what the introduction says about all of them."""
    common = re.sub(
        r"(?i)\b(?:compare|following|these|questions?|topics?|items?|points?|below|answer|each|parts?|tasks?)\b", "",
        words.topic(" ".join(contents)),
    )  # fmt: skip
    branches = []
    for item in items:
        about = words.query(words.topic(item)) or words.query(item) or item
        short = len(item.split()) <= 4
        joined = words.query(f"{about} {words.aspect_query(common)}") if short else about
        branches.append(Branch(_label(words.topic(item) or item), joined, item))
    return branches


def _label(text: str) -> str:
    """The beginning of a text, cut between words."""
    label = words.name(text) or text.strip()
    if len(label) <= LABEL_CHARS_MAX:
        return label
    return label[:LABEL_CHARS_MAX].rpartition(" ")[0] or label[:LABEL_CHARS_MAX]


def _bounded(branches: list[Branch]) -> list[Branch]:
    """Each search once, none without a word; what exceeds `BRANCHES_MAX` shares the last branch."""
    unique = list({branch.query.casefold(): branch for branch in reversed(branches) if branch.query}.values())[::-1]
    if len(unique) <= BRANCHES_MAX:
        return unique
    kept, rest = unique[: BRANCHES_MAX - 1], unique[BRANCHES_MAX - 1 :]
    joined = Branch(
        _label(", ".join(branch.subject for branch in rest)),
        words.query(" ".join(branch.query for branch in rest)),
        " ".join(branch.question for branch in rest),
    )
    return [*kept, joined]


def _sentence(parts: list[str]) -> str:
    """Joins with full stops where none stands; bounded."""
    text = " ".join(part if part[-1:] in ".?!:" else part + "." for part in parts if part)
    return text.removesuffix(".")[:QUESTION_CHARS_MAX]
