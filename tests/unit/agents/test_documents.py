"""The documents of a step: those of its task and those of the folder it names."""

from pathlib import Path

import pytest

from actors.tools.documents import load_documents
from app.errors import Permanent
from app.model.task import Document
from tests.unit.agents.conftest import Bench


def _write(root: Path, **files: str) -> Path:
    root.mkdir()
    for name, text in files.items():
        (root / name.replace("_", ".")).write_text(text)
    return root


@pytest.mark.anyio
async def test_a_task_has_its_own_documents_and_those_of_its_collection(bench: Bench, tmp_path: Path) -> None:
    """The collection's name is part of the documents' names."""
    ctx = bench.context(
        documents=[Document(name="own.md", text="own")],
        collection="docs",
        collections={"docs": _write(tmp_path / "docs", a_md="A")},
    )

    found = await load_documents(ctx)

    assert [document.name for document in found] == ["own.md", "docs/a.md"]


@pytest.mark.anyio
async def test_no_documents_and_an_unknown_collection_can_never_work(bench: Bench, tmp_path: Path) -> None:
    """So the step fails at once instead of being retried."""
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "a.md").write_bytes(b"\0")
    collections = {"bad": tmp_path / "bad"}

    for collection, code in ((None, "no_documents"), ("nope", "unknown_collection"), ("bad", "bad_documents")):
        with pytest.raises(Permanent) as caught:
            await load_documents(bench.context(collection=collection, collections=collections))
        assert caught.value.code == code
