"""
What a language model is told when it is to write.

Everything from outside is data between marks. Passages have short ids, which are all that the model may cite: it never
sees an address, so it cannot make one up that looks right.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from actors.tools.analysing.findings import Analysis
from actors.tools.splitting.passages import Passage
from app.llm.fence import DATA_RULE, fenced
from app.model.llm import Message

PASSAGES_MAX = 24
PASSAGE_CHARS_MAX = 2_000
PASSAGES_CHARS_MAX = 20_000
SHORT_CHARS_MAX = 5_000  # for a model with little room
SECTIONS_MAX = 12

RULES = """\
You write the summary and the findings of a report. You know only what the passages say.
{data_rule}
Rules:
- Every sentence ends with the ids of the passages it rests on, like this [[p2]], or this [[p1]] [[p4]]. A sentence
  without an id is thrown away, and so is one that its passages do not say.
- Names, numbers and dates are those of the passages. Where passages disagree, say what each says.
- Plain sentences only: no lists, tables, links, HTML or headings of your own.
- First, without a heading, two to four sentences that answer the question.
- Then for each section that is listed a line with its id, like `## s1`, and two to five sentences about it. Say nothing
  twice. Leave out a section of which the passages say nothing.
Example of the form:
The cache holds 200 entries [[p3]]. It is emptied every night [[p1]] [[p3]].

## s1
The oldest entry goes first [[p3]]."""


@dataclass(frozen=True, slots=True)
class Brief:
    """The words for the model, and what its short ids stand for."""

    messages: list[Message]
    passages: dict[str, Passage]
    sections: dict[str, str]


def brief(
    analysis: Analysis, request: str, labels: Sequence[str], other: str, chars_max: int = PASSAGES_CHARS_MAX
) -> Brief:
    """
    The brief for a report on `analysis` with a section per label; the same input gives the same words.

    `chars_max` bounds the passages, for a model that cannot read as much.
    """
    passages = {f"p{at}": passage for at, passage in enumerate(_chosen(analysis, chars_max), start=1)}
    sections = {f"s{at}": label for at, label in enumerate(labels[:SECTIONS_MAX], start=1)}
    listed = "\n".join(f"{key}: {label or other}" for key, label in sections.items())
    parts = [
        "The question:",
        fenced(request, "question"),
        "The sections:",
        fenced(listed, "sections"),
        "The passages:",
        *(fenced(_shown(passage), f"passage {key}") for key, passage in passages.items()),
        f"Write the report. Cite only {_ids(passages)}.",
    ]
    system = Message(role="system", content=RULES.format(data_rule=DATA_RULE))
    return Brief([system, Message(role="user", content="\n".join(parts))], passages, sections)


def _chosen(analysis: Analysis, chars_max: int) -> list[Passage]:
    """Those that the analysis picked first, the best of all first, then others while there is room."""
    picked = [finding.pid for finding in sorted(analysis.findings, key=lambda finding: -finding.score)]
    sides = [side.pid for pair in analysis.differences for side in (pair.a, pair.b)]
    order = dict.fromkeys([*picked, *sides, *analysis.passages])
    chosen: list[Passage] = []
    chars = 0
    for pid in order:
        chars += min(PASSAGE_CHARS_MAX, len(analysis.passages[pid].text))
        if chars > chars_max or len(chosen) == PASSAGES_MAX:
            break
        chosen.append(analysis.passages[pid])
    return chosen


def _shown(passage: Passage) -> str:
    # An id of ours inside a passage is one that the passage made up.
    title = f"{passage.title}: {passage.heading}" if passage.heading else passage.title
    return f"({title})\n{passage.text[:PASSAGE_CHARS_MAX]}".replace("[[", "[ [")


def _ids(passages: dict[str, Passage]) -> str:
    keys: Iterator[str] = iter(passages)
    return " ".join(f"[[{key}]]" for key in keys) or "nothing"
