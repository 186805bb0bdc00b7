"""Spans as a collector is sent them: the same message that the exporter's own encoder makes."""

from dataclasses import dataclass
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.http import trace_exporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    Tracer,
    TraceState,
    set_span_in_context,
)

from app.tracing.encoding import encode

#: Numbers that are equal in Python, and not in what is sent.
SAME = (0, False, 0.0, -0.0, 1, True, 1.0)
PLAIN = st.sampled_from(SAME) | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(max_size=300)
VALUES = PLAIN | st.lists(PLAIN, max_size=3) | st.binary(max_size=5) | st.dictionaries(st.text(min_size=1), PLAIN)
ATTRIBUTES = st.dictionaries(st.text(min_size=1, max_size=9), VALUES, max_size=5)
STATES = st.sampled_from([None, TraceState([("vendor", "1"), ("other", "two")])])
CONTEXTS = st.builds(
    SpanContext, st.integers(1, 2**128 - 1), st.integers(1, 2**64 - 1), st.booleans(), st.just(TraceFlags(1)), STATES
)


@dataclass(frozen=True)
class Told:
    """What a program tells the SDK of a span."""

    name: str
    resource: dict[str, Any]
    scope: tuple[str, str, str]
    parent: SpanContext | None
    kind: SpanKind
    attributes: dict[str, Any]
    links: list[tuple[SpanContext, dict[str, Any]]]
    events: list[tuple[str, dict[str, Any]]]
    status: tuple[StatusCode, str | None]

    def ended(self) -> ReadableSpan:
        kept, tracer = recorder(self.resource, *self.scope)
        context = set_span_in_context(NonRecordingSpan(self.parent)) if self.parent else None
        span = tracer.start_span(self.name, context, self.kind, self.attributes, [Link(*link) for link in self.links])
        for name, attributes in self.events:
            span.add_event(name, attributes)
        span.set_status(*self.status)
        span.end()
        return kept.get_finished_spans()[0]


TOLD = st.builds(
    Told,
    name=st.text(max_size=20),
    resource=ATTRIBUTES,
    scope=st.tuples(st.sampled_from(["one", "two"]), st.just("1"), st.sampled_from(["", "a:schema"])),
    parent=st.none() | CONTEXTS,
    kind=st.sampled_from(SpanKind),
    attributes=ATTRIBUTES,
    links=st.lists(st.tuples(CONTEXTS, ATTRIBUTES), max_size=2),
    events=st.lists(st.tuples(st.text(max_size=5), ATTRIBUTES), max_size=1),
    status=st.tuples(st.sampled_from(StatusCode), st.none() | st.text(max_size=5)),
)


@given(st.lists(TOLD, max_size=3))
@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
def test_any_spans_are_encoded_as_the_exporter_would(told: list[Told]) -> None:
    """Each with all it says, below who said it: values by their types, and nothing remembered for something else."""
    spans = [one.ended() for one in told]

    assert said(encode(spans)) == said(encode_spans(spans))


def test_spans_of_one_process_are_one_group() -> None:
    """Who speaks is said once, however many spans there are."""
    spans = made([{"task": f"0-{number}", "agent": "writer"} for number in range(40)])

    encoded = encode(spans)

    assert encoded == encode_spans(spans)
    assert [len(scope.spans) for group in encoded.resource_spans for scope in group.scope_spans] == [40]


def test_what_no_encoder_takes_costs_itself_only() -> None:
    """A text that is no Unicode is left out, and its neighbours arrive."""
    spans = made([{"text": "\ud800", "agent": "writer"}, {"agent": "reader"}])

    encoded = said(encode(spans))

    assert encoded == said(encode_spans(spans))
    assert sorted(text.count("writer") for text in encoded) == [0, 1]


def test_the_exporter_has_the_joint_that_is_used() -> None:
    """A version without it would encode by its own means, and nobody would notice but for this."""
    assert "encode_spans" in trace_exporter.OTLPSpanExporter.export.__code__.co_names


def made(told: list[dict[str, Any]]) -> list[ReadableSpan]:
    kept, tracer = recorder({"service.name": "x"}, "one")
    for attributes in told:
        tracer.start_span("step", attributes=attributes).end()
    return list(kept.get_finished_spans())


def recorder(resource: dict[str, Any], *scope: str) -> tuple[InMemorySpanExporter, Tracer]:
    """A tracer, and where its spans are kept."""
    kept = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource(resource), shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(kept))
    return kept, provider.get_tracer(scope[0], *scope[1:])


def said(request: ExportTraceServiceRequest) -> list[str]:
    """Each span with who said it; equal speakers may be put together or not."""
    return sorted(
        f"{group.resource} {group.schema_url} {scope.scope} {scope.schema_url} {span}"
        for group in request.resource_spans
        for scope in group.scope_spans
        for span in scope.spans
    )
