"""The event vocabulary: classes and documentation say the same."""

import re
from pathlib import Path

import app.model.events as vocabulary

ROOT = Path(__file__).parent.parent.parent
ROW = re.compile(r"^\| `?([a-z]+\.[a-z_]+)`? +\| (.*?) *\|", re.MULTILINE)


def members(cell: str) -> set[str]:
    """The member names in a table cell; what stands in brackets explains them."""
    return {part.strip() for part in re.sub(r"\(.*?\)", "", cell).split(",")}


def test_the_table_and_the_classes_agree() -> None:
    """Every event class is a row of docs/events.md with exactly its members, and the other way round."""
    rows = {kind: members(cell) for kind, cell in ROW.findall((ROOT / "docs" / "events.md").read_text())}

    assert rows == {kind: set(cls.model_fields) for kind, cls in vocabulary.EVENT_TYPES.items()}


def test_progress_and_terminal_types_are_known() -> None:
    """The special sets name only types of the vocabulary, or terminal ones that later versions write."""
    assert set(vocabulary.EVENT_TYPES) >= vocabulary.PROGRESS_TYPES
    assert {"task.completed", "task.failed"} <= vocabulary.TERMINAL_TYPES
