"""What a stack and its children say, as one log: lines of JSON for programs, columns for people."""

import logging
import os
import sys
from datetime import UTC, datetime
from typing import Any

import orjson

from app.cli.terminal import plain
from app.logs.cleaning import clean
from app.logs.lines import is_terminal, json_line, text_lines
from app.logs.setup import Format, Level

NOTICE = "up"  # the name under which the stack itself speaks
#: A child writes at least these, because some of them say that it is ready.
CHILD_LEVEL: Level = "info"


def child_environment(level: Level) -> dict[str, str]:
    """Makes children write lines that `LogOutput` reads."""
    lowest = min(_number(level), _number(CHILD_LEVEL))
    return {"STEPSTREAM_LOG_FORMAT": "json", "STEPSTREAM_LOG_LEVEL": logging.getLevelName(lowest).lower()}


class LogOutput:
    """
    Writes to standard output, in the form that is asked for and from the level that is asked for.

    What is no line of a log (a crash of the interpreter, a `print` of an agent) is shown as it is, or wrapped.
    """

    def __init__(self, log_format: Format, level: Level) -> None:
        people = is_terminal(sys.stdout)
        self._json = log_format == "json" or (log_format == "auto" and not people)
        self._text = text_lines(colors=people and not os.environ.get("NO_COLOR"))
        self._level = _number(level)

    def __call__(self, name: str, line: str) -> None:
        """One line that a child wrote, or the stack itself."""
        fields = None if name == NOTICE else read_line(line)
        if fields is None:
            self.say(name, line)
        elif _number(str(fields["level"])) >= self._level:
            self._write(name, line if self._json else self._text(fields))

    def say(self, name: str, sentence: str) -> None:
        """What is no line of a log yet."""
        self._write(name, json_line(_wrapped(name, sentence)) if self._json else plain(sentence))

    def _write(self, name: str, text: str) -> None:
        shown = text if self._json else "\n".join(f"{name:7} | {line}" for line in text.splitlines() or [""])
        sys.stdout.write(shown + "\n")
        sys.stdout.flush()


def as_text(line: str) -> str:
    """A child's line for people, wherever it is shown."""
    fields = read_line(line)
    return plain(line) if fields is None else text_lines(colors=False)(fields)


def read_line(line: str) -> dict[str, Any] | None:
    """The fields of a line of a log, or `None` for anything else."""
    try:
        fields = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return fields if isinstance(fields, dict) and {"level", "event"} <= fields.keys() else None


def _wrapped(name: str, sentence: str) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat(timespec="milliseconds")
    return clean({"timestamp": now, "level": "info", "event": sentence, "logger": "output", "service": name})


def _number(level: str) -> int:
    return logging.getLevelNamesMapping().get(level.upper(), logging.INFO)
