"""
Cuts a task's text into what it is about and what is to be done with that in the end.

    "Compare A and B, analyse the risks and write a summary. Focus on cost."
     about: "Compare A and B"    wishes: "Analyse the risks", "Focus on cost"

The wish for a document itself is dropped: every plan ends with a writer. Items of a list, by lines or
inline, are kept apart.
"""

import re
from collections.abc import Iterator

from app.planning import words

ITEM = re.compile(r"(?:\(?\d{1,3}[.):]|\(?[a-z]\)|[-*•+]) (.+)")
INLINE_ITEM = re.compile(r"(?:^| )\(?(\d{1,2})[.)] ")
INLINE_LETTER = re.compile(r"(?:^| )\(([a-z])\) ", re.IGNORECASE)
LETTERS = "abcdefghijklmnopqrstuvwxyz"
SENTENCE_END = re.compile(r"(?<=[.!?;])(?<!\.[a-z]\.)(?<!etc\.) (?=[^ ])|(?<=[:;]) (?=\d)", re.IGNORECASE)
OUTPUT_VERB = r"(?:write|produce|summari[sz]e|draft|prepare|create|generate|compile|report|present|give|provide|return)"
ANALYSIS_VERB = (
    r"(?:analy[sz]e|recommend|evaluate|assess|highlight|conclude|identify|suggest|propose|discuss|weigh|focus on|"
    r"consider|include|keep|cite|use|make sure|pay attention to|limit|avoid|list|rank|name|state|note|show|tell|say|"
    r"draw|end with|explain (?:which|why))"
)
CLEAR_VERB = (
    r"(?:write|produce|summari[sz]e|draft|prepare|generate|compile|analy[sz]e|recommend|evaluate|assess|highlight|"
    r"conclude|identify|suggest|propose)"
)
DETERMINER = r"(?:the|an?|which|what|how|why|any|all|it|them|its|their|your|my|our|key|main|top|one)"
TAIL = re.compile(
    rf"(?:,? and(?: then)?|,? then|,)(?: also| finally)? (?:{CLEAR_VERB}\b|"
    rf"(?:{OUTPUT_VERB}|{ANALYSIS_VERB})(?: me| us)? {DETERMINER}\b)",
    re.IGNORECASE,
)
INSTRUCTION = re.compile(rf"(?:{OUTPUT_VERB}|{ANALYSIS_VERB})\b", re.IGNORECASE)
OUTPUT = re.compile(rf"{OUTPUT_VERB}\b", re.IGNORECASE)
#: "summarise the failure modes" is a part of its own, "summarise the findings" is not.
OWN_SUMMARY = re.compile(
    r"summari[sz]e (?!(?:(?:the|your|all|these|those) )?(?:findings|results?|answers?|differences|above|conclusions?|"
    r"it|them|everything|that|this|all|both)\b)(?=[^ ])",
    re.IGNORECASE,
)
#: Speaks of what the sentence before it named.
WHICH_ONE = re.compile(
    r"(?:and |so )?which (?:one|of (?:them|these|those|both|the (?:two|three|four)))\b", re.IGNORECASE
)
MEMBER_WORDS_MAX = 4
ITEMS_MAX = 40
SENTENCE_CHARS_MAX = 1_000  # a longer sentence is read up to here
#: Of a text of more sentences these are read: what is asked stands at its beginning or at its end.
FIRST_SENTENCES, LAST_SENTENCES = 24, 16
FILLER = re.compile(r",? (?:any )?(?:thoughts|opinions|ideas|advice|please|thanks|thank you|thx)[?.!]?$", re.IGNORECASE)
CONNECTOR = re.compile(r"(?:,? ?and(?: then)?\b|,? ?then\b|,)(?: also\b| finally\b)? ?", re.IGNORECASE)


def listed(lines: list[str]) -> tuple[str, list[str], str]:
    """(what stands before the list, its items, what stands after); no items unless there are two."""
    found = [(index, match[1]) for index, line in enumerate(lines) if (match := ITEM.fullmatch(line))]
    if len(found) > 1:
        first = found[0][0]
        rest = [line for line in lines[first:] if not ITEM.fullmatch(line)]
        return " ".join(lines[:first]), [item[:SENTENCE_CHARS_MAX] for _, item in found[:ITEMS_MAX]], " ".join(rest)
    text = " ".join(lines)
    marks = _inline_marks(text)[: ITEMS_MAX + 1]
    if not marks:
        return text, [], ""
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    items = [text[mark.end() : end][:SENTENCE_CHARS_MAX].strip(" ,;") for mark, end in zip(marks, ends, strict=True)]
    return text[: marks[0].start()], [item.removesuffix(" and").strip(" ,;") for item in items if item], ""


def _inline_marks(text: str) -> list[re.Match[str]]:
    """Where "1) … 2) …" or "(a) … (b) …" begin their items; none unless they count up from the first."""
    for pattern in (INLINE_ITEM, INLINE_LETTER):
        marks = list(pattern.finditer(text))
        found = [LETTERS.find(mark[1].lower()) + 1 if mark[1].isalpha() else int(mark[1]) for mark in marks]
        if len(marks) > 1 and found == list(range(1, len(marks) + 1)):
            return marks
    return []


def sorted_sentences(texts: list[str]) -> tuple[list[str], list[str]]:
    """(what the text is about, what it wants done with that besides a document)."""
    contents: list[str] = []
    wishes: list[str] = []
    sentences = [sentence for text in texts for sentence in _joined(_ends(SENTENCE_END.split(text)))]
    for before, raw in zip(["", *sentences], sentences, strict=False):
        sentence = polite_part(raw)
        own = before.endswith(";") and OWN_SUMMARY.match(sentence)
        if contents and INSTRUCTION.match(sentence) and not own:
            wishes += _wishes(sentence)
            continue
        content, tail = _without_tail(sentence)
        contents += [content] if content else []
        wishes += _wishes(tail)
    return contents, wishes


def _ends(sentences: list[str]) -> list[str]:
    if len(sentences) > FIRST_SENTENCES + LAST_SENTENCES:
        sentences = sentences[:FIRST_SENTENCES] + sentences[-LAST_SENTENCES:]
    return [sentence[:SENTENCE_CHARS_MAX] for sentence in sentences]


def _joined(sentences: list[str]) -> Iterator[str]:
    """ "A; B; C" is a list, not three sentences, and "which one …" asks about the sentence before it."""
    before = ""
    for sentence in sentences:
        if before and WHICH_ONE.match(sentence):
            before = f"{before.rstrip(' .;?!')}; {sentence}"
        elif before.endswith(";") and _is_member(sentence):
            before = f"{before.removesuffix(';')}, {sentence}"
        else:
            if before:
                yield before
            before = sentence
    yield before


def _is_member(text: str) -> bool:
    known = INSTRUCTION.match(text) or words.QUESTION.match(text) or words.LEAD.match(text) or CONNECTOR.match(text)
    return not known and len(text.split()) <= MEMBER_WORDS_MAX


def polite_part(sentence: str) -> str:
    """What is left of a request without "please" and the like."""
    for _ in range(2):
        match = words.POLITE.match(sentence)
        sentence = sentence[match.end() :] if match else sentence
    return FILLER.sub("", sentence).strip().removesuffix(";").strip()


def _without_tail(sentence: str) -> tuple[str, str]:
    """Cuts where an imperative begins, unless nothing to talk about is left before it or it is what to do how."""
    if words.HOWTO.match(sentence):
        return sentence, ""
    for match in TAIL.finditer(sentence):
        if words.topic(sentence[: match.start()]):
            return sentence[: match.start()], sentence[match.start() :]
    return sentence, ""


def _wishes(tail: str) -> Iterator[str]:
    cuts = [*(match.start() for match in TAIL.finditer(tail)), len(tail)]
    for start, end in zip([0, *cuts], cuts, strict=False):
        wish = CONNECTOR.sub("", tail[start:end], count=1) if CONNECTOR.match(tail[start:end]) else tail[start:end]
        wish = wish.strip(" ,;")
        if wish and not OUTPUT.match(wish):
            yield wish[0].upper() + wish[1:]
