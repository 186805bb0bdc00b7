"""
What a task asks for, read without a model: the kind of answer, and the parts that can be worked on side by side.

Each sentence is a comparison, an enumeration, a statement to be checked or one part; list items are parts as they
stand. What is to be done with the findings shapes the questions, not the searches.
"""

import re
from dataclasses import dataclass, replace

from app.model.plan import Intent
from app.planning import aspects, branches, intents, words
from app.planning.branches import Branch
from app.planning.comparison import Comparison, read_comparison
from app.planning.sentences import listed, polite_part, sorted_sentences

QUESTION_CHARS_MAX = 2_000
QUESTIONS_MAX = 24
WORDS_BEHIND_COLON_MAX = 5
#: What a summary of everything is asked by: it names nothing to search for.
EVERYTHING = "Summarise the documents"
#: Answered by what speaks of the whole sentence, so it is searched for as it stands.
QUESTIONS = (Intent.ANSWER, Intent.HOWTO, Intent.CHECK)


@dataclass(frozen=True, slots=True)
class Reading:
    """A task as it was understood; `question` is the whole of it without the wish for a document."""

    branches: tuple[Branch, ...]
    question: str
    intent: Intent = Intent.ANSWER
    aspects: tuple[str, ...] = ()


#: What only the merge can answer.
VERDICT = re.compile(r"(?:recommend|rank|conclude|suggest|propose|end with)\b", re.IGNORECASE)
COMPARES = re.compile(r"\b(?:compar|contrast|differ|versus\b|vs\b)", re.IGNORECASE)
#: Without one of these a text is no list, has no second sentence and compares nothing.
SHAPE = re.compile(
    r"[,;:&/]|[.!?] |[0-9][.)]|\([a-z]\)|\b(?:and|or|vs|versus|plus|than|then|as well as|between)\b|"
    r"compar|contrast|weigh|benchmark|differ|distinct",
    re.IGNORECASE,
)
OPENING = re.compile(r"^(?:what (?:is|are) |the |main )+", re.IGNORECASE)
NEXT_PART = re.compile(
    r",? and (?:then )?(?=(?:how|what|why|when|which|who|where) (?:do|does|did|is|are|was|were|can|could|should|will|"
    r"would|has|have)\b|(?:explain|describe|research|investigate|outline|define|find out|tell me)\b)",
    re.IGNORECASE,
)
#: Two sides of one thing.
BALANCE = re.compile(
    r"(?:the |some |all )?((?:pros|advantages|benefits|strengths|upsides|risks|costs|opportunities)) (?:and|&|vs) "
    r"((?:cons|disadvantages|drawbacks|weaknesses|downsides|benefits|risks|costs)) (?:of|to|for|in|with) ",
    re.IGNORECASE,
)
#: "the life of A, the roles and the costs": members that stand on their own.
ARTICLE_BEHIND = re.compile(r",(?: and| or)? (?:the|an?) ", re.IGNORECASE)
#: A request for a comparison, whatever it compares.
COMPARING = re.compile(
    r"(?:(?:write|give|make|create|prepare|draft|do|provide)(?: me| us)? )?(?:an? |the )?(?:[^ ]{1,20} )?"
    r"(?:compare|contrast|comparison of|comparing) ",
    re.IGNORECASE,
)
OVERVIEW = re.compile(
    r"(?:(?:write|give|make|create|prepare|draft|provide)(?: me| us)? )?(?:an? |the )?(?:[^ ]{1,20} )?"
    r"(?:overview (?:of|on|over)|introduction (?:to|into)) ",
    re.IGNORECASE,
)
NEXT_QUESTION = re.compile(r",? and |[,;] (?:and )?", re.IGNORECASE)
INTRODUCTION = re.compile(r"^[^:?]{0,120}: ?")


def read(goal: str) -> Reading:
    """Never fails: a text without a recognised shape is one part."""
    lines = words.clean(goal) or [goal[: words.READ_CHARS_MAX]]
    if len(lines) == 1 and not SHAPE.search(lines[0]):
        return _single([polite_part(lines[0])], goal)
    return _shaped(lines, goal)


def _shaped(lines: list[str], goal: str) -> Reading:
    intro, items, outro = listed(lines)
    if not items:
        intro, items, outro = intents.enumerated(intro)
    contents, wishes = sorted_sentences([intro, outro] if items else [" ".join(lines)])
    contents = [content for content in contents if words.topic(content)] or contents
    asked = _sentence([*contents, *items, *wishes])
    intent, found, names = _branches(contents, items)
    found = branches.bounded(found)
    if len(found) < 2:
        return _single([*contents, *items], goal, asked)
    shared = [wish for wish in wishes if not VERDICT.match(wish)]
    found = [replace(branch, question=_sentence([branch.question, *shared]) or branch.query) for branch in found]
    return Reading(tuple(found), asked or goal[:QUESTION_CHARS_MAX], intent, names)


def _single(contents: list[str], goal: str, asked: str = "") -> Reading:
    """A task of one part: what kind of answer it wants, and what to search for."""
    whole = " ".join(contents)
    asked = asked or _sentence(contents)
    about = " ".join(map(words.topic, contents))
    claims = intents.claims(contents, [])
    names: tuple[str, ...] = ()
    if claims:
        intent, about = Intent.CHECK, " ".join(claims)
    elif words.HOWTO.search(whole):
        intent = Intent.HOWTO
    elif any(map(COMPARING.match, contents)):
        intent, names = Intent.COMPARISON, aspects.listed(aspects.cut(about, bool)[2])
        about = intents.THESE_DOCUMENTS.sub("", about)
    elif intents.SUMMARY.search(whole):
        intent, about = Intent.SUMMARY, intents.summary_topic(whole) or EVERYTHING
    elif OVERVIEW.match(whole):
        intent = Intent.OVERVIEW
    else:
        intent, (about, names) = Intent.ANSWER, _balance(about)
    search = EVERYTHING if about == EVERYTHING else words.query(f"{about} {' '.join(names)}")
    search = search or goal[: words.QUERY_CHARS_MAX]
    asked = "; ".join(claims)[:QUESTION_CHARS_MAX] or asked or search
    whole_question = intent in QUESTIONS and not names and bool(words.query(about))
    sought = about[: words.QUERY_CHARS_MAX].strip(" .;:!?") if whole_question else ""
    branch = Branch(branches.label(about or search), search, asked, intent, names, sought)
    return Reading((branch,), asked, intent, names)


def _balance(about: str) -> tuple[str, tuple[str, ...]]:
    """What a text weighs, and its two sides: "pros and cons of X"."""
    match = BALANCE.match(about)
    return (about[match.end() :], (match[1].lower(), match[2].lower())) if match else (about, ())


def _branches(contents: list[str], items: list[str]) -> tuple[Intent, list[Branch], tuple[str, ...]]:
    """What the text wants, its parts, and the aspects that all parts are asked for."""
    if claims := intents.claims(contents, items):
        return Intent.CHECK, branches.checked(claims), ()
    if items:
        found = branches.listed(contents, items)
        if any(map(COMPARES.search, contents)):
            names = aspects.listed(aspects.cut(words.topic(" ".join(contents)), bool)[2])
            return Intent.COMPARISON, [replace(b, intent=Intent.ANSWER, aspects=names) for b in found], names
        return _common(found), found, ()
    if any(map(intents.SUMMARY.search, contents)) and len(named := intents.named_sources(" ".join(contents))) > 1:
        return Intent.SUMMARY, branches.sources(named), ()
    comparisons = {content: _comparison(content) for content in contents}
    found = branches.with_context([b for content in _parts(contents) for b in _of_part(content, comparisons)])
    compared = next((comparison for comparison in comparisons.values() if comparison), None)
    if compared:
        return Intent.COMPARISON, found, compared.aspect_names
    return _common(found), found, ()


def _common(found: list[Branch]) -> Intent:
    """Instructions for several things stay instructions; parts of other or different kinds make an overview."""
    return Intent.HOWTO if all(branch.intent is Intent.HOWTO for branch in found) else Intent.OVERVIEW


def _comparison(content: str) -> Comparison | None:
    """The one that the sentence asks for; "how do I move from A to B" sets nothing side by side."""
    found = read_comparison(content)
    howto = words.HOWTO.search(content)
    return None if found and howto and not CHOICE.search(content) else found


CHOICE = re.compile(
    r"\b(?:choose|choosing|decide|deciding|pick|select|difference|which)\b|\bshould (?:i|we|you)\b", re.IGNORECASE
)


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
    questions = NEXT_QUESTION.split(INTRODUCTION.sub("", content, count=1), QUESTIONS_MAX)
    pieces = questions if all(map(words.ASKING.match, questions)) else NEXT_PART.split(content)
    return pieces if len(pieces) > 1 and not any(map(words.PRONOUN.search, pieces[1:])) else [content]


def _asks(piece: str) -> bool:
    asks = piece.endswith("?") or words.QUESTION.match(piece) or words.LEAD.match(piece) or words.TOPIC.match(piece)
    return bool(asks) or read_comparison(piece) is not None


def _of_part(content: str, comparisons: dict[str, Comparison | None]) -> list[Branch]:
    """The parts of a sentence; `comparisons` are those of whole sentences that were read already."""
    comparison = comparisons[content] if content in comparisons else _comparison(content)
    if comparison:
        return branches.compared(comparison)
    subjects, aspect = _enumerated(words.topic(content))
    if subjects:
        return branches.compared(Comparison(tuple(subjects), aspect))
    return [branches.part(content)]


def _enumerated(about: str) -> tuple[list[str], str]:
    """
    Members and common aspect of "A, B and C", "X of A, B and C" and "A, B and C of X"; three at least.

    What stands before a colon is about all that stand behind it: "risks of X: A, B and C".
    """
    about = OPENING.sub("", about.rstrip("?. "))
    before, colon, behind = about.rpartition(": ")
    listing = words.split_list(behind) if colon else []
    if len(listing) > 2 and max(len(member.split()) for member in listing) <= WORDS_BEHIND_COLON_MAX:
        return listing, before
    members = words.split_list(about)
    if len(members) < 3 or "," not in about or max(len(member.split()) for member in members) > 8:
        return [], ""
    if any(map(words.ASKING.match, members)):
        return [], ""
    first, _, behind = members[0].partition(" of ")
    if behind and not ARTICLE_BEHIND.search(about):
        return [words.name(behind), *members[1:]], first
    last, _, behind = members[-1].partition(" of ")
    if behind:
        return [*members[:-1], last], f"of {behind}"
    return (members, "") if max(len(member.split()) for member in members) <= 5 else ([], "")


def _sentence(parts: list[str]) -> str:
    """Joins with full stops where none stands; bounded."""
    text = " ".join(part if part[-1:] in ".?!:" else part + "." for part in parts if part)
    return text.removesuffix(".")[:QUESTION_CHARS_MAX]
