"""
Records: a table or `name=value` for people, one JSON object per line for programs.

A program is who reads standard output when it is no terminal; `--json` and `--no-json` overrule that.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table

from app.cli.terminal import consoles, json_line, one_line, say, show

Json = Annotated[
    bool | None,
    typer.Option(
        "--json/--no-json",
        show_default=False,
        help="One JSON object per line. Unset: if standard output is no terminal.",
    ),
]
Record = BaseModel | Mapping[str, Any]

#: A table in a pipe, and the narrowest one: on a smaller terminal its lines run over, but no column is lost.
PIPE_WIDTH, WIDTH_MIN = 200, 120


def for_programs(as_json: bool | None) -> bool:
    return not sys.stdout.isatty() if as_json is None else as_json


def say_record(record: Record, as_json: bool | None) -> None:
    """One record in one line."""
    say(json_line(record) if for_programs(as_json) else pairs(record))


def say_records(records: Sequence[Record], as_json: bool | None) -> None:
    for record in records:
        say_record(record, as_json)


def table(*names: str) -> Table:
    """A table without lines, one row per record."""
    found = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        found.add_column(name, no_wrap=True, overflow="ellipsis")
    return found


def wide_console() -> Console:
    """A console for tables: as wide as the terminal, `COLUMNS`, or what programs that cut lines can do with."""
    out, _ = consoles()
    known = out.is_terminal or os.environ.get("COLUMNS", "").isdecimal()
    width = max(out.width, WIDTH_MIN) if known else PIPE_WIDTH
    return Console(highlight=False, markup=False, width=width)


def show_table(drawn: Table) -> None:
    show(wide_console(), drawn)


def local_time(ms: int) -> str:
    """Epoch milliseconds as the clock on the wall shows them."""
    try:
        return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return "-"


def age(ms: float) -> str:
    """A time span in its two largest units."""
    seconds = max(0, int(ms / 1000))
    for unit_s, name, part_s, part in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= unit_s:
            return f"{seconds // unit_s}{name}{seconds % unit_s // part_s}{part}"
    return f"{seconds}s"


def pairs(record: Record) -> str:
    """`name=value  name=value`"""
    members = record.model_dump(mode="json") if isinstance(record, BaseModel) else record
    return "  ".join(f"{one_line(name)}={one_line(_word(value))}" for name, value in members.items())


def _word(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        value = [f"{name}:{inner}" for name, inner in value.items()]
    if isinstance(value, list):
        return ",".join(map(str, value)) or "-"
    return "-" if value is None else str(value)
