"""What a person hands to `stepstream run`: checked before it is sent, so that a mistake is one sentence."""

import json
import re
from pathlib import Path

from app.cli.terminal import tell
from app.documents.folder import read_folder
from app.errors import StepstreamError
from app.model.task import Document

PLAN_BYTES_MAX = 16 << 20
TOLD_MAX = 20
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
NOT_IN_A_NAME = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
NAME_CHARS_MAX = 200  # as the API has it


class BadInput(StepstreamError):
    """Something on the command line cannot be sent."""


def read_task(text: str) -> str:
    """The text itself, if it is one."""
    if not _is_text(text):
        raise BadInput("The task is not UTF-8 text.")
    return text


def read_documents(folder: Path | None) -> tuple[Document, ...]:
    """
    The folder's documents as the API takes them: a page break, say, becomes a blank.

    What cannot be read is left out and said on standard error; raises `DocumentError` when nothing can.
    """
    if folder is None:
        return ()
    texts = read_folder(folder)
    for word, found in (("left out", texts.skipped), ("in doubt", texts.notes)):
        for document in found[:TOLD_MAX]:
            tell(f"{word}: {document.name} {document.reason}")
        if len(found) > TOLD_MAX:
            tell(f"{word}: {len(found) - TOLD_MAX} more")
    return tuple(Document(name=_name(document), text=CONTROL.sub(" ", document.text)) for document in texts.documents)


def _name(document: Document) -> str:
    """In one line, and of a long path its end, which tells more."""
    name = NOT_IN_A_NAME.sub("\ufffd", document.name)
    return name if len(name) <= NAME_CHARS_MAX else f"\u2026{name[1 - NAME_CHARS_MAX :]}"


def read_urls(urls: list[str] | None) -> tuple[str, ...]:
    """As they were given: which ones may be fetched is for the API to say."""
    for url in urls or ():
        if not _is_text(url):
            raise BadInput(f"The URL {url!r} is not UTF-8.")
    return tuple(urls or ())


def _is_text(value: str) -> bool:
    """What is not UTF-8 reaches a program as lone surrogates, which nothing can be made of."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_plan(path: Path | None) -> object | None:
    """Any JSON value, or the steps of what `stepstream plan` says: which ones are plans is for the API to say."""
    if path is None:
        return None
    shown = repr(str(path))
    try:
        with path.open("rb") as file:
            plan: object = json.loads(file.read(PLAN_BYTES_MAX))
        # Python reads more than JSON: NaN, numbers that become infinite, halves of characters.
        json.dumps(plan, ensure_ascii=False, allow_nan=False).encode()
    except OSError as error:
        raise BadInput(f"The plan {shown} cannot be read: {error.strerror}.") from error
    except UnicodeEncodeError as error:
        raise BadInput(f"The plan {shown} is not JSON: it holds half a character (a lone surrogate).") from error
    except ValueError as error:
        raise BadInput(f"The plan {shown} is not JSON: {error}.") from error
    except RecursionError as error:
        raise BadInput(f"The plan {shown} is nested too deeply.") from error
    return plan["steps"] if isinstance(plan, dict) and "steps" in plan else plan
