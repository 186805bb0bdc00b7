"""When a process traces, and what it says where it cannot."""

import os
import re
import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from app.dispatch.observing import AttemptOutcome
from app.dispatch.traces import attempting
from app.model.events import ErrorInfo
from app.tracing import names
from app.tracing.door import Mode, wanted
from app.tracing.otel import OtelTracer
from app.tracing.tracer import Begin
from tests.test_architecture import ROOT, modules
from tests.unit.test_judging import attempt

MISSING = """
import sys
sys.modules['opentelemetry.sdk'] = None
from app.bootstrap.startup import begin
begin('api')
"""
OPENED = """
from app.logs.setup import configure
from app.tracing.provider import Tracing
configure('json', 'info', 'api')
tracing = Tracing('api')
"""
CALLED = """
from app.tracing.tracer import Begin
caller = "00-" + "a" * 32 + "-" + "b" * 16 + "-00"
with tracing.tracer.span(Begin("GET", "server", parent=caller, tracestate="no state at all")) as span:
    print(span.traceparent)
"""
ENDPOINT = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}


def run(program: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    others = {name: value for name, value in os.environ.items() if not name.startswith(("STEPSTREAM_", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-c", program], env=others | environment, capture_output=True, text=True, timeout=120,
        check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mode", "variables", "expected"),
    [
        ("auto", {}, False),
        ("auto", ENDPOINT, True),
        ("auto", {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://127.0.0.1:9"}, True),
        ("auto", {"OTEL_EXPORTER_OTLP_ENDPOINT": ""}, False),
        ("on", {}, True),
        ("off", ENDPOINT, False),
        ("on", {"OTEL_SDK_DISABLED": "TRUE"}, False),
        ("on", {"OTEL_TRACES_EXPORTER": "none"}, False),
    ],
)
def test_the_standard_variables_switch_it(mode: Mode, variables: dict[str, str], expected: bool) -> None:
    """An endpoint switches it on; who says no is heard, whatever else is set."""
    assert wanted(mode, variables) is expected


def test_a_process_that_must_trace_and_cannot_ends_with_a_line() -> None:
    """With what to install, and the exit code of a bad setting."""
    done = run(MISSING, STEPSTREAM_TRACING="on")

    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "pip install 'stepstream[otel]'" in line


def test_a_process_that_only_finds_an_endpoint_goes_on_without() -> None:
    """The variable may be set for a whole cluster: a warning, and work."""
    done = run(MISSING, **ENDPOINT)

    assert done.returncode == 0, done.stderr
    # What it says of the Redis of this machine, if anything, stands beside it.
    (line,) = [line for line in done.stderr.splitlines() if '"redis_' not in line]
    assert "tracing_extra_missing" in line


def test_a_malformed_header_is_told_of_without_the_key_in_it() -> None:
    """The SDK repeats it whole, and no pattern knows every collector's name for its key."""
    done = run(f"{OPENED}tracing.close()", OTEL_EXPORTER_OTLP_HEADERS="x-team: 0123456789abcdef", **ENDPOINT)

    (line,) = done.stderr.splitlines()
    assert "tracing_header_malformed" in line
    assert "0123456789abcdef" not in line


def test_a_malformed_state_of_a_caller_is_ignored_without_a_word() -> None:
    """Or whoever sends requests writes into the log."""
    done = run(OPENED + CALLED, **ENDPOINT)

    assert (done.stdout[:36], done.stderr) == ("00-" + "a" * 32 + "-", "")


def test_nothing_else_of_the_program_knows_opentelemetry() -> None:
    """Dispatch, agents and the API ask a tracer of ours."""
    knowing = {
        name for name, path in modules() if re.search(r"^\s*(from|import) opentelemetry", path.read_text(), re.M)
    }

    assert knowing == {"app.tracing.encoding", "app.tracing.otel", "app.tracing.provider"}


def test_every_attribute_of_ours_is_documented() -> None:
    """In docs/tracing.md, by its whole name."""
    ours = {value for value in vars(names).values() if isinstance(value, str) and value.startswith("stepstream.")}
    page = (ROOT / "docs" / "tracing.md").read_text()

    assert ours <= set(re.findall(r"`(stepstream\.[a-z.]+)`", page))


@pytest.fixture
def exported() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracer(exported: InMemorySpanExporter) -> OtelTracer:
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exported))
    return OtelTracer(provider.get_tracer("test"))


@pytest.mark.parametrize(
    ("outcome", "error"),
    [
        ("completed", False), ("failed", True), ("retried", True), ("deferred", False), ("released", False),
        ("fenced", False), ("cancelled", False),
    ],
)  # fmt: skip
def test_only_what_failed_is_an_error(
    tracer: OtelTracer, exported: InMemorySpanExporter, outcome: AttemptOutcome, error: bool
) -> None:
    """Whatever exception ends the attempt; a backend that counts errors counts failures."""

    def act() -> None:
        with attempting(tracer, attempt(), "w1") as told:
            told.outcome = outcome
            told.error = (
                ErrorInfo(type="Retryable", code="llm_busy", message="secret") if outcome != "completed" else None
            )
            raise RuntimeError("secret")

    with pytest.raises(RuntimeError):
        act()

    (span,) = exported.get_finished_spans()
    attributes = span.attributes or {}
    assert (span.status.status_code is StatusCode.ERROR) is error
    assert attributes["stepstream.outcome"] == outcome
    assert attributes.get("error.type") == ("Retryable" if error else None)
    assert "secret" not in span.to_json()


def test_texts_are_cut_and_events_left_out(tracer: OtelTracer, exported: InMemorySpanExporter) -> None:
    """An exception leaves its type, and no traceback in which anything may stand."""

    def act() -> None:
        with tracer.span(Begin("long", attributes={"name": "x" * 10_000, "left out": None})):
            raise ValueError("secret")

    with pytest.raises(ValueError, match="secret"):
        act()

    (span,) = exported.get_finished_spans()
    assert span.attributes == {"name": "x" * 200, "error.type": "ValueError"}
    assert span.events == ()


def test_a_span_that_is_interrupted_is_no_failure(tracer: OtelTracer, exported: InMemorySpanExporter) -> None:
    """A generator that its reader closes, as a streamed answer that is not read to its end."""

    def pieces() -> object:
        with tracer.span(Begin("streamed", current=False)):
            yield "piece"

    for _ in pieces():  # type: ignore[attr-defined]
        break

    (span,) = exported.get_finished_spans()
    assert (span.status.status_code, dict(span.attributes or {})) == (
        StatusCode.UNSET,
        {"stepstream.interrupted": True},
    )


def test_an_error_behind_the_end_of_a_span_is_no_trouble(
    tracer: OtelTracer, exported: InMemorySpanExporter, caplog: pytest.LogCaptureFixture
) -> None:
    """A stream that breaks: its span ended with its head, and the SDK would warn of whoever still talks to it."""

    def act() -> None:
        with tracer.span(Begin("stream")) as span:
            span.end()
            raise RuntimeError("broken")

    with pytest.raises(RuntimeError, match="broken"):
        act()

    (span,) = exported.get_finished_spans()
    assert (span.status.status_code, caplog.messages) == (StatusCode.UNSET, [])
