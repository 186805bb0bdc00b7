"""The documents of the demonstration, and its table of figures."""

import io
from pathlib import Path

from rich.console import Console

from app.cli.demo import metrics_table, write_documents
from app.documents.folder import read_folder


def test_the_documents_are_the_readmes_of_the_installed_packages(tmp_path: Path) -> None:
    """The packages that the demonstration asks about are there, in full, and nothing stale is left."""
    folder = tmp_path / "docs"
    folder.mkdir()
    (folder / "gone.md").write_text("of a package that was removed")

    write_documents(folder)

    documents = {document.name: document.text for document in read_folder(folder).documents}
    assert {"httpx2.md", "starlette.md", "uvicorn.md"} <= set(documents)
    assert "gone.md" not in documents
    assert all(len(text) >= 200 for text in documents.values())


def test_the_figures_become_one_row_per_group() -> None:
    """Groups show their numbers; deeper levels, points in time and zeros are left to the API."""
    stream = io.StringIO()
    figures = {
        "status": "completed",
        "timing": {"submitted": 1795382300770, "wall_ms": 12, "parts": []},
        "llm": {"calls": 0},
        "per_step": {"1": {"ms": 3}},
    }

    Console(file=stream, width=100).print(metrics_table(figures))

    assert "completed" in stream.getvalue()
    assert "wall_ms 12" in stream.getvalue()
    assert not any(word in stream.getvalue() for word in ("per_step", "llm", "submitted"))
