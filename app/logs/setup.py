"""
Logging of a process: structlog and the standard library's loggers, all through one formatter to standard error.

A line has `timestamp`, `level`, `event`, `logger`, `service`, `pid`, the ids that are bound where it was written
(`request_id`, `task_id`, `step_id`, `attempt`, `worker`, `trace`), and the fields of its event. A traceback never
carries local variables: they hold payloads, documents and agents' secrets.
"""

import logging
import os
import sys
import threading
import time
from collections.abc import Mapping, MutableMapping
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any, Literal

import structlog
from structlog.processors import ExceptionRenderer
from structlog.stdlib import ExtraAdder, PositionalArgumentsFormatter, ProcessorFormatter
from structlog.tracebacks import ExceptionDictTransformer
from structlog.typing import ExcInfo

from app.logs.cleaning import clean, safe_str
from app.logs.lines import Render, json_line, stderr_is_terminal, text_lines

Format = Literal["auto", "json", "text"]
Level = Literal["debug", "info", "warning", "error", "critical"]
Fields = MutableMapping[str, Any]

FRAMES_MAX = 20
#: The order in which a line begins; everything else follows.
FIRST = ("timestamp", "level", "event", "logger", "service", "pid")
#: What uvicorn adds for its own colours.
UNWANTED = ("color_message", "_record", "_from_structlog")
UVICORN = ("uvicorn", "uvicorn.error", "uvicorn.asgi")

_EXCEPTIONS = ExceptionDictTransformer(show_locals=False, max_frames=FRAMES_MAX)
_identity: dict[str, Any] = {}


def configure(log_format: Format, level: Level, service: str) -> None:
    """
    Sets the logs of this process up, once or again; a program that has set up its own is left alone.

    Dramatiq's and uvicorn's commands have given the root logger, or theirs, handlers of their own by then, which
    make way; any other handler means that somebody else decides here.
    """
    root = logging.getLogger()
    if not configure_structlog() or not all(_makes_way(handler) for handler in root.handlers):
        return
    identify(service=service)
    # `dramatiq -v` asks for more.
    verbose = root.level == logging.DEBUG and bool(root.handlers)
    number = logging.DEBUG if verbose else logging.getLevelNamesMapping()[level.upper()]
    handler = Stderr(renderer(log_format))
    handler.setLevel(number)
    root.handlers[:] = [handler]
    root.setLevel(number)
    _adopt_uvicorn()
    _catch_strays()


def configure_structlog() -> bool:
    """Lets structlog hand its events to the standard library; false when somebody else has set it up."""
    if structlog.is_configured():
        return _hand_over in structlog.get_config()["processors"]
    structlog.configure(
        processors=[structlog.stdlib.filter_by_level, structlog.contextvars.merge_contextvars, _hand_over],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )
    return True


def identify(**fields: str) -> None:
    """Adds fields to every line of this process."""
    _identity.update(fields)


def write_line(number: int, name: str, event: str, fields: dict[str, Any]) -> bool:
    """
    Writes an event by the shortest way, in half the time of a logger: for lines as many as there are requests.

    False, and nothing is written, when logs of this process are not set up by `configure`: use a logger then.
    """
    handlers = logging.getLogger().handlers
    if len(handlers) != 1 or not isinstance(handlers[0], Stderr):
        return False
    handlers[0].write(number, name, event, fields)
    return True


def in_dramatiq_command() -> bool:
    """Whether Dramatiq's command runs this process: it has put a pipe where standard error was."""
    return type(sys.stderr).__module__ == "dramatiq.compat"


def renderer(log_format: Format) -> Render:
    if log_format == "json" or (log_format == "auto" and not stderr_is_terminal()):
        return json_line
    return text_lines(colors=sys.stderr is sys.__stderr__ and stderr_is_terminal() and not os.environ.get("NO_COLOR"))


class Stderr(logging.Handler):
    """Writes to what `sys.stderr` is at the moment: in Dramatiq's processes it changes. Nothing it does raises."""

    def __init__(self, render: Render) -> None:
        super().__init__()
        self._render = render
        self.setFormatter(LineFormatter(render))

    def write(self, number: int, name: str, event: str, fields: dict[str, Any]) -> None:
        """A line without a record; it carries the same ids and is as clean."""
        if number < self.level:
            return
        head = _head(time.time(), logging.getLevelName(number), name, event)
        try:
            line = self._render(clean(head | _identity | structlog.contextvars.get_contextvars() | fields))
        # As below.
        except Exception as error:  # noqa: BLE001
            line = self._render(clean(head | {"level": "error", "event": "log_failed", "error": error}))
        with self.lock or nullcontext():
            _put(line)

    def emit(self, record: logging.LogRecord) -> None:
        try:
            line = self.format(record)
        # Whatever was wrong with the record: who wrote it goes on, and a line tells of it.
        except Exception as error:  # noqa: BLE001
            failure = {"level": "error", "error": error, **structlog.contextvars.get_contextvars()}
            line = self._render(clean(_head_of(record, "log_failed") | failure))
        _put(line)


def _put(line: str) -> None:
    try:
        sys.stderr.write(line + "\n")
        sys.stderr.flush()
    # A closed pipe, a full disk: there is nobody left to tell.
    except Exception:  # noqa: BLE001
        return


class LineFormatter(ProcessorFormatter):
    """One way from a record, whoever wrote it, to a line."""

    def __init__(self, render: Render) -> None:
        super().__init__(
            foreign_pre_chain=[structlog.contextvars.merge_contextvars, ExtraAdder()],
            processors=[
                PositionalArgumentsFormatter(),
                ExceptionRenderer(_exception),
                lambda _, __, fields: render(_line(fields)),
            ],
        )


def _line(fields: Fields) -> dict[str, Any]:
    head = _head_of(fields["_record"], safe_str(fields["event"]))
    rest = {name: value for name, value in fields.items() if name not in UNWANTED and name not in FIRST}
    # A step's own worker wins: several may live in one process.
    return clean(head | _identity | rest)


def _head_of(record: logging.LogRecord, event: str) -> dict[str, Any]:
    return _head(record.created, record.levelname, record.name, event)


def _head(when_s: float, level: str, name: str, event: str) -> dict[str, Any]:
    return {
        "timestamp": datetime.fromtimestamp(when_s, UTC).isoformat(timespec="milliseconds"),
        "level": level.lower(),
        "event": event,
        "logger": name,
        "service": _identity.get("service", ""),
        "pid": os.getpid(),
    }


def _exception(exc_info: ExcInfo) -> list[dict[str, Any]]:
    """The chain of exceptions, the last one first, each with its innermost frames."""
    return [{name: value for name, value in each.items() if value} for each in _EXCEPTIONS(exc_info)]


def _hand_over(logger: logging.Logger, name: str, fields: Fields) -> Any:
    """To our own handler as fields, to somebody else's as one line."""
    if any(isinstance(handler, Stderr) for handler in logging.getLogger().handlers):
        return ProcessorFormatter.wrap_for_formatter(logger, name, fields)
    return json_line(clean(ExceptionRenderer(_exception)(logger, name, fields)))


def _makes_way(handler: logging.Handler) -> bool:
    stream = getattr(handler, "stream", None)
    return isinstance(handler, Stderr) or type(stream).__module__ == "dramatiq.compat"


def _adopt_uvicorn() -> None:
    """Its server speaks through us; its access lines, which repeat queries, are replaced by our own."""
    for name in UVICORN:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        if logger.level == logging.INFO:
            logger.setLevel(logging.NOTSET)
    access = logging.getLogger("uvicorn.access")
    access.handlers.clear()
    access.propagate = False


def _catch_strays() -> None:
    """What Python itself would print goes the same way: warnings, and exceptions that nobody caught."""
    logging.captureWarnings(True)
    log = logging.getLogger("python")

    def uncaught(kind: type[BaseException], error: BaseException, trace: Any) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
        else:
            log.critical("uncaught_exception", exc_info=(kind, error, trace))

    def uncaught_in_thread(found: threading.ExceptHookArgs) -> None:
        if found.exc_value is not None and found.exc_type is not SystemExit:
            log.error("uncaught_exception", exc_info=(found.exc_type, found.exc_value, found.exc_traceback))

    sys.excepthook = uncaught
    threading.excepthook = uncaught_in_thread
    sys.unraisablehook = lambda found: log.error("unraisable_exception", exc_info=found.exc_value, extra=_about(found))


def _about(found: Any) -> Mapping[str, str]:
    return {"about": safe_str(found.err_msg or found.object)}
