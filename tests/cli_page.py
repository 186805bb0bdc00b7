"""
The list of commands in docs/cli.md, made from the commands themselves: `python -m tests.cli_page` writes it.

A test holds the page to it.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from app.cli.exits import Exit
from app.cli.main import Stepstream

PAGE = Path(__file__).parent.parent / "docs" / "cli.md"
EXITS = ("<!-- exit codes -->\n", "<!-- end of exit codes -->\n")
COMMANDS = ("<!-- commands -->\n", "<!-- end of commands -->\n")


def exits_table() -> str:
    rows = "".join(f"| {code.value} | {_cell(code.meaning)} |\n" for code in Exit)
    return f"\n| code | meaning |\n|------|---------|\n{rows}\n"


def commands_list() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    return "".join(_described(name, command) for name, command in commands())


def commands() -> Iterator[tuple[str, Any]]:
    """(its words, the command) of every command that is not hidden."""
    for name, place in Stepstream.places.items():
        command = place.load(name)
        inner = {word: found for word, found in getattr(command, "commands", {}).items() if not found.hidden}
        if not inner or command.invoke_without_command:
            yield name, command
        yield from ((f"{name} {word}", found) for word, found in inner.items())


def _described(name: str, command: Any) -> str:
    context = typer.Context(command, info_name=name)
    records = [record for parameter in command.params if (record := parameter.get_help_record(context))]
    rows = "".join(f"| `{_cell(option)}` | {_cell(' '.join(text.split()))} |\n" for option, text in records)
    table = f"\n| argument or option | meaning |\n|---|---|\n{rows}" if rows else ""
    return f"\n### `stepstream {name}`\n\n{' '.join(str(command.help).split())}\n{table}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def between(page: str, marks: tuple[str, str]) -> str:
    """What stands between two marks; `ValueError` when one of them is missing."""
    begin = page.index(marks[0]) + len(marks[0])
    return page[begin : page.index(marks[1])]


def written(page: str) -> str:
    """The page with its generated parts as they should be."""
    for marks, text in ((EXITS, exits_table()), (COMMANDS, commands_list() + "\n")):
        page = page.replace(marks[0] + between(page, marks) + marks[1], marks[0] + text + marks[1])
    return page


if __name__ == "__main__":
    PAGE.write_text(written(PAGE.read_text()))
