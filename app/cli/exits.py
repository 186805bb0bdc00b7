"""Exit codes."""

from enum import IntEnum
from typing import Self


class Exit(IntEnum):
    """What the exit code of a command says; `meaning` is for docs/cli.md."""

    meaning: str

    def __new__(cls, code: int, meaning: str) -> Self:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    DONE = 0, "Done."
    FAILED = 1, "The task failed; nothing was found, or it is not possible as things stand; `doctor` has found a fail."
    USAGE = 2, "The command, a setting, a file or the key is at fault: trying again does not help."
    UNREACHABLE = 3, "No API or no Redis answers, or it is too busy: trying again may help."
    INTERRUPTED = 130, "Ctrl-C, or a signal that asks for the end. A task that was submitted goes on."
    PIPE_CLOSED = 141, "Who read the output has enough (`| head`); what a shell makes of SIGPIPE."
