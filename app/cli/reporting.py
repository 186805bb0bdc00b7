"""What a person can mend becomes a sentence and an exit code; signals become what the command understands."""

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import typer

from app import local_redis
from app.cli.claim import InUse
from app.cli.doors import DoorOpen, PortTaken
from app.cli.exits import Exit
from app.cli.inputs import BadInput
from app.cli.keeper import StackError
from app.cli.log_output import as_text
from app.cli.terminal import end, tell
from app.documents.errors import DocumentError
from app.errors import StepstreamError, Unavailable

MISTAKES = (InUse, PortTaken, DoorOpen, BadInput, DocumentError, local_redis.BadUrl)


@contextmanager
def reported(*, log_shown: bool = False) -> Iterator[None]:
    """Ends the command after a sentence; before it comes the log of what failed, unless it has been shown."""
    try:
        yield
    except MISTAKES as error:
        end(str(error), Exit.USAGE)
    except StackError as error:
        for line in () if log_shown else error.log:
            tell(as_text(line))
        end(str(error), Exit.FAILED)
    except Unavailable as error:
        end(str(error), Exit.UNREACHABLE)
    except StepstreamError as error:
        end(str(error), Exit.FAILED)
    except KeyboardInterrupt as error:
        raise typer.Exit(Exit.INTERRUPTED) from error


@contextmanager
def signals(react: Callable[[], None]) -> Iterator[None]:
    """A closed terminal (SIGHUP) and a polite kill are the same as Ctrl-C."""
    kinds = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, lambda *_: react()) for kind in kinds}
    try:
        yield
    finally:
        for kind, reaction in before.items():
            signal.signal(kind, reaction)


def interrupt() -> None:
    raise KeyboardInterrupt
