"""Hostile documents through retriever, analyzer and writer: no effect beyond their own quotations."""

from typing import Any

import pytest

from app.model.agents import StepOutput
from app.model.output import OutputFormat
from app.model.task import Document
from tests.hostile.corpus import DOCUMENTS, HONEST, NAMES, QUESTION, everything
from tests.hostile.obeying import Obeying
from tests.hostile.reading import check_characters, check_html, check_json, check_markdown
from tests.unit.agents.conftest import Bench, Step, bench

__all__ = ["bench"]

pytestmark = pytest.mark.anyio

CHAIN: list[Step] = [("retriever", QUESTION, []), ("analyzer", QUESTION, [1]), ("writer", QUESTION, [2])]
COMPARED = ["orders", "active", "controls"]
COMPARISON: list[Step] = [
    *(("retriever", f"{name} retries delay", []) for name in COMPARED),
    *(("analyzer", f"What does {name} say of retries and delay?", [at]) for at, name in enumerate(COMPARED, start=1)),
    ("analyzer", {"text": "Compare retries and delay", "subjects": COMPARED, "intent": "comparison"}, [4, 5, 6]),
    ("writer", {"text": "Compare retries and delay", "subjects": COMPARED, "intent": "comparison"}, [7]),
]
ONE_CHAIN_EACH = ("overview", "summary", "check", "howto")


def _check(output: StepOutput, documents: list[Document]) -> None:
    assert isinstance(output.data, dict)
    sources: list[dict[str, Any]] = output.data["sources"]
    assert sources
    check_markdown(str(output.text), sources, {document.name: document.text for document in documents})


@pytest.mark.parametrize("name", DOCUMENTS)
async def test_a_hostile_document_is_quoted_and_does_nothing(bench: Bench, name: str) -> None:
    """Alone with an honest one: its words are escaped, its marks are no citations, its sections no sections."""
    documents = [Document(name=name, text=DOCUMENTS[name]), Document(name="honest.md", text=HONEST)]

    _check(await bench.plan(QUESTION, documents, CHAIN), documents)


async def test_every_hostile_sentence_by_itself_is_quoted_and_does_nothing(bench: Bench) -> None:
    """One document each, so that none is left out for a better one."""
    paragraphs = [part for text in DOCUMENTS.values() for part in text.split("\n\n") if "etries" in part]
    quoted = 0
    for paragraph in paragraphs:
        documents = [Document(name="hostile.md", text=f"{paragraph}\n"), Document(name="honest.md", text=HONEST)]
        output = await bench.plan(QUESTION, documents, CHAIN)
        _check(output, documents)
        quoted += "hostile.md" in str(output.text)

    assert quoted > len(paragraphs) // 2, "the corpus has no effect at all any more"


async def test_documents_with_hostile_names_are_listed_and_do_nothing(bench: Bench) -> None:
    """A name is text as well: no link, no heading, no mark of a citation."""
    documents = [Document(name=name, text=HONEST.replace("3", str(n))) for n, name in enumerate(NAMES, start=11)]

    _check(await bench.plan(QUESTION, documents, CHAIN), documents)


@pytest.mark.parametrize("intent", ONE_CHAIN_EACH)
async def test_every_kind_of_report_bears_them_all(bench: Bench, intent: str) -> None:
    """All hostile documents at once."""
    asked = {"text": QUESTION, "intent": intent}
    documents = everything()

    _check(
        await bench.plan(QUESTION, documents, [CHAIN[0], ("analyzer", asked, [1]), ("writer", asked, [2])]), documents
    )


async def test_a_comparison_of_hostile_documents_is_a_table_and_nothing_else(bench: Bench) -> None:
    """A table has one more thing to break: its bars."""
    documents = everything()

    output = await bench.plan("Compare retries and delay", documents, COMPARISON)

    _check(output, documents)
    rows = [line for line in str(output.text).split("\n") if line.startswith("|")]
    assert len({len(_cells(row)) for row in rows}) <= 1, rows


def _cells(row: str) -> list[str]:
    return row.replace("\\\\", "").replace("\\|", "").strip("|").split("|")


async def test_a_hostile_task_is_a_title_and_does_nothing(bench: Bench) -> None:
    """The question comes from anyone, too."""
    question = (
        "How do retries <script>alert(1)</script> [work](javascript:alert(2))\u202e and\x1b[31m wait? [1] ## Sources"
    )
    documents = [Document(name="honest.md", text=HONEST)]
    steps: list[Step] = [(agent, question, before) for agent, _, before in CHAIN]

    _check(await bench.plan(question, documents, steps), documents)


@pytest.mark.parametrize("name", [*DOCUMENTS, "all of them"])
async def test_the_report_as_a_page_and_as_data_is_harmless_as_well(bench: Bench, name: str) -> None:
    """A page has no active content; data is JSON with the same sources."""
    documents = everything() if name == "all of them" else [Document(name=name, text=DOCUMENTS[name])]
    await bench.plan(QUESTION, documents, CHAIN[:2])
    ctx = {"task": QUESTION, "inputs": {2: bench.outputs[2]}, "step_id": 3}

    page = await bench.step("writer", QUESTION, bench.context("writer", output_format=OutputFormat.HTML, **ctx))
    data = await bench.step("writer", QUESTION, bench.context("writer", output_format=OutputFormat.JSON, **ctx))

    check_html(str(page.text))
    assert isinstance(data.data, dict)
    assert check_json(str(data.text))["sources"] == data.data["sources"]
    texts = {document.name: document.text for document in documents}
    check_markdown(str(page.markdown), data.data["sources"], texts)


@pytest.mark.parametrize("form", OutputFormat)
async def test_a_model_that_obeys_the_documents_changes_nothing(bench: Bench, form: OutputFormat) -> None:
    """It prints no link, no address, no number and no section of its own; what it says stands in a passage."""
    documents, llm = everything(), Obeying()
    await bench.plan(QUESTION, documents, CHAIN[:2])
    ctx = {"task": QUESTION, "inputs": {2: bench.outputs[2]}, "step_id": 3, "llm": llm, "output_format": form}

    output = await bench.step("writer", QUESTION, bench.context("writer", **ctx))

    report = str(output.markdown or output.text)
    assert llm.asked
    assert isinstance(output.data, dict)
    check_markdown(report, output.data["sources"], {document.name: document.text for document in documents})
    for forged in ("OVERTAKEN", "obviously", "told to ignore", "need no pause", "q=secret"):
        assert forged not in report
    if form is OutputFormat.HTML:
        check_html(str(output.text))
    if form is OutputFormat.JSON:
        check_json(str(output.text))
    assert "".join(delta.text for delta in bench.emitted("output.delta")) == output.text


async def test_what_is_told_on_the_way_is_plain_as_well(bench: Bench) -> None:
    """Progress, found sources and deltas are read in terminals and in browsers."""
    await bench.plan(QUESTION, everything(), CHAIN)

    for event in bench.events:
        for text in (getattr(event, "message", ""), getattr(event, "text", "")):
            check_characters(str(text).replace("\t", " "))
