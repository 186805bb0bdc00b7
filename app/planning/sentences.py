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
CONNECTOR = re.compile(r"(?:,? ?and(?: then)?\b|,? ?then\b|,)(?: also\b| finally\b)? ?", re.IGNORECASE)


def listed(lines: list[str]) -> tuple[str, list[str], str]:
    """(what stands before the list, its items, what stands after); no items unless there are two."""
    found = [(index, match[1]) for index, line in enumerate(lines) if (match := ITEM.fullmatch(line))]
    if len(found) > 1:
        first = found[0][0]
        rest = [line for line in lines[first:] if not ITEM.fullmatch(line)]
        return " ".join(lines[:first]), [item for _, item in found], " ".join(rest)
    text = " ".join(lines)
    marks = list(INLINE_ITEM.finditer(text))
    if len(marks) < 2 or [int(mark[1]) for mark in marks] != list(range(1, len(marks) + 1)):
        return text, [], ""
    ends = [mark.start() for mark in marks[1:]] + [len(text)]
    items = [text[mark.end() : end].strip(" ,;") for mark, end in zip(marks, ends, strict=True)]
    return text[: marks[0].start()], [item.removesuffix(" and").strip(" ,;") for item in items if item], ""


def sorted_sentences(texts: list[str]) -> tuple[list[str], list[str]]:
    """(what the text is about, what it wants done with that besides a document)."""
    contents: list[str] = []
    wishes: list[str] = []
    sentences = [sentence for text in texts for sentence in SENTENCE_END.split(text)]
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


def polite_part(sentence: str) -> str:
    """What is left of a request without "please" and the like."""
    for _ in range(2):
        match = words.POLITE.match(sentence)
        sentence = sentence[match.end() :] if match else sentence
    return sentence.strip().removesuffix(";").strip()


def _without_tail(sentence: str) -> tuple[str, str]:
    """Cuts where an imperative begins, unless nothing to talk about is left before it."""
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
