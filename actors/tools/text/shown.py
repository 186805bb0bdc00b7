"""
What a reader sees of a quotation that cannot stand alone: a list item after its lead-in, a table's row with its header.

    shown("- Redis", "It needs:", "item")                      It needs: Redis
    shown("| a | 3 |", "| Name | Size |", "row")               Name: a; Size: 3

The text is made from exact pieces of the passage and nothing else, so it can be checked against them.
"""

import re
from typing import Literal

from actors.tools.text.inline import plain

Form = Literal["sentence", "item", "row"]

COLUMNS_MAX = 24
CELL_END = re.compile(r"(?<!\\)\|")


def shown(quote: str, context: str = "", form: Form = "sentence") -> str:
    """The text of the quotation; the same input always gives the same text."""
    if form == "row" and context:
        return _row(cells(context), cells(quote))
    return f"{plain(context)} {plain(quote)}" if context else plain(quote)


def cells(line: str) -> list[str]:
    """The cells of a table's line, as a reader sees them."""
    inner = line.strip().removeprefix("|")
    inner = inner[:-1] if inner.endswith("|") and not inner.endswith("\\|") else inner
    return [plain(cell.strip()) for cell in CELL_END.split(inner)[:COLUMNS_MAX]]


def _row(columns: list[str], values: list[str]) -> str:
    pairs = zip(columns, values, strict=False)
    return "; ".join(f"{column}: {value}" if column else value for column, value in pairs if value)
