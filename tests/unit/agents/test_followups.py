"""What was not found is searched for once more, in other words, and only where that may find more."""

from typing import Any

import pytest

from actors.tools.analysing.findings import Analysis, Gap
from actors.tools.analysing.followups import follow_up
from actors.tools.splitting.passages import Passage
from app.model.agents import StepOutput
from app.model.task import Document
from tests.unit.agents.conftest import Bench

DELAYS = Document(name="alpha.md", text="# alpha\n\nAlpha is a broker. A message that failed waits for five minutes.")


def _passages(*texts: str) -> list[Passage]:
    return [Passage(pid=f"p{at}", title="t", uri="a.md", text=text) for at, text in enumerate(texts)]


def _added(gaps: list[Gap], searched: list[str], passages: list[Passage], limit: int = 3) -> list[dict[str, Any]]:
    return follow_up(Analysis(question="?", gaps=gaps), searched, passages, limit)


def test_a_gap_is_searched_for_by_itself_and_in_other_words() -> None:
    """And may fail: what was found before is kept."""
    (search,) = _added([Gap(subject="alpha", term="delay")], ["alpha retries delay"], _passages("x"))

    assert search["agent"] == "retriever"
    assert search["payload"]["text"] == "alpha delay"
    assert "alpha pause" in search["payload"]["queries"]
    assert search["on_failure"] == "continue"
    assert "delay of alpha" in search["reason"]


@pytest.mark.parametrize(
    ("gap", "searched", "texts"),
    [
        (Gap(term="zymurgy"), ["zymurgy"], ["nothing of it"] * 9),
        (Gap(term="zymurgy"), ["beer and zymurgy"], []),
        (Gap(subject="alpha", term="colour"), ["colour of alpha"], ["alpha"] * 9),
        (Gap(), [], []),
    ],
)
def test_a_word_that_stands_nowhere_is_not_searched_for_again(gap: Gap, searched: list[str], texts: list[str]) -> None:
    """A search gives each word its best passage: where none has it, another search would find the same."""
    assert _added([gap], searched, _passages(*texts)) == []


def test_a_subject_and_an_aspect_that_were_never_searched_for_together_are() -> None:
    """What one branch asked about one subject, nobody asked about the other."""
    steps = _added([Gap(subject="beta", term="colour")], ["colour of alpha", "beta"], _passages("x"))

    assert [step["payload"]["text"] for step in steps] == ["beta colour"]


def test_at_most_three_searches_are_added() -> None:
    """However much is missing; fewer where the step says so."""
    gaps = [Gap(subject="alpha", term=f"aspect{n}") for n in range(9)]

    assert [step["agent"] for step in _added(gaps, [], _passages("x"))] == ["retriever"] * 3
    assert len(_added(gaps, [], _passages("x"), limit=1)) == 1
    assert _added(gaps, [], _passages("x"), limit=0) == []


async def _analysed(bench: Bench, payload: dict[str, Any], inputs: dict[int, StepOutput]) -> StepOutput:
    return await bench.step("analyzer", payload, bench.context("analyzer", inputs=inputs))


@pytest.mark.anyio
async def test_only_one_round_is_made(bench: Bench) -> None:
    """What works on an analysis that has been followed up adds nothing; nor does a step that is told not to."""
    found = StepOutput(data={"query": "alpha delay", "documents": 1, "passages": []})
    asked = {"text": "What is the delay of alpha?"}
    first = await _analysed(bench, asked, {1: found})
    assert [step["agent"] for step in first.steps] == ["retriever"]

    merged = await _analysed(bench, asked, {1: first, 2: found})
    told = await _analysed(bench, {**asked, "follow_ups": 0}, {1: found})

    assert (merged.steps, told.steps) == ([], [])
    assert merged.data["followed_up"]  # type: ignore[index, call-overload]


@pytest.mark.anyio
async def test_the_writer_gets_what_the_follow_up_found(bench: Bench) -> None:
    """The first search missed the word that the document uses; the second one asks for it too."""
    task = "What is the latency of alpha?"
    missed = {"query": "alpha latency", "documents": 1, "passages": []}
    first = await _analysed(bench, {"text": task}, {1: StepOutput(data=missed)})
    (search,) = first.steps

    found = await bench.step("retriever", search["payload"], bench.context(documents=[DELAYS]))  # type: ignore[arg-type]
    report = await bench.step("writer", task, bench.context("writer", task=task, inputs={1: first, 2: found}))

    assert "waits for five minutes" in str(report.text)
