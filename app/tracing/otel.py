"""The tracer over OpenTelemetry's API; whoever made its provider decides what is sampled and where it goes."""

import hashlib
import threading
from asyncio import CancelledError
from contextlib import AbstractContextManager
from functools import lru_cache
from types import TracebackType

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.sdk.trace import Tracer as SdkTracer
from opentelemetry.sdk.trace.id_generator import IdGenerator, RandomIdGenerator
from opentelemetry.trace import Link, SpanContext, SpanKind, StatusCode, TraceFlags, TraceState

from app.tracing.names import ERROR_TYPE, INTERRUPTED, LINK
from app.tracing.tracer import Attributes, Begin, Span, Value

#: Longer texts are cut: names, ids and codes are shorter.
VALUE_CHARS_MAX = 200
#: A message names what sent it to be followed, to be linked to, and again for the next one of its task.
REMEMBERED_MAX = 256
KINDS = {
    "internal": SpanKind.INTERNAL,
    "server": SpanKind.SERVER,
    "client": SpanKind.CLIENT,
    "producer": SpanKind.PRODUCER,
    "consumer": SpanKind.CONSUMER,
}
#: What ends a span early and is nobody's failure.
INTERRUPTIONS = (CancelledError, GeneratorExit)
HEX = 16


class SeededIds(RandomIdGenerator):
    """Random ids, but for a span that says which one it wants; asked in the thread that begins the span."""

    def __init__(self, others: IdGenerator) -> None:
        self._others = others
        self._wanted = threading.local()

    def want(self, span_id: int) -> None:
        self._wanted.span_id = span_id

    def generate_span_id(self) -> int:
        wanted: int | None = self._wanted.__dict__.pop("span_id", None)
        return self._others.generate_span_id() if wanted is None else wanted

    def generate_trace_id(self) -> int:
        return self._others.generate_trace_id()


class OtelTracer:
    """Begins spans of one OpenTelemetry tracer, which must be the SDK's for seeds to count."""

    on = True

    def __init__(self, tracer: trace.Tracer, *, follows_parents: bool = False) -> None:
        """`follows_parents`: the sampler is known to keep nothing below a span that is not kept."""
        self._tracer = tracer
        self._follows_parents = follows_parents
        self._ids: SeededIds | None = None
        if isinstance(tracer, SdkTracer):
            self._ids = tracer.id_generator = SeededIds(tracer.id_generator)

    def keeps(self, parent: str | None = None) -> bool:
        """See `Tracer.keeps`."""
        return not self._drops(_parsed(parent) or trace.get_current_span().get_span_context())

    def span(self, begin: Begin) -> AbstractContextManager[Span]:
        """See `Tracer.span`."""
        return _Entered(self, begin)

    def start(self, begin: Begin) -> trace.Span:
        """The span, which whoever asked for it ends."""
        parent = _parsed(begin.parent, begin.tracestate)
        context = trace.set_span_in_context(trace.NonRecordingSpan(parent)) if parent else contexts.get_current()
        above = parent or trace.get_current_span(context).get_span_context()
        if self._drops(above):
            return trace.NonRecordingSpan(above)
        links = [Link(found) for line in begin.links if (found := _parsed(line))]
        if self._ids is not None and above.is_valid:
            if begin.follows is not None:
                links.append(Link(_sibling(above, begin.follows), {LINK: "previous_attempt"}))
            if begin.seed is not None:
                self._ids.want(seeded_id(above.trace_id, begin.seed))
        return self._tracer.start_span(
            begin.name, context, KINDS[begin.kind], attributes=_clean(begin.attributes), links=links
        )

    def _drops(self, above: SpanContext) -> bool:
        return self._follows_parents and above.is_valid and not above.trace_flags.sampled


class OtelSpan:
    """See `Span`."""

    __slots__ = ("_span", "judged")

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        #: Whether what its end means has been said, so that an exception says nothing more.
        self.judged = False

    @property
    def traceparent(self) -> str | None:
        about = self._span.get_span_context()
        return f"00-{about.trace_id:032x}-{about.span_id:016x}-{about.trace_flags:02x}" if about.is_valid else None

    @property
    def recording(self) -> bool:
        return self._span.is_recording()

    def rename(self, name: str) -> None:
        self._span.update_name(name)

    def set(self, attributes: Attributes) -> None:
        if self._span.is_recording():
            self._span.set_attributes(_clean(attributes))

    def fail(self, error_type: str) -> None:
        self.judged = True
        # One that has ended, as that of a stream with its head, can be told nothing any more.
        if self._span.is_recording():
            self.set({ERROR_TYPE: error_type})
            # No description: the text of an error may repeat what a task or a document says.
            self._span.set_status(StatusCode.ERROR)

    def excuse(self) -> None:
        self.judged = True

    def end(self) -> None:
        self._span.end()


class _Entered(AbstractContextManager[Span]):
    def __init__(self, tracer: OtelTracer, begin: Begin) -> None:
        self._tracer = tracer
        self._begin = begin

    def __enter__(self) -> Span:
        started = self._tracer.start(self._begin)
        self._span = OtelSpan(started)
        self._token = contexts.attach(trace.set_span_in_context(started)) if self._begin.current else None
        return self._span

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._token is not None:
            contexts.detach(self._token)
        if isinstance(error, INTERRUPTIONS):
            self._span.set({INTERRUPTED: True})
        elif kind is not None and not self._span.judged:
            self._span.fail(kind.__name__)
        if self._span.recording:
            self._span.end()


def seeded_id(trace_id: int, seed: str) -> int:
    """The id of the span with this seed in this trace; never 0, which is no id."""
    digest = hashlib.sha256(f"{trace_id:032x} {seed}".encode()).digest()
    return int.from_bytes(digest[:8], "big") or 1


def _sibling(above: SpanContext, seed: str) -> SpanContext:
    return SpanContext(above.trace_id, seeded_id(above.trace_id, seed), True, above.trace_flags, above.trace_state)


def _parsed(traceparent: str | None, tracestate: str = "") -> SpanContext | None:
    """The context in a well-formed traceparent (https://www.w3.org/TR/trace-context/), `None` for anything else."""
    found = _context(traceparent) if traceparent else None
    if found is None or not tracestate:
        return found
    state = TraceState.from_header([tracestate])
    return SpanContext(found.trace_id, found.span_id, True, found.trace_flags, state)


@lru_cache(REMEMBERED_MAX)
def _context(traceparent: str) -> SpanContext | None:
    try:
        _, trace_id, span_id, flags = traceparent.split("-")
        numbers = int(trace_id, HEX), int(span_id, HEX), int(flags, HEX)
    except ValueError:
        return None
    found = SpanContext(numbers[0], numbers[1], True, TraceFlags(numbers[2]))
    return found if found.is_valid else None


def _clean(attributes: Attributes) -> dict[str, "Value"]:
    return {
        name: value[:VALUE_CHARS_MAX] if isinstance(value, str) and len(value) > VALUE_CHARS_MAX else value
        for name, value in attributes.items()
        if value is not None
    }
