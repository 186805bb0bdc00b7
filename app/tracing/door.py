"""
The tracer of one process, opened only where traces are wanted.

Nothing of ours imports OpenTelemetry before that, so a process that traces nothing never pays for it. (FastAPI imports
its API by itself, and the Redis client what it finds of its metrics.)
"""

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from importlib.util import find_spec
from typing import Literal

import anyio
import structlog
from anyio import to_thread

from app.errors import StepstreamError
from app.tracing.tracer import NO_TRACER, Tracer

Mode = Literal["auto", "on", "off"]

#: Who sets one of these wants traces.
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
NEEDED = ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http")

log = structlog.get_logger(__name__)


class TracingExtraMissing(StepstreamError):
    """Traces are asked for, and what makes them is not installed."""

    def __init__(self) -> None:
        super().__init__("STEPSTREAM_TRACING is on; tracing needs: pip install 'stepstream[otel]'")


def wanted(mode: Mode, variables: Mapping[str, str] = os.environ) -> bool:
    """Whether this process is to trace; the standard's own switches count, whatever the mode."""
    disabled = variables.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    if mode == "off" or disabled or variables.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "none":
        return False
    return mode == "on" or any(variables.get(name) for name in ENDPOINTS)


def installed() -> bool:
    """Whether the extra is there; where traces are wanted only, because it imports the packages around it."""
    try:
        return all(find_spec(name) is not None for name in NEEDED)
    except ModuleNotFoundError:
        return False


def traced(mode: Mode) -> bool:
    """Whether this process traces; raises `TracingExtraMissing` where it must and cannot."""
    if not wanted(mode):
        return False
    if installed():
        return True
    if mode == "on":
        raise TracingExtraMissing
    return False


@asynccontextmanager
async def opened(mode: Mode, service: str) -> AsyncIterator[Tracer]:
    """The tracer of a process, whose last spans leave with it; raises `TracingExtraMissing`."""
    if not traced(mode):
        yield NO_TRACER
        return
    from app.tracing.provider import Tracing

    try:
        tracing = Tracing(service)
    # What the standard variables say makes no sense to the SDK: no reason not to work.
    except ValueError as error:
        log.error("tracing_refused", error=str(error), said="no traces: mend the OTEL_ variables")  # noqa: TRY400
        yield NO_TRACER
        return
    try:
        yield tracing.tracer
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(tracing.close)
