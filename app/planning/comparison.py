"""
Recognises a comparison in a sentence: which subjects, and what is asked about each of them.

| written as                                     | subjects | aspects             |
|------------------------------------------------|----------|---------------------|
| compare how A, B and C handle X and Y          | A, B, C  | handle X and Y      |
| compare the X of A and B / X in A vs B         | A, B     | X                   |
| compare A with B in terms of X                 | A, B     | X                   |
| A vs B: X / A versus B for X                   | A, B     | X                   |
| difference (in X) between A and B              | A, B     | X                   |
| how do A and B (differ in) X / does A differ from B | A, B | X                   |
| which is X, A or B / choose between A and B    | A, B     | X                   |
| should we use A or B for X / is A X-er than B  | A, B     | X                   |
| research A and B and compare them on X         | A, B     | X                   |
| A, B, C: which one is best for X?              | A, B, C  | X                   |
| A or B for X? / is it X to A or to B            | A, B     | X                   |
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from app.planning import aspects as aspect
from app.planning.sentences import SENTENCE_CHARS_MAX, WHICH_ONE
from app.planning.words import LEAD, PREDICATE_VERBS, QUESTION, name, split_list, topic


@dataclass(frozen=True, slots=True)
class Comparison:
    """
    Subjects side by side; `predicate` says whether `aspects` begins with a verb ("handle retries").

    `verdict` is what a question for the best of them asks besides ("which one survives a crash?").
    """

    subjects: tuple[str, ...]
    aspects: str = ""
    predicate: bool = False
    verdict: str = ""

    @property
    def aspect_names(self) -> tuple[str, ...]:
        """The aspects one by one."""
        names = (*aspect.listed(self.aspects, predicate=self.predicate), *aspect.listed(self.verdict))
        return tuple(dict.fromkeys(names))[: aspect.ASPECTS_MAX]


BARE_WORDS_MAX = 14

#: Without one of these a sentence has none of the forms.
CLUE = re.compile(
    r"compar|contrast|weigh|benchmark|differ|similar|trade-?off|distinct|choos|choice|decid|pick|select|torn|stuck|"
    r"hesitat|how |in what |vs|versus|which|what|who| or | than ",
    re.IGNORECASE,
)
COMPARE = re.compile(
    r"\b(?:compar(?:e|es|ing)|contrast(?:ing)?|comparison (?:of|between)|weigh(?:ing)?(?: up)?|benchmark(?:ing)?)\b"
    r"(?: and (?:contrast(?:ing)?|summari[sz]e|analy[sz]e|explain))? ",
    re.IGNORECASE,
)
DIFFERENCE = re.compile(
    r"\b(?:differ(?:s|ences?)?|similarit(?:y|ies)|trade-?offs?|distinctions?|choose|choosing|choice|"
    r"decid(?:e|ing)|pick|select|torn|stuck|hesitat(?:e|ing))\b"
    r"((?: [^ ]{1,40}){0,8}?) between ",
    re.IGNORECASE,
)
HOW = re.compile(r"\b(?:how|in what (?:ways?|respects?)) (?:do|does|did|is|are) ", re.IGNORECASE)
DIFFERS = re.compile(r"(?:differs?|different|compares?|distinct) (?:from|to|with|than) ", re.IGNORECASE)
VERSUS = re.compile(r" (?:vs|versus) ", re.IGNORECASE)
WHICH = re.compile(r"\b(?:which|what|who)(?:'s)?\b([^,:?]{0,100})[,:] (?=[^?]{1,400} or )", re.IGNORECASE)
SHOULD = re.compile(
    r"\b(?:should|shall|would|could|can|do|does)(?: i| we| you| one| they| it)? (?:better |rather )?(?:use|choose|pick|"
    r"prefer|take|adopt|learn|buy|go with|switch to|migrate to|run|deploy|rely on) (?=[^?]{1,400} or )",
    re.IGNORECASE,
)
AFTER_MARK = re.compile(r" ?[,;:.?!-]* ")
IS_IT = re.compile(
    r"\bis it ((?:much |really )?(?:more |less )?[^ ]{2,30}) (?:to |if (?:i|we|you) )(?=[^?]{1,400} or )", re.IGNORECASE
)
THAN = re.compile(
    r"\b(?:is|are) ([^?]{1,120}?) ((?:really |much |any )?(?:more |less )?[^ ]{2,30}) than ", re.IGNORECASE
)
FRONT = re.compile(r" (?:of|between|across|in|for) ", re.IGNORECASE)
OR_TO = re.compile(r" or (?:to|if (?:i|we|you)) ", re.IGNORECASE)
QUALITIES = re.compile(
    r"(?:the )?(?:pros|cons|(?:dis)?advantages|strengths|benefits|costs?|performance)\b", re.IGNORECASE
)
ASKS_INSIDE = re.compile(r" (?:how|what|why|when|where|who|which|is|are|do|does|can) ", re.IGNORECASE)
IN_BRACKETS = re.compile(r" \(([^()]{1,300}(?:, | and | or )[^()]{1,300})\)[.?!]?$")
#: "the three databases Postgres, MariaDB and SQLite"
COUNTED = re.compile(r"^(?:[Tt]he )?(?:two|three|four|five|six|\d{1,2}) [a-z-]{3,30} (?=[A-Z])")
PRONOUNS = re.compile(r"(?:them(?: all)?|these|those|both|the two|the three|each)(?: of them)?\b[ ,:]*", re.IGNORECASE)


def read_comparison(sentence: str) -> Comparison | None:
    """The comparison that the sentence asks for, by the first form that fits; `None` if there is none."""
    if not CLUE.search(sentence):
        return None
    text = IN_BRACKETS.sub(r": \1", sentence[:SENTENCE_CHARS_MAX])
    for form in FORMS:
        found = form(text)
        if found and len(found.subjects) > 1:
            return found
    return None


def _which_one(sentence: str) -> Comparison | None:
    """Subjects, with whatever is said about them, and then the question which of them it is."""
    match = next((m for m in AFTER_MARK.finditer(sentence) if WHICH_ONE.match(sentence, m.end())), None)
    question = match and WHICH_ONE.match(sentence, match.end())
    if not match or not question:
        return None
    about = topic(sentence[: match.start()])
    found = next((f for form in FORMS[1:] if (f := form(about)) and len(f.subjects) > 1), None)
    if not found and about.lower().startswith("how "):
        found = _with_predicate(about[4:])
    return replace(found or Comparison(tuple(split_list(about))), verdict=sentence[question.end() :].strip(" .?!"))


def _bare(sentence: str) -> Comparison | None:
    """Names and nothing else: a question only by its mark, or by what it is about."""
    if " or " not in sentence or len(sentence.split()) > BARE_WORDS_MAX:
        return None
    if QUESTION.match(sentence) or LEAD.match(sentence) or ASKS_INSIDE.search(sentence):
        return None
    found = _sides(sentence.rstrip("?"))
    return found if sentence.endswith("?") or found.aspects else None


def _compare(sentence: str) -> Comparison | None:
    match = COMPARE.search(sentence)
    if not match:
        return None
    rest = sentence[match.end() :]
    if rest.lower().startswith(("to ", "with ")):
        return None
    if pronoun := PRONOUNS.match(rest):
        before = tuple(split_list(topic(re.sub(r",? and$", "", sentence[: match.start()].strip()))))
        if len(before) > 1:
            return Comparison(before, _aspects(rest[pronoun.end() :]))
        if not COUNTED.match(rest):
            return None
    rest = COUNTED.sub("", rest)
    if rest.lower().startswith("how "):
        return _with_predicate(re.sub(r"(?i)^how (?:do |does |to )?", "", rest))
    return _sides(rest, wide=True)


def _difference(sentence: str) -> Comparison | None:
    match = DIFFERENCE.search(sentence)
    if not match:
        return None
    found = _sides(sentence[match.end() :])
    return Comparison(found.subjects, " ".join(filter(None, (_aspects(match[1]), found.aspects))))


def _how(sentence: str) -> Comparison | None:
    match = HOW.search(sentence)
    if not match:
        return None
    found = _with_predicate(sentence[match.end() :])
    if len(found.subjects) == 1 and (other := DIFFERS.match(found.aspects)):
        return _sides(f"{found.subjects[0]} and {found.aspects[other.end() :]}")
    return found


def _versus(sentence: str) -> Comparison | None:
    if not VERSUS.search(sentence):
        return None
    about = topic(sentence)
    return _sides(about[0].lower() + about[1:] if QUALITIES.match(about) else about)


def _search(pattern: re.Pattern[str], sentence: str, word: str) -> re.Match[str] | None:
    """The same as `pattern.search` for one that needs the word, without looking for the rest in vain."""
    return pattern.search(sentence) if f" {word} " in sentence.lower() else None


def _which(sentence: str) -> Comparison | None:
    match = _search(WHICH, sentence, "or")
    if not match:
        return None
    found = _sides(sentence[match.end() :])
    return Comparison(found.subjects, " ".join(filter(None, (match[1].strip(), found.aspects))))


def _should(sentence: str) -> Comparison | None:
    match = _search(SHOULD, sentence, "or")
    return _sides(sentence[match.end() :]) if match else None


def _is_it(sentence: str) -> Comparison | None:
    match = _search(IS_IT, sentence, "or")
    if not match:
        return None
    found = _sides(OR_TO.sub(" or ", sentence[match.end() :]))
    return Comparison(found.subjects, " ".join(filter(None, (match[1], found.aspects))))


def _than(sentence: str) -> Comparison | None:
    match = _search(THAN, sentence, "than")
    if not match:
        return None
    other, mark, more = aspect.cut(sentence[match.end() :], lambda _: True)
    return Comparison(tuple(filter(None, (name(match[1]), name(other)))), _aspects(f"{match[2]}{mark}{more}"))


FORMS: tuple[Callable[[str], Comparison | None], ...] = (
    _which_one, _compare, _difference, _how, _versus, _which, _should, _is_it, _than, _bare,
)  # fmt: skip


def _sides(text: str, *, wide: bool = False) -> Comparison:
    """Subjects with what is said about them before ("the X of A and B") or after ("A and B on X")."""
    left, mark, aspects = aspect.cut(text, lambda part: len(split_list(part, wide=wide)) > 1)
    front = FRONT.search(left)
    if front and left[:1].islower() and len(split_list(left[front.end() :], wide=wide)) > 1:
        aspects = f"{_aspects(left[: front.start()])}{mark}{aspects}"
        left = left[front.end() :]
    return Comparison(tuple(split_list(left, wide=wide)), _aspects(aspects))


def _with_predicate(text: str) -> Comparison:
    """Takes "A, B and C handle X" apart at the verb; an unknown verb shows as the first overlong member."""
    words = text.split(" ")
    for index, word in enumerate(words):
        if index and word.lower().strip("?.!,") in PREDICATE_VERBS:
            return Comparison(tuple(split_list(" ".join(words[:index]))), _aspects(" ".join(words[index:])), True)
    members = split_list(text)
    for index in range(1, len(members)):
        width = max(len(member.split()) for member in members[:index])
        own = members[index].split()
        if len(own) > width:
            verb = " ".join(own[width:])
            aspects = text[text.casefold().find(verb.casefold()) :]
            return Comparison((*members[:index], " ".join(own[:width])), _aspects(aspects), True)
    return Comparison(tuple(members))


def _aspects(text: str) -> str:
    return re.sub(
        r"(?i)^(?:and |their |its |the |in |of |how they |on |for |by |is |are |one is |: ?)+", "", text.strip()
    ).strip(" .?!:;,")
