"""Exit codes, and how a command ends before its end."""

from enum import IntEnum
from typing import NoReturn

import typer

from app.cli.terminal import tell


class Exit(IntEnum):
    """
    What the exit code of a command says.

    `PIPE_CLOSED` is what a shell makes of a program that is ended by SIGPIPE: the reader, `head` say, has enough.
    """

    DONE = 0
    FAILED = 1
    USAGE = 2
    UNREACHABLE = 3
    INTERRUPTED = 130
    PIPE_CLOSED = 141


def end(said: str, code: Exit) -> NoReturn:
    """Ends the command with a sentence, or one per line."""
    for line in said.splitlines():
        tell(line)
    raise typer.Exit(code)
