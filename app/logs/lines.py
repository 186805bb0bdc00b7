"""One event as one line: JSON for programs, columns for people."""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import orjson
from structlog.dev import ConsoleRenderer, plain_traceback

Render = Callable[[dict[str, Any]], str]

EVENT_WIDTH = 28
#: What people who watch a terminal know, or do not ask for.
FOR_PROGRAMS = ("service", "pid")


def json_line(fields: Mapping[str, Any]) -> str:
    """ASCII, so that it is the same whatever the encoding of the stream is. `fields` are clean."""
    line = orjson.dumps(fields)
    return line.decode() if line.isascii() else json.dumps(fields, separators=(",", ":"))


def text_lines(*, colors: bool) -> Render:
    """Makes lines for people; an exception follows its line, indented."""
    console = ConsoleRenderer(EVENT_WIDTH, colors=colors, exception_formatter=plain_traceback, sort_keys=False)

    def render(fields: dict[str, Any]) -> str:
        shown = {name: value for name, value in fields.items() if name not in FOR_PROGRAMS}
        shown["timestamp"] = str(shown.get("timestamp", ""))[11:23]
        found = shown.pop("exception", None)
        if found:
            shown["exception"] = "\n".join(_traceback(found))
        return str(console(None, "", shown))

    return render


def is_terminal(stream: Any) -> bool:
    """Whether people read what is written there; standard error when the stream leads to it through another process."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False


def stderr_is_terminal() -> bool:
    """Whether the process's own standard error is one, whatever `sys.stderr` has been replaced by."""
    return is_terminal(sys.__stderr__)


def _traceback(chain: list[dict[str, Any]]) -> Iterator[str]:
    """As Python shows it, the cause first."""
    for found in reversed([found for found in chain if isinstance(found, dict)]):
        for frame in found.get("frames", ()):
            yield f'  File "{frame["filename"]}", line {frame["lineno"]}, in {frame["name"]}'
        yield f"{found.get('exc_type')}: {found.get('exc_value')}"
        for group in found.get("exceptions", ()):
            yield from (f"  | {line}" for line in _traceback(group))
