"""
How something is done, as a document tells it: its instructions in order, each with the code that belongs to it.

A procedure is a section of one document. What it says before a piece of code belongs to that code, a numbered item or
a sentence that tells someone to do something is an instruction of its own. Every piece is an exact slice.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field

from actors.tools.analysing.findings import Code, Instruction, Procedure
from actors.tools.analysing.quality import BOILERPLATE, POINTER
from actors.tools.analysing.question import Question
from actors.tools.splitting.blocks import Block, scan
from actors.tools.splitting.passages import Passage
from actors.tools.text.sentences import Sentence, of_block
from actors.tools.text.words import stem, stem_set, word_set

PROCEDURES_MAX = 3
INSTRUCTIONS_MAX = 12
CODE_MAX = 4  # pieces of one instruction
CODE_CHARS_MAX = 4_000
WORTH_MIN = 0.5  # of the best section's

FENCE = re.compile(r"\s*(`{3,}|~{3,})\s*([\w+#.-]*)")
EXAMPLE = re.compile(r"(?:(?:for|an|another|in) )?(?:examples?|instance|usage|e\.g)\W*", re.IGNORECASE)
NUMBERED = re.compile(r"\s*\d{1,3}[.)]\s")
YOU = re.compile(
    r"^(?:(?:first|then|next|now|finally|afterwards|after that|lastly|to [^,]{3,80}),? )?(?:you (?:can|need to|have to|"
    r"must|should|may|could)|make sure|be sure|let'?s|simply|just)\b|^to [^,]{3,80}, [a-z]+ ",
    re.IGNORECASE,
)
DO = frozenset(map(stem, word_set(
    """add activate adjust apply assign attach build call change check choose clone close commit compile
    configure connect copy create declare decide define delete deploy disable download edit enable ensure enter
    execute export extract fill find follow generate get go import include initialize insert install invoke keep
    launch list load log make mark merge mount move name open override pass paste pick place pull push put read
    rebuild register reload remove rename replace restart restore run save select send set sign specify start
    stop store subclass submit switch test try turn type uninstall unpack update upgrade upload use verify visit
    wait wrap write"""
)))  # fmt: skip


@dataclass(slots=True)
class _Section:
    """The passages of one document under one heading, in order."""

    passages: list[Passage] = field(default_factory=list)
    worth: float = 0.0


def find_procedures(question: Question, passages: list[Passage]) -> list[Procedure]:
    """The sections that tell how to do what is asked, best first; those without an instruction are left out."""
    sections: dict[tuple[str, str], _Section] = defaultdict(_Section)
    for passage in passages:
        section = sections[passage.uri, passage.heading]
        section.passages.append(passage)
        section.worth = max(section.worth, _worth(question, passage))
    ranked = sorted(sections.items(), key=lambda entry: (-entry[1].worth, entry[0]))
    best = ranked[0][1].worth if ranked else 0.0
    found: list[Procedure] = []
    for (_, heading), section in ranked:
        if len(found) == PROCEDURES_MAX or not section.worth or section.worth < WORTH_MIN * best:
            break
        instructions = _instructions(sorted(section.passages, key=lambda passage: passage.span))
        if _tells_how(instructions):
            about = heading.rpartition(" > ")[2] or section.passages[0].title
            found.append(Procedure(about=about, instructions=instructions[:INSTRUCTIONS_MAX]))
    return found


def _worth(question: Question, passage: Passage) -> float:
    """How much of what is asked the section speaks of; what stands in its heading counts more."""
    if BOILERPLATE.search(passage.heading):
        return 0.0
    heading = stem_set(passage.heading)
    said, _ = question.hits(stem_set(passage.text) | heading, heading)
    named, _ = question.hits(heading, heading)
    return said + named


def _tells_how(instructions: list[Instruction]) -> bool:
    return len(instructions) > 1 or any(instruction.code for instruction in instructions)


def _instructions(passages: list[Passage]) -> list[Instruction]:
    found: list[Instruction] = []
    led: Instruction | None = None  # what stands right before: code that follows belongs to it
    for passage, block in _blocks(passages):
        if block.kind == "code":
            if led and _attach(led, _code(passage, block)) and led not in found:
                found.append(led)
            continue
        if block.kind not in ("prose", "item"):
            led = None
            continue
        said = [one for one in of_block(passage.text, block) if not EXAMPLE.fullmatch(one.text)]
        told = [_instruction(passage, one) for one in said if _is_instruction(passage.text, block, one)]
        found += told
        # The last sentence need not be an instruction by itself to lead into code.
        if said:
            last = _instruction(passage, said[-1])
            led = next((one for one in told if one.quote == last.quote), last)
    return found


def _attach(instruction: Instruction, code: Code | None) -> bool:
    if code and len(instruction.code) < CODE_MAX:
        instruction.code.append(code)
        return True
    return False


def _blocks(passages: list[Passage]) -> Iterator[tuple[Passage, Block]]:
    for passage in passages:
        whole = [Block("code", 0, len(passage.text), 1)]
        blocks = whole if passage.kind == "code" else scan(passage.text, part=True)
        yield from ((passage, block) for block in blocks if block.kind != "other")


def _instruction(passage: Passage, sentence: Sentence) -> Instruction:
    return Instruction(text=sentence.text, quote=sentence.quote, pid=passage.pid)


def _is_instruction(text: str, block: Block, sentence: Sentence) -> bool:
    if POINTER.search(sentence.text) or len(sentence.text.split()) < 2:
        return False
    numbered = block.kind == "item" and sentence.opens_block and NUMBERED.match(text, block.start)
    first = sentence.text.split()[0].strip("`*_\"'(,:").lower()
    return bool(numbered or YOU.match(sentence.text) or (stem(first) in DO and first == _bare(first)))


def _bare(word: str) -> str:
    """The word, unless its ending says that it is no imperative."""
    return "" if word.endswith(("ing", "ed", "es")) and word not in ("embed", "seed", "feed", "shed") else word


def _code(passage: Passage, block: Block) -> Code | None:
    quote = passage.text[block.start : block.end].rstrip()
    if not quote.strip() or len(quote) > CODE_CHARS_MAX:
        return None
    lines = quote.split("\n")
    fence = FENCE.match(lines[0])
    if fence:
        closed = len(lines) > 1 and lines[-1].strip().startswith(fence[1])
        lines = lines[1 : -1 if closed else None]
    shift = min((len(line) - len(line.lstrip()) for line in lines if line.strip()), default=0)
    text = "\n".join(line[shift:].rstrip() for line in lines).strip("\n")
    return Code(text=text, quote=quote, pid=passage.pid, language=fence[2] if fence else "") if text.strip() else None
