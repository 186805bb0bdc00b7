"""The outermost layer of the command: what holds for every one of its commands."""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from io import TextIOWrapper
from typing import Any, ClassVar

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from app.cli.exits import Exit


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command is: `module:name` of a function or of a group of commands, and its help in a few words."""

    where: str
    help: str
    settings: dict[str, Any] = field(default_factory=dict)

    def load(self, name: str) -> Any:
        """The command itself, with its module."""
        module, _, member = self.where.partition(":")
        found = getattr(import_module(module), member)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(name, context_settings=self.settings)(found)
            found = alone
        command = get_command(found)
        command.name = name
        return command


class Program(TyperGroup):
    """
    A group of commands that are loaded when they are called.

    Ends quietly when nobody reads any more (`stepstream tasks ls | head`): the command has left its blocks by
    then, so what it started has ended.
    """

    places: ClassVar[dict[str, Place]] = {}

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: TyperCommand(name, help=place.help) for name, place in self.places.items()}

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Refuses what is not UTF-8 and names no file: nothing can be made of it, and nothing has been done yet."""
        for argument in args:
            value = argument.rpartition("=")[2] if argument.startswith("-") else argument
            if not _is_text(argument) and not os.path.lexists(value):
                # Only here: it brings in what a word that is completed does not wait for.
                from app.cli.terminal import end

                end(f"This is not UTF-8 text: {argument.encode(errors='replace').decode()[:80]}", Exit.USAGE)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Instead of the name of a command, the command."""
        name, command, rest = super().resolve_command(ctx, args)
        return name, command and self.places[str(name)].load(str(name)), rest

    def invoke(self, ctx: Any) -> object:
        for stream in (sys.stdout, sys.stderr):
            # A terminal or file of another encoding gets question marks, and nobody a traceback.
            if isinstance(stream, TextIOWrapper):
                stream.reconfigure(errors="replace")
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            _write_nowhere()
            raise typer.Exit(Exit.PIPE_CLOSED) from error
        return found


def _is_text(value: str) -> bool:
    """What is not UTF-8 reaches a program as lone surrogates."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _write_nowhere() -> None:
    """What is still in a buffer would be a second such error, while the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        # A stream that a test has put there has no number.
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
