"""
Which kind of answer a text wants, where its wording says so: a check of statements, instructions, a summary.

| written as                                                       | intent  | taken from it          |
|------------------------------------------------------------------|---------|------------------------|
| is it true that X / check whether X / X. Is that right? / fact-check: "X", "Y" | check | the statements |
| did X really happen?                                             | check   | the question           |
| how do I X / steps to X / a guide for X / what do I have to do to X | howto | X                      |
| summarise X / the key points of X / what is in these files?      | summary | X, if it is not just "these files" |
"""

import re
from itertools import islice

from app.planning import words
from app.planning.sentences import INSTRUCTION, SENTENCE_END, TAIL, polite_part

CLAIMS_MAX = 40
CLAIM_WORDS_MIN = 2

_TRUE = r"(?:true|correct|right|accurate|so|a fact|a myth)"
_VERIFY = r"(?:fact-? ?check|check|verify|validate|confirm|prove|disprove|debunk|examine|assess)"
_WHETHER = rf"(?:{_VERIFY}|find out|determine|establish|tell me|tell us|know)"
_CLAIMS = r"(?:claims?|statements?|assertions?|facts?|allegations?)"
#: What stands before a statement that is to be checked.
OPENING = re.compile(
    rf"(?:is it (?:really |actually )?{_TRUE}(?: that)?|true or false|"
    rf"{_VERIFY}(?=:)|fact-? ?check(?:ing)?(?: that| whether| if| these| this)?|"
    rf"{_WHETHER} (?:for me )?(?:whether|if|that)(?: it is {_TRUE} that)?|"
    rf"(?:{_VERIFY}|are|is) (?:for me )?(?:(?:whether|if|the|these|this|those|all|following|my|our|truth of) ){{1,4}}"
    rf"(?:[^ ]{{1,20}} )?{_CLAIMS}(?: (?:is|are))?(?: {_TRUE})?(?: that| below)?)(?:[:,?] ?| |$)",
    re.IGNORECASE,
)
#: What stands behind one.
CLOSING = re.compile(
    rf"(?:^|[,;.?!-] )(?:and )?(?:(?:is|are) (?:that|this|it|these|they) (?:really |actually |all )?{_TRUE}|"
    rf"true or false|true|correct|right|fact or (?:fiction|myth))\?$",
    re.IGNORECASE,
)
DOUBTING = re.compile(
    r"(?:is|are|was|were|do|does|did|has|have|had|can|will) [^?]{1,200}? (?:really|actually|truly) [^?]{1,400}\?$",
    re.IGNORECASE,
)
HEARSAY = re.compile(
    r"(?:some(?:one|body) (?:told me|told us|says?|said|claims?|claimed)|(?:i|we) (?:heard|read|was told|were told|"
    r"think|believe)|"
    r"(?:they|people) say|it is (?:said|claimed)|my [^ ]{1,30} (?:says?|said|claims?|told me))(?: that)? ",
    re.IGNORECASE,
)
QUOTED = re.compile(r"[\"“”„«»]([^\"“”„«»]{3,500})[\"“”„«»]")
AND_THAT = re.compile(r",? and that |; ", re.IGNORECASE)

DOCUMENTS = (
    r"(?:documents?|docs?|files?|texts?|papers?|notes|articles?|sources?|pages?|collection|folder|attachments?|"
    r"material)"
)
_POINTING = (
    r"(?:these|those|this|that|my|our|all|both|each|attached|following|given|uploaded|the|two|three|four|\d{1,3})"
)
THESE_DOCUMENTS = re.compile(
    rf"\b(?:(?:{_POINTING} ){{1,4}}{DOCUMENTS}|(?:the )?attached {DOCUMENTS})\b(?: (?:say|tell us|contain))?",
    re.IGNORECASE,
)
SUMMARY = re.compile(
    rf"\b(?:summari[sz]e|sum (?:it|them|this|these|[^ ]{{1,20}} [^ ]{{1,20}}|all)? ?up|recap|condense|"
    rf"boil (?:[^ ]{{1,20}} )?down)\b|"
    rf"\b(?:short |brief |quick |concise |executive )?summary(?: (?:of|from|on|in|for|please)|[^ ]?$)|"
    rf"\b(?:tl;? ?dr|gist|digest|abstract|synopsis|(?:key|main) (?:points|takeaways|messages|ideas|findings|"
    rf"facts)|"
    rf"takeaways)(?: (?:of|from|on|in|for)|$)|"
    rf"\bwhat(?:'s| is| are)? (?:(?:in|do|does) )?(?:{_POINTING} ){{1,4}}{DOCUMENTS}"
    rf"(?: (?:say|contain|cover|about))?\??$",
    re.IGNORECASE,
)
#: Words of a request for a summary that are not what it is about.
_OF_SUMMARY = re.compile(
    rf"{SUMMARY.pattern}|^(?:please )?(?:read|go through|look at|skim)\b|\b(?:give|write|tell|send)(?: me| us)?\b|"
    r"\bin (?:about |at most |max(?:imum)? |under |no more than )?(?:\d{1,4}|a|an|one|two|three|four|five|six|seven|"
    r"eight|nine|ten|a few|a couple of|some)(?: (?:short|brief|concise|simple|single))? "
    r"(?:bullet points?|bullets|points|sentences?|words|paragraphs?|lines?|pages?)\b",
    re.IGNORECASE,
)
_JOINTS = re.compile(r"^[ ,:]*(?:(?:and|of|from|in|what|say|about|on)\b ?)*", re.IGNORECASE)
_ONLY_DOCUMENTS = re.compile(rf"(?:the |all |these )*{DOCUMENTS}(?: (?:say|tell us))?", re.IGNORECASE)
SUFFIXES = frozenset(
    {"md", "markdown", "txt", "rst", "pdf", "htm", "html", "csv", "json", "doc", "docx", "py", "tex", "org"}
)


def claims(contents: list[str], items: list[str]) -> list[str]:
    """The statements that the text wants checked; empty when it wants something else."""
    text = " ".join(contents)
    if items:
        wanted = any(OPENING.match(polite_part(content)) or CLOSING.search(content) for content in contents)
        return [_bare(item) for item in items] if wanted else []
    for place, content in enumerate(contents):
        if closing := CLOSING.search(content):
            before = content[: closing.start()] or " ".join(contents[max(0, place - 1) : place])
            return _statements([before]) if before else []
        if opening := OPENING.match(polite_part(content)):
            return _statements([polite_part(content)[opening.end() :], *contents[place + 1 :]])
    return [text] if len(contents) == 1 and DOUBTING.match(text) else []


def enumerated(text: str) -> tuple[str, list[str], str]:
    """(what asks, the statements, what else is wanted) of "check: A; B; C"; no statements unless there are two."""
    asking = polite_part(text)
    opening = OPENING.match(asking)
    if not opening or not opening[0].rstrip().endswith(":") or ";" not in asking:
        return text, [], ""
    pieces = SENTENCE_END.split(asking[opening.end() :])
    wishes = [piece for piece in pieces if INSTRUCTION.match(polite_part(piece))]
    claims = [piece.rstrip(" ;.") for piece in pieces if piece not in wishes]
    if claims and (tail := TAIL.search(claims[-1])):
        wishes.insert(0, claims[-1][tail.start() :].lstrip(" ,"))
        claims[-1] = claims[-1][: tail.start()]
    return (opening[0], claims[:CLAIMS_MAX], " ".join(wishes)) if len(claims) > 1 else (text, [], "")


def _statements(texts: list[str]) -> list[str]:
    quoted = [quote for text in texts for quote in QUOTED.findall(text) if len(quote.split()) >= CLAIM_WORDS_MIN]
    if quoted:
        return [_bare(quote) for quote in quoted[:CLAIMS_MAX]]
    sentences = (sentence for text in texts for sentence in SENTENCE_END.split(text))
    pieces = (piece for sentence in sentences for piece in AND_THAT.split(sentence))
    found = (_bare(piece) for piece in pieces if not INSTRUCTION.match(polite_part(piece)))
    return [claim for claim in islice(found, CLAIMS_MAX) if len(claim.split()) >= CLAIM_WORDS_MIN]


def _bare(text: str) -> str:
    text = text.strip(' "“”„«»;,')
    hearsay = HEARSAY.match(text)
    text = text[hearsay.end() :] if hearsay else text
    return text.removesuffix(" and").strip(' "“”„«»;,').rstrip(".?!")


def summary_topic(content: str) -> str:
    """What a summary is to be about; empty when it is just of the documents there are."""
    text = THESE_DOCUMENTS.sub(" ", _OF_SUMMARY.sub(" ", words.topic(content)))
    text = _JOINTS.sub("", text).strip(" ,;:.?!")
    return text if words.query(text) and not _ONLY_DOCUMENTS.fullmatch(text) else ""


def named_sources(content: str) -> list[str]:
    """The addresses and files that a text names."""
    found = (word.strip(" .,;:?!\"'()<>“”„«»") for word in content.split(" "))
    return list(dict.fromkeys(word for word in found if _is_source(word)))


def _is_source(word: str) -> bool:
    name, dot, suffix = word.rpartition(".")
    return word.lower().startswith(("http://", "https://")) or bool(name and dot and suffix.lower() in SUFFIXES)
