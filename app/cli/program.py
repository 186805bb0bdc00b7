"""The outermost layer of the command: what holds for every one of its commands."""

import os
import sys
from contextlib import suppress
from typing import Any

import typer
from typer.core import TyperGroup

from app.cli.exits import Exit


class Program(TyperGroup):
    """
    Ends quietly when nobody reads any more (`stepstream tasks ls | head`).

    The command has left its blocks by then: what it started has ended.
    """

    def invoke(self, ctx: Any) -> object:
        try:
            found = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError as error:
            _write_nowhere()
            raise typer.Exit(Exit.PIPE_CLOSED) from error
        return found


def _write_nowhere() -> None:
    """What is still in a buffer would be a second such error, while the interpreter ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        # A stream that a test has put there has no number.
        with suppress(OSError, ValueError):
            os.dup2(nowhere, stream.fileno())
