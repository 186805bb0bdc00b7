"""The documents of a step: those of its task and those of the folder it names; what it says of the rest."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from actors.tools.retrieval.corpora import Given
from actors.tools.retrieval.index_file import IndexFile
from app.errors import Permanent, Retryable
from app.model.agents import StepOutput
from app.model.task import Document
from tests.unit.agents.conftest import Bench

pytestmark = pytest.mark.anyio


def _write(root: Path, **files: str) -> Path:
    root.mkdir()
    for name, text in files.items():
        (root / name.replace("_", ".")).write_text(text)
    return root


async def _retrieved(bench: Bench, text: str, **context: Any) -> dict[str, Any]:
    output = await bench.step("retriever", {"text": text}, bench.context(task=text, **context))
    assert isinstance(output.data, dict)
    return output.data


async def test_a_task_has_its_own_documents_and_those_of_its_collection(bench: Bench, tmp_path: Path) -> None:
    """The collection's name is part of the documents' names; both are searched, neither outdoes the other."""
    folder = _write(tmp_path / "docs", a_md="A delay grows with each attempt, says the folder.")

    found = await _retrieved(
        bench, "delay of attempts", collection="docs", collections={"docs": folder},
        documents=[Document(name="own.md", text="The delay of attempts is fixed, says the upload.")],
    )  # fmt: skip

    assert {passage["uri"] for passage in found["passages"]} == {"own.md", "docs/a.md"}
    assert found["documents"] == 2


async def test_uploads_named_html_are_read_as_pages(bench: Bench) -> None:
    """Scripts and menus are nothing to search."""
    page = "<nav>delay menu</nav><script>delay()</script><h1>Title</h1><p>The delay is fixed at ten seconds here.</p>"

    found = await _retrieved(bench, "delay", documents=[Document(name="page.html", text=page)])

    assert [passage["text"] for passage in found["passages"]] == ["# Title\n\nThe delay is fixed at ten seconds here."]


async def test_what_could_not_be_read_is_in_the_output_and_in_the_progress(bench: Bench, tmp_path: Path) -> None:
    """So that the report can say what it does not know."""
    folder = _write(tmp_path / "docs", a_md="The delay grows.", b_docx="PK")
    (folder / "c.txt").write_bytes(b"\0\0")
    (folder / "d.txt").write_bytes(b"caf\xe9 delay")

    found = await _retrieved(bench, "delay", collection="docs", collections={"docs": folder})

    assert found["skipped"] == [
        {"name": "docs/b.docx", "reason": "is of a kind that nothing here reads (.docx)"},
        {"name": "docs/c.txt", "reason": "is not text: it contains NUL bytes"},
    ]
    assert found["notes"] == [{"name": "docs/d.txt", "reason": "read as Windows-1252: it is not UTF-8"}]
    told = bench.emitted("step.progress")[-1].message
    assert told.startswith("searched 2 documents, left out: docs/b.docx is of a kind")


async def test_a_report_names_what_was_left_out_and_what_was_read_with_doubt(bench: Bench, tmp_path: Path) -> None:
    """In its text and in its data, through analyzer and writer."""
    folder = _write(tmp_path / "docs", a_md="The delay grows with each attempt that fails.", b_docx="PK")
    (folder / "d.txt").write_bytes(b"caf\xe9 delay")
    bench.outputs[1] = StepOutput(
        data=await _retrieved(bench, "delay", collection="docs", collections={"docs": folder})
    )
    question = {"text": "How does the delay grow?"}
    bench.outputs[2] = await bench.step("analyzer", question, bench.context("analyzer", inputs={1: bench.outputs[1]}))

    report = await bench.step("writer", question, bench.context("writer", inputs={2: bench.outputs[2]}))

    assert isinstance(report.data, dict)
    assert [(one["uri"], one["kind"]) for one in report.data["unread"]] == [
        ("docs/b.docx", "document"), ("docs/d.txt", "note"),
    ]  # fmt: skip
    assert "- docs/b.docx could not be read: is of a kind" in str(report.text)
    assert "- docs/d.txt may not have been understood as it was meant: read as Windows-1252" in str(report.text)


async def test_no_documents_and_an_unknown_collection_can_never_work(bench: Bench, tmp_path: Path) -> None:
    """So the step fails at once instead of being retried."""
    collections = {"bad": _write(tmp_path / "bad", a_docx="PK"), "gone": tmp_path / "gone"}

    for collection, code in (
        (None, "no_documents"), ("nope", "unknown_collection"), ("bad", "bad_documents"), ("gone", "bad_documents"),
    ):  # fmt: skip
        with pytest.raises(Permanent) as caught:
            await _retrieved(bench, "delay", collection=collection, collections=collections)
        assert caught.value.code == code


async def test_large_folders_tell_how_far_the_indexing_is(bench: Bench, tmp_path: Path) -> None:
    """In documents and bytes; small ones are done before anybody could read it."""
    folder = _write(tmp_path / "docs", **{f"d{n}_md": "The delay grows with each attempt. " * 8_000 for n in range(5)})

    await _retrieved(bench, "delay", collection="docs", collections={"docs": folder})

    messages = [event.message for event in bench.emitted("step.progress")]
    assert "indexing: 5 of 5 documents, 1 of 1 MiB" in messages


async def test_a_step_that_is_no_longer_wanted_stops_indexing(bench: Bench, tmp_path: Path) -> None:
    """And so does one whose time is over; another attempt goes on from there."""
    folder = _write(tmp_path / "docs", a_md="The delay grows.")

    for stopped in ({"cancelled": lambda: True}, {"deadline_s": 0.0}):
        with pytest.raises(Retryable, match="stopped"):
            await _retrieved(bench, "delay", collection="docs", collections={"docs": folder}, **stopped)


async def test_a_step_waits_for_the_worker_that_is_indexing(bench: Bench) -> None:
    """And says so; when that one has gone, it does what is left."""
    documents = [Document(name="a.md", text="The delay grows.")]
    other = IndexFile(bench.cache_dir, Given(documents).key)
    bench.cache_dir.mkdir()
    ctx = bench.context(documents=documents)
    emit = ctx.emit

    with ExitStack() as working:
        assert working.enter_context(other.locked())

        async def heard(event: Any) -> None:
            await emit(event)
            if "waiting for another worker" in getattr(event, "message", ""):
                working.close()

        ctx.emit = heard
        output = await bench.step("retriever", {"text": "delay"}, ctx)

    assert any("waiting for another worker" in event.message for event in bench.emitted("step.progress"))
    assert output.summary == "1 passage from 1 document"
