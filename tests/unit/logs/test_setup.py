"""A process whose logs are set up: every line has one form, whoever writes it, and logging never fails."""

import io
import logging
import subprocess
import sys
from typing import Any

import orjson
import pytest

from app.broker.reporting import Reporter
from app.logs.lines import json_line, text_lines
from app.logs.setup import Stderr

CANARY = "sk_a1_c4n4ry"

#: Everything that can write to standard error, in one process.
PROGRAM = f"""
import logging, sys, threading, warnings
import structlog, uvicorn
from app.logs.setup import configure, write_line

uvicorn.Config("app.main:create_app")  # gives its loggers handlers of their own
configure({{log_format!r}}, "info", "test")
structlog.contextvars.bind_contextvars(task_id="t1", step_id=2, attempt=3)
log = structlog.get_logger("mine")
log.info("happened", key="{CANARY}", forged="a\\nb")
write_line(logging.INFO, "short", "came the short way", {{{{"key": "{CANARY}", "worker": "w"}}}})
write_line(logging.DEBUG, "short", "not_shown", {{{{}}}})
log.debug("not_shown")
logging.getLogger("lib").warning("%s said %r", "lib", "{CANARY}", extra={{{{"field": 1}}}})
logging.getLogger("uvicorn.error").info("from the server")
logging.getLogger("uvicorn.access").info('GET /?token={CANARY}')
logging.getLogger("broken").error("%d", "no number")
log.error("%d", "no number")
try:
    password = "{CANARY}"
    raise ValueError("password={CANARY}")
except ValueError:
    log.exception("failed")
warnings.warn("an old way", stacklevel=1)
threading.Thread(target=lambda: 1 / 0).start()
raise LookupError("the end")
"""


def run(log_format: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(log_format=log_format)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert CANARY not in done.stderr
    return done.stderr.splitlines()


def test_every_line_of_a_process_is_json_and_carries_the_ids() -> None:
    """Ours, a library's, the server's, a warning, an uncaught exception: one form, no secret, no local variable."""
    lines = [orjson.loads(line) for line in run("json")]

    told = {line["event"]: line for line in lines}
    assert [line["event"] for line in lines if "an old way" not in line["event"]] == [
        "happened", "came the short way", "lib said 'sk_a1_[redacted]'", "from the server", "log_failed", "log_failed",
        "failed", "uncaught_exception", "uncaught_exception",
    ]  # fmt: skip
    assert all({"timestamp", "level", "logger", "service", "pid"} <= line.keys() for line in lines)
    assert told["happened"]["forged"] == "a b"
    for event in ("happened", "came the short way", "lib said 'sk_a1_[redacted]'", "from the server", "failed"):
        assert {"task_id": "t1", "step_id": 2, "attempt": 3}.items() <= told[event].items()
    assert told["lib said 'sk_a1_[redacted]'"]["field"] == 1
    (failure,) = told["failed"]["exception"]
    assert (failure["exc_type"], failure["exc_value"]) == ("ValueError", "password=[redacted]")
    assert failure["frames"][0].keys() == {"filename", "lineno", "name"}


def test_people_get_columns_and_a_traceback() -> None:
    """The same lines as text, without colours where no terminal is."""
    lines = run("text")

    assert any("[info     ] happened" in line and "task_id=t1" in line for line in lines)
    assert any(line.startswith('  File "<string>", line') for line in lines)
    assert "ValueError: password=[redacted]" in lines
    assert not any("\x1b" in line for line in lines)


@pytest.fixture
def logger() -> logging.Logger:
    """A logger of its own, so that the test's own logging stays as it is."""
    logger = logging.Logger("own")
    logger.addHandler(Stderr(json_line))
    return logger


def test_a_stream_that_is_gone_fails_nobody(logger: logging.Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed, or full: whoever logs goes on."""
    closed = io.StringIO()
    closed.close()
    for stream in (closed, None):
        monkeypatch.setattr(sys, "stderr", stream)
        logger.error("anybody there?")


def test_a_field_that_cannot_be_shown_fails_nobody(logger: logging.Logger, capsys: pytest.CaptureFixture[str]) -> None:
    """Not even one that is endless."""

    class Broken:
        def __str__(self) -> str:
            raise RecursionError

        __repr__ = __str__

    nested: list[Any] = []
    nested.append(nested)
    logger.error("odd", extra={"broken": Broken(), "nested": nested})
    logger.error("odd as an argument: %s", Broken())

    odd, failed = [orjson.loads(line) for line in capsys.readouterr().err.splitlines()]
    assert odd["broken"] == "<Broken>"
    assert (failed["event"], failed["logger"], failed["level"]) == ("log_failed", "own", "error")


def test_an_exception_group_is_shown_with_its_members() -> None:
    """Each with its own lines, below that of the group."""
    group = ExceptionGroup("both", [ValueError("one"), LookupError("two")])
    record = logging.LogRecord("own", logging.ERROR, "", 0, "failed", (), (type(group), group, None))
    shown = Stderr(text_lines(colors=False)).format(record)

    assert "  | ValueError: one" in shown
    assert "  | LookupError: two" in shown


def test_the_brokers_values_are_fields_here_and_part_of_the_message_elsewhere() -> None:
    """The broker knows nothing of structlog, and any program may log it."""
    logger = logging.Logger("broker")
    records: list[logging.LogRecord] = []
    logger.addFilter(lambda record: records.append(record) or False)
    Reporter(logger).warning("message buried", extra={"queue": "default", "calls": 100})
    (record,) = records

    line = orjson.loads(Stderr(json_line).format(record))
    assert record.getMessage() == "message buried: queue=default calls=100"
    assert (line["event"], line["queue"], line["calls"]) == ("message buried", "default", 100)
