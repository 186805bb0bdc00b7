"""
Which sentences a report may quote, and how gladly.

Documents are full of lines that are no statements: badges, commands, tables of contents, pointers to
elsewhere, change logs. They weigh nothing or little; a full sentence of 6 to 40 words weighs most.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from actors.tools.splitting.blocks import Block
from actors.tools.splitting.passages import Passage
from actors.tools.text.inline import ADDRESS, CODE_SPAN, LINK, plain
from actors.tools.text.sentences import Sentence, iter_sentences, rows
from actors.tools.text.shown import shown
from actors.tools.text.words import tokens

WORDS_BEST = range(6, 41)
WORDS_MIN, WORDS_MAX = 3, 60
JOINED_WORDS_MAX = 55  # of two sentences that only make sense together
FRAGMENT_WEIGHT, DANGLING_WEIGHT, PRONOUN_WEIGHT, POINTER_WEIGHT, BOILERPLATE_WEIGHT = 0.45, 0.6, 0.45, 0.3, 0.3

ROW_WEIGHT, ROW_WORDS_MIN = 0.8, 4
LEAD_WORDS_MIN = 3
ENDS = (".", "!", "\u3002", "\uff01", "\u2026")
EXAMPLE_LEAD = re.compile(
    r"\b(?:for example|for instance|example|e\.g|like this|as follows|usage|output|contents)\W*$", re.IGNORECASE
)

COMMAND = re.compile(
    r"^\s*(?:[$>%#]\s|(?:sudo |python -m )?(?:pip|uv|npm|npx|conda|apt|apt-get|brew|docker|git|poetry|cargo|make)\s"
    r"(?:\w+\s+)?\S+$)|`?(?:pip3?|uv|npm|conda|apt(?:-get)?|brew|docker|poetry)\s(?:install|add|run|pull|pip)\b"
)
CHANGE = re.compile(r"@\w[\w-]*|(?<!\w)#\d{2,}\b|/pull/\d+|/issues/\d+")
POINTER = re.compile(
    r"^(?:for (?:more|further|full|the (?:complete|full))|see|check out|click|read (?:the|more|our)|learn more|visit|"
    r"refer to|look (?:at|for)|head (?:over )?to|have a look|take a look|view|documentation|you can find|"
    r"to (?:learn|find out|report|contribute)|please (?:see|refer|read|consider|open|use)|if you (?:want|don't know))\b"
    r"|\bsee (?:the|our|also|below|these)\b|\bfor (?:more )?details\b|\bread more\b|\bfound (?:here|in the doc)|"
    r"\bmight want to (?:look|read|check)|\bhead over to\b|\bdocumentation is available\b",
    re.IGNORECASE,
)
DANGLING = re.compile(
    r"^(?:this|that|these|those|it|they|he|she|here|there|such|however|but|and|or|also|otherwise|moreover|"
    r"furthermore|additionally|in this|as such|note|if (?:it|so|not|this|that|they)|the (?:above|following)|again|"
    r"instead|then|next)\b",
    re.IGNORECASE,
)
SAYS_WHAT_IT_IS = re.compile(r"this (?:is|package is|library is|project is) (?:an?|the) ", re.IGNORECASE)
PRONOUN = re.compile(r"(?:it|its|this|these|those|that|they|he|she|such|the latter|the former)\b", re.IGNORECASE)
VERB = re.compile(
    r"\b(?:is|are|was|were|be|been|has|have|had|do|does|did|can|cannot|could|may|might|must|shall|should|will|would|"
    r"\w{3,}(?:es|ed|ing|s)|let|make|give|use|run|need|get|set)\b",
    re.IGNORECASE,
)
BOILERPLATE = re.compile(
    r"\b(?:sponsors?|backers?|licen[cs]e|contribut\w+|change ?logs?|release (?:notes|information|history)|authors?|"
    r"credits?|acknowledge?ments?|table of contents|contents|badges?|thanks|maintainers?|code of conduct|"
    r"project links|links|getting help|help|opinions|testimonials|enterprise|donat\w+|funding|news|history|"
    r"security contact|who'?s using)\b|^v?\d+\.\d+|(?<=> )v?\d+\.\d+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Statement:
    """A sentence that may be quoted, with its weight from above 0 to 1."""

    sentence: Sentence
    weight: float


def statements(passage: Passage) -> list[Statement]:
    """What the passage states, in order."""
    return list(iter_statements(passage))


def iter_statements(passage: Passage, wanted: Callable[[str], bool] | None = None) -> Iterator[Statement]:
    """The same, one after another, for whoever takes only the first; only from blocks that are `wanted`."""
    place = BOILERPLATE_WEIGHT if BOILERPLATE.search(passage.heading) else 1.0
    before: Sentence | None = None
    for sentence in _sentences(passage, wanted):
        if sentence.form == "row":
            value = row_weight(sentence)
            whole = sentence
        else:
            whole = _with_lead(sentence) or _with_antecedent(passage.text, before, sentence)
            value = weight(whole, joined=whole is not sentence)
            before = sentence
        if value:
            yield Statement(whole, round(place * value, 4))


def _sentences(passage: Passage, wanted: Callable[[str], bool] | None) -> Iterator[Sentence]:
    """Of code nothing is a sentence, but a table that stands alone has rows."""
    if passage.kind == "prose":
        return iter_sentences(passage.text, wanted)
    return rows(passage.text, Block("table", 0, len(passage.text), 1))


def row_weight(row: Sentence) -> float:
    """A table's row says something when two of its columns do."""
    words = len(row.text.split())
    told = [cell for cell in row.text.split("; ") if any(map(str.isalnum, cell.partition(": ")[2]))]
    links = len(LINK.findall(row.quote))
    good = len(told) >= 2 > links and ROW_WORDS_MIN <= words <= WORDS_MAX and not _is_mostly_links(row)
    return ROW_WEIGHT if good else 0.0


def _with_lead(sentence: Sentence) -> Sentence | None:
    """A list item that is no sentence by itself, read with what leads into its list."""
    if not sentence.lead or not sentence.opens_block or _is_whole(sentence.text):
        return None
    text = shown(sentence.quote, sentence.lead, "item")
    lead = plain(sentence.lead)
    if len(lead.split()) < LEAD_WORDS_MIN or len(text.split()) > JOINED_WORDS_MAX or POINTER.search(lead):
        return None
    few = any(map(str.isalpha, sentence.text)) and len(sentence.text.split()) < WORDS_MIN
    if EXAMPLE_LEAD.search(lead) or not (_is_speakable(sentence) if few else weight(replace(sentence, item=True))):
        return None
    return replace(sentence, text=text, context=sentence.lead, form="item")


def _is_speakable(item: Sentence) -> bool:
    """Of one or two words: "Connection pooling." says something behind "It has these features:"."""
    return not _is_rubbish(item)


def _is_whole(text: str) -> bool:
    """Whether it reads as a sentence: long enough, with a verb, and ended."""
    return len(text.split()) >= WORDS_BEST[0] and text.endswith((".", "!", ")")) and bool(VERB.search(text))


def _with_antecedent(text: str, before: Sentence | None, sentence: Sentence) -> Sentence:
    """A sentence that opens with "It" or "This" together with the one it points back to, if that is near."""
    if (
        before is None
        or before.context
        or not PRONOUN.match(sentence.text)
        or text[before.end : sentence.start].strip()
    ):
        return sentence
    if not weight(before) or (sentence.opens_block and (before.item or sentence.item)):
        return sentence
    quote = text[before.start : sentence.end]
    joined = Sentence(quote, plain(quote), before.start, before.item, before.opens_block)
    return joined if len(joined.text.split()) <= JOINED_WORDS_MAX else sentence


def weight(sentence: Sentence, *, joined: bool = False) -> float:
    """How much the sentence reads like a statement; 0 for what must not be quoted."""
    text = sentence.text
    words = sum(1 for word in text.split() if word.isalpha() or any(map(str.isalpha, word)))
    if not WORDS_MIN <= words <= WORDS_MAX or _is_rubbish(sentence):
        return 0.0
    complete = bool(sentence.context) or text.rstrip("\"'\u201d\u2019)`*").endswith(ENDS)
    if not complete and not sentence.item:
        return 0.0
    good_length = words in WORDS_BEST or (joined and words <= JOINED_WORDS_MAX)
    value = 1.0 if complete and VERB.search(text) and good_length else FRAGMENT_WEIGHT
    if POINTER.search(text):
        value *= POINTER_WEIGHT
    if DANGLING.match(text) and not SAYS_WHAT_IT_IS.match(text):
        value *= PRONOUN_WEIGHT if PRONOUN.match(text) else DANGLING_WEIGHT
    return value


def _is_rubbish(sentence: Sentence) -> bool:
    text = sentence.text
    letters = sum(map(str.isalpha, text)) + text.count(" ")
    opens = text[0].isalnum() or text[0] in "`\"'\u201c"
    if letters < 0.7 * len(text) or text.endswith((":", "?", ",", ";")) or not opens:
        return True
    if COMMAND.search(text) or CHANGE.search(text) or _is_mostly_links(sentence):
        return True
    # Brackets and quotes left open belong to text that was cut in two.
    return text.count("(") != text.count(")") or text.count("`") % 2 == 1 or text.count('"') % 2 == 1


def _is_mostly_links(sentence: Sentence) -> bool:
    """An entry of a table of contents, a list of links, an address with a label."""
    linked = sum(len(match[1]) for match in LINK.finditer(sentence.quote))
    address = sum(len(match[0]) for match in ADDRESS.finditer(sentence.text))
    code = sum(len(match[0]) for match in CODE_SPAN.finditer(sentence.text))
    return max(linked, address, code) > 0.6 * len(sentence.text) or not tokens(sentence.text)
