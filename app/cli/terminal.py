"""What may be written to a terminal: text from tasks and reports never moves its cursor or changes its title."""

import json
import re
from typing import Any

from pydantic import BaseModel
from rich.console import Console

#: C0 but newline and tab, DEL, and C1: what terminals take as commands. Lone surrogates: no text file takes them.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def plain(text: str) -> str:
    """The text without control characters; newlines and tabs stay."""
    return _CONTROL.sub("", text)


def one_line(text: str, chars_max: int = 200) -> str:
    text = " ".join(plain(text.replace("\n", " ").replace("\t", " ")).split())
    return text if len(text) <= chars_max else text[: chars_max - 1] + "…"


def json_line(value: Any) -> str:
    """One line of ASCII JSON, the same for a terminal and for a program."""
    found = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(found, ensure_ascii=True, separators=(",", ":"))


def consoles() -> tuple[Console, Console]:
    """(for results, for all else): standard output stays clean for the report. `NO_COLOR` is respected."""
    return Console(highlight=False, markup=False), Console(stderr=True, highlight=False, markup=False)
