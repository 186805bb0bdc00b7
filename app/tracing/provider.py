"""
Where the spans of a process go: over OTLP/HTTP, from a queue of limited length that nobody waits for.

Made once a worker has been forked, because a thread carries the spans away. All else is what the standard variables
say (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/).
"""

import logging
import os
import socket
import threading
import time

import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ParentBased

from app.tracing.encoding import encode
from app.tracing.names import SCHEMA_URL, STEPSTREAM
from app.tracing.otel import OtelTracer
from app.version import VERSION

#: What a process that ends waits for its last spans; a collector that takes longer does without.
FLUSH_S_MAX = 3.0
#: One line about a collector that is away, however many spans it misses.
TOLD_INTERVAL_S = 60.0
PROTOCOLS = ("OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL")
SPOKEN = "http/protobuf"
#: Who in the SDK has something to say about spans that do not get out.
SPEAKERS = ("opentelemetry.sdk", "opentelemetry.exporter")
#: Who repeats a header that is malformed, with the key of the collector in it.
BLABBER = "opentelemetry.util.re"
#: Who tells of each caller whose `tracestate` is malformed, in the caller's words.
GOSSIP = "opentelemetry.trace.span"

log = structlog.get_logger(__name__)


class Tracing:
    """
    The tracing of one process.

    A program that has a provider of its own keeps it: then ours are among its spans, and it ends it. Else one is made
    and set as the global one, so that spans and instrumentations of agents go the same way.
    """

    def __init__(self, service: str) -> None:
        found = trace.get_tracer_provider()
        self._exporter: OTLPSpanExporter | None = None
        self._provider: TracerProvider | None = None
        if isinstance(found, trace.ProxyTracerProvider):
            found = self._provider = self._made(service)
        tracer = found.get_tracer(STEPSTREAM, VERSION, SCHEMA_URL)
        # One that the standard variables made never keeps a span below one that is not kept; of others we cannot know.
        follows = self._provider is not None and isinstance(self._provider.sampler, ParentBased)
        self.tracer = OtelTracer(tracer, follows_parents=follows)

    def close(self) -> None:
        """Waits until the last spans have gone, but not for long."""
        if self._provider is None or self._exporter is None:
            return
        # Its own limit is half a minute, and it cannot be told another one.
        thread = threading.Thread(target=self._provider.shutdown, name="tracing-flush", daemon=True)
        thread.start()
        thread.join(FLUSH_S_MAX)
        if thread.is_alive():
            log.warning("tracing_flush_given_up", after_s=FLUSH_S_MAX)
            self._exporter.shutdown()  # type: ignore[no-untyped-call]

    def _made(self, service: str) -> TracerProvider:
        _hush()
        for name in PROTOCOLS:
            if os.environ.get(name, SPOKEN) not in ("", SPOKEN):
                log.warning("tracing_protocol_unknown", variable=name, said=f"spans go as {SPOKEN}, whatever it says")
        # Its one joint. Where a later version no longer has it, spans are encoded by its own means.
        trace_exporter.encode_spans = encode  # type: ignore[attr-defined, assignment]
        self._exporter = OTLPSpanExporter()
        provider = TracerProvider(resource=_resource(service), shutdown_on_exit=False)
        provider.add_span_processor(BatchSpanProcessor(self._exporter))
        trace.set_tracer_provider(provider)
        return provider


def _resource(service: str) -> Resource:
    """Who speaks; `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` have the last word."""
    own: dict[str, str | int] = {
        "service.name": f"{STEPSTREAM}-{service}",
        "service.version": VERSION,
        "service.instance.id": f"{socket.gethostname()}-{os.getpid()}",
        "process.pid": os.getpid(),
    }
    said = Resource.create()
    # What it says without having been asked.
    named = {name for name, value in said.attributes.items() if not str(value).startswith("unknown_service")}
    return said.merge(Resource({name: value for name, value in own.items() if name not in named}))


def _hush() -> None:
    handlers = dict.fromkeys(SPEAKERS, _Seldom()) | {BLABBER: _Wordless(), GOSSIP: logging.NullHandler()}
    for name, handler in handlers.items():
        speaker = logging.getLogger(name)
        speaker.handlers[:] = [handler]
        speaker.propagate = False


class _Seldom(logging.Handler):
    """Tells the first trouble in a while, and how much there was before."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self._unsaid = 0
        self._next_s = 0.0

    def emit(self, record: logging.LogRecord) -> None:
        self._unsaid += 1
        now_s = time.monotonic()
        if now_s < self._next_s:
            return
        self._next_s = now_s + TOLD_INTERVAL_S
        log.warning("tracing_trouble", said=record.getMessage(), times=self._unsaid)
        self._unsaid = 0


class _Wordless(logging.Handler):
    """Tells that a header is malformed, and nothing of what it is."""

    def emit(self, record: logging.LogRecord) -> None:  # noqa: ARG002
        log.warning("tracing_header_malformed", said="OTEL_EXPORTER_OTLP_HEADERS wants name=value, URL-encoded")
