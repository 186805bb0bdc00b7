"""Any text, in any amount, is analysed in bounded time, and an analysis is the same in every process."""

import os
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from actors.tools.analysing.analysis import analyse
from actors.tools.reporting.citations import Claim, verify
from actors.tools.splitting.passages import Passage, split
from app.model.plan import Intent
from app.model.task import Document

PIECES = (
    "The broker retries failed messages. ", "It does not. ", "- item\n", "1. Do it:\n\n", "    code\n\n", "```\n",
    "| a | b |\n",
    "|---|---|\n", "# Heading\n\n", "not ", "never ", "without ", "if ", "10 seconds ", "2024-03-01 ", "1,000 ",
    "`", "**", "[", "](",
    "<", ":", "::\n\n", "\n\n", "\u017f", "\u212a", "\x00", "\u202e", "caf\u00e9 ", "3.9 ", "e.g. ", "...", "\u3002",
)  # fmt: skip
HOSTILE = {
    "digits": "1,000" * 20_000,
    "words without end": "not " * 40_000,
    "blanks": "the limit is " + " " * 50_000 + "10 seconds.",
    "brackets": "[(" * 30_000,
    "ticks": "`" * 60_000,
    "stars": "*a" * 30_000,
    "pipes": "| " * 40_000,
    "table": "| a | b |\n|---|---|\n" + "| x | 10 |\n" * 2_000,
    "rules": "|" + "-|" * 30_000,
    "lists": "".join(f"{' ' * (n % 40)}- a thing:\n" for n in range(800)),
    "one sentence": "The limit of the queue " + "and the limit of the queue " * 4_000 + "is 10 seconds.",
    "many clauses": "The limit is 10, but the limit is 20; " * 3_000,
    "colons": "a: " * 30_000,
    "conditions": "if when unless while " * 8_000,
    "commas": "after " + "a, " * 30_000,
}


def _passages(*texts: str) -> list[Passage]:
    return [p for at, text in enumerate(texts) for p in split(Document(name=f"d{at}.md", text=text))]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.sampled_from(PIECES), max_size=40), st.lists(st.sampled_from(PIECES), max_size=40),
    st.lists(st.sampled_from(PIECES), max_size=6), st.sampled_from(Intent),
)  # fmt: skip
def test_any_text_is_analysed_and_every_quotation_stands_in_its_passage(
    first: list[str], second: list[str], question: list[str], intent: Intent
) -> None:
    """Whatever the documents and the question consist of."""
    passages = _passages("".join(first), "".join(second))

    found = analyse("".join(question) or "?", [], passages, intent=intent)

    claims = [Claim.of(said) for said in found.quotations]
    assert verify(claims, found.passages).rejected == ()
    assert found.cited == set(found.passages)
    codes = [code for procedure in found.procedures for step in procedure.instructions for code in step.code]
    assert all(code.quote in found.passages[code.pid].text for code in codes)


@pytest.mark.parametrize("name", HOSTILE)
def test_no_text_keeps_an_analysis_from_ending(name: str) -> None:
    """Made to make patterns go back and forth: one that did would not end within hours."""
    whole = Passage(pid="p1", title="t", uri="a.md", text=HOSTILE[name])

    analyse("What is the limit of the queue?", [], [whole, *_passages(HOSTILE[name], "The limit is 30 seconds.")])
    analyse("The limit is 10 seconds", [], [whole], intent=Intent.CHECK)
    analyse("How do I set the limit?", [], [whole], intent=Intent.HOWTO)


@pytest.mark.full
def test_every_process_comes_to_the_same_analysis_for_every_intent() -> None:
    """The order of sets must not show in labels, agreements, differences, verdicts and instructions."""
    program = (
        "from tests.unit.agents.test_analysis_limits import _passages, Intent, analyse; "
        "from tests.unit.agents.pairs import COMPATIBLE, CONTRADICTING; "
        "pairs = CONTRADICTING + COMPATIBLE; "
        "ps = _passages(*('# Part\\n\\n' + '\\n\\n'.join(pair[side] for pair in pairs) for side in (1, 2))); "
        "asked = 'Is the limit of messages 10 seconds by default?'; "
        "print(*(analyse(asked, [], ps, intent=i).model_dump_json() for i in Intent))"
    )
    command = [sys.executable, "-c", program]
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONHASHSEED": seed})
        for seed in ("1", "2")
    ]

    answers = [process.communicate(timeout=120)[0] for process in running]

    assert answers[0] == answers[1]
    assert len(answers[0]) > 1_000
