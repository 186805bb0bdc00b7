"""What a reader sees of a quotation that needs its context, and that a forged context is caught."""

import pytest

from actors.tools.analysing.findings import Side
from actors.tools.reporting.citations import Claim, verify
from actors.tools.splitting.passages import split
from actors.tools.text.shown import cells
from app.model.task import Document

TEXT = (
    "A worker needs:\n\n- a **Redis**\n- a queue\n\n| Name | Default | |\n|---|---|---|\n| `lease_ms` | 10 \\| 20 | |\n"
)
PASSAGE = split(Document(name="a.md", text=TEXT))[0]
ITEM = Side.of(PASSAGE.pid, "- a queue", "A worker needs:", "item")
ROW = Side.of(PASSAGE.pid, "| `lease_ms` | 10 \\| 20 | |", "| Name | Default | |", "row")


def _claim(side: Side, **changed: str) -> Claim:
    return Claim(**{**side.model_dump(), **changed})


@pytest.mark.parametrize(
    ("side", "text"), [(ITEM, "A worker needs: a queue"), (ROW, "Name: `lease_ms`; Default: 10 | 20")]
)
def test_an_item_is_read_with_its_lead_in_and_a_row_with_its_header(side: Side, text: str) -> None:
    """Both pieces stand in the passage word for word."""
    assert side.text == text
    assert verify([_claim(side)], {PASSAGE.pid: PASSAGE}).counts["ok"] == 1


@pytest.mark.parametrize("context", ["A worker never needs:", "", "| Default | Name | |"])
@pytest.mark.parametrize("side", [ITEM, ROW])
def test_a_forged_context_is_rejected(side: Side, context: str) -> None:
    """One that does not stand in the passage, is left out, or has its columns changed about."""
    assert verify([_claim(side, context=context)], {PASSAGE.pid: PASSAGE}).counts["dropped"] == 1


def test_cells_may_be_empty_or_open() -> None:
    """With and without the outer lines."""
    assert cells("a | b |  | d") == ["a", "b", "", "d"]
    assert cells("| a | b |  |") == ["a", "b", ""]
