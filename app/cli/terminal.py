"""
What may be written to a terminal: text of others never moves its cursor, changes its title or turns its letters round.

Everything that commands write goes through here: `say` and `show` to standard output, `tell` to standard error.
"""

import json
import re
import sys
from collections.abc import Iterator
from typing import Any, NoReturn, TextIO

import typer
from pydantic import BaseModel
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.text import Text

from app.cli.exits import Exit

#: C0 but newline and tab, DEL, and C1: what terminals take as commands. Embeddings, overrides and isolates of text
#: direction (UAX 9), which make a line read as another. Lone surrogates: no text file takes them.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


def plain(text: str) -> str:
    """The text without what controls a terminal; newlines and tabs stay."""
    return _CONTROL.sub("", text)


def one_line(text: object, chars_max: int = 200) -> str:
    """The same in a single line, its end cut off."""
    line = " ".join(plain(str(text).replace("\n", " ").replace("\t", " ")).split())
    return line if len(line) <= chars_max else line[: chars_max - 1] + "…"


def counted(number: int, noun: str) -> str:
    """`1 step`, `2 steps`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def json_line(value: Any) -> str:
    """One line of ASCII JSON, the same for a terminal and for a program."""
    found = value.model_dump(mode="json") if isinstance(value, BaseModel) else value
    return json.dumps(found, ensure_ascii=True, separators=(",", ":"))


def say(text: str) -> None:
    """One answer on standard output, which is written at once."""
    _write(sys.stdout, text)


def tell(text: str) -> None:
    """Whatever is not the answer, on standard error."""
    _write(sys.stderr, text)


def end(said: str, code: Exit) -> NoReturn:
    """Ends the command with a sentence, or one per line."""
    for line in said.splitlines():
        tell(line)
    raise typer.Exit(code)


def _write(stream: TextIO, text: str) -> None:
    stream.write(plain(text) + "\n")
    stream.flush()


def cell(text: object, chars_max: int = 100, style: str = "") -> Text:
    """A part of a table. Text, not str: what comes from a task is never read as markup."""
    return Text(one_line(text, chars_max), style=style)


class Clean:
    """
    Anything that rich can draw, cleaned after it was drawn.

    Before that would be too early: a Markdown document may spell a character as `&#x202e;`.
    """

    def __init__(self, drawn: RenderableType) -> None:
        self._drawn = drawn

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield from self._segments(console, options)

    def _segments(self, console: Console, options: ConsoleOptions) -> Iterator[Segment]:
        for segment in console.render(self._drawn, options):
            yield segment if segment.control else Segment(plain(segment.text), segment.style)


def show(console: Console, drawn: RenderableType) -> None:
    """Draws a table or a document."""
    console.print(Clean(drawn))


def consoles() -> tuple[Console, Console]:
    """(for results, for all else): standard output stays clean for the report. `NO_COLOR` is respected."""
    return Console(highlight=False, markup=False), Console(stderr=True, highlight=False, markup=False)
