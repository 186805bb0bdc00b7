"""
The demonstration: a real question about real documents that everyone has.

The documents are the READMEs that the other packages installed in this environment carry in their metadata.
"""

from collections.abc import Mapping
from importlib.metadata import Distribution, distributions
from pathlib import Path
from typing import Any

from rich.table import Table

from app.cli.terminal import cell

TASK = "Compare httpx2, starlette and uvicorn on async support, HTTP/2 and WebSockets, and write a summary"
README_CHARS_MIN = 200
OWN_NAME = "stepstream"
DOCUMENTS_MAX = 300
EPOCH_MS_MIN = 10**12


def write_documents(folder: Path) -> Path:
    """One Markdown file per installed package that has a README; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    readmes = _readmes()
    for stale in set(folder.glob("*.md")) - {folder / name for name in readmes}:
        stale.unlink()
    for name, text in readmes.items():
        (folder / name).write_text(text, encoding="utf-8", errors="replace")
    return folder


def _readmes() -> dict[str, str]:
    found = {
        f"{name}.md": text
        for name, text in map(_readme, distributions())
        if len(text) >= README_CHARS_MIN and name != OWN_NAME
    }
    return dict(sorted(found.items())[:DOCUMENTS_MAX])


def _readme(package: Distribution) -> tuple[str, str]:
    headers = package.metadata.json
    text = str(headers.get("description", "")).strip()
    name = "".join(ch if ch.isalnum() or ch in "-_." else "-" for ch in str(headers.get("name", "")).lower())
    return name, text if name else ""


def metrics_table(metrics: Mapping[str, Any]) -> Table:
    """What `GET /metrics/{task_id}` says, one group per row; points in time and groups of zeros are left out."""
    table = Table("metric", "values", title="metrics of this task", title_justify="left")
    for group, values in metrics.items():
        if isinstance(values, str):
            table.add_row(cell(group), cell(values))
        if not isinstance(values, Mapping):
            continue
        shown = {key: value for key, value in values.items() if isinstance(value, int | float) and value < EPOCH_MS_MIN}
        if any(shown.values()):
            table.add_row(cell(group), cell(", ".join(f"{key} {value}" for key, value in shown.items()), 500))
    return table
