"""A collector: takes what OTLP/HTTP brings, and puts the spans together."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)

KINDS = ("unspecified", "internal", "server", "client", "producer", "consumer")
ERROR = 2


@dataclass(frozen=True)
class Collected:
    """One span; ids are hexadecimal."""

    name: str
    kind: str
    trace_id: str
    span_id: str
    parent_id: str
    tracestate: str
    service: str
    scope: str
    error: bool
    began_ns: int
    ended_ns: int
    attributes: dict[str, Any]
    #: Trace, span and what the link says of it.
    links: list[tuple[str, str, str]]
    #: All of it as it came, to look for what must not be there.
    raw: str = field(repr=False)


class Collector(ThreadingHTTPServer):
    """Keeps the spans it gets; where it is told to hang it takes requests and never answers."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Export)
        self.spans: list[Collected] = []
        self.requests = 0
        self.go_on = threading.Event()
        self.go_on.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def of(self, trace_id: str) -> list[Collected]:
        """The spans of one trace, in the order in which they began."""
        return sorted((span for span in self.spans if span.trace_id == trace_id), key=lambda span: span.began_ns)

    def names(self, trace_id: str) -> list[str]:
        return [span.name for span in self.of(trace_id)]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the play."""


class _Export(BaseHTTPRequestHandler):
    server: Collector

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.requests += 1
        self.server.go_on.wait(60)
        assert self.path == "/v1/traces"
        self.server.spans += read(body)
        answer = ExportTraceServiceResponse().SerializeToString()
        self.send_response(200)
        self.send_header("content-type", "application/x-protobuf")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def read(body: bytes) -> list[Collected]:
    """The spans of one request."""
    found = ExportTraceServiceRequest.FromString(body)
    return [
        Collected(
            name=span.name,
            kind=KINDS[span.kind],
            trace_id=span.trace_id.hex(),
            span_id=span.span_id.hex(),
            parent_id=span.parent_span_id.hex(),
            tracestate=span.trace_state,
            service=_values(resource.resource.attributes)["service.name"],
            scope=scope.scope.name,
            error=span.status.code == ERROR,
            began_ns=span.start_time_unix_nano,
            ended_ns=span.end_time_unix_nano,
            attributes=_values(span.attributes),
            links=[
                (link.trace_id.hex(), link.span_id.hex(), _values(link.attributes).get("stepstream.link", ""))
                for link in span.links
            ],
            raw=str(span),
        )
        for resource in found.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ]


def _values(attributes: Any) -> dict[str, Any]:
    return {one.key: _value(one.value) for one in attributes}


def _value(value: Any) -> Any:
    kind = value.WhichOneof("value")
    return [_value(one) for one in value.array_value.values] if kind == "array_value" else getattr(value, kind)


@contextmanager
def collecting() -> Iterator[Collector]:
    """A collector that listens."""
    with Collector() as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.go_on.set()
        http.shutdown()
        thread.join()


def tree(spans: list[Collected]) -> str:
    """The spans as text, each below its parent; one whose parent never arrived says so."""
    known = {span.span_id for span in spans}
    lines: list[str] = []

    def show(span: Collected, depth: int) -> None:
        about = {name.removeprefix("stepstream."): value for name, value in span.attributes.items()}
        told = [f"{name}={about[name]}" for name in ("attempt", "delivery", "outcome", "error.type") if name in about]
        lost = " (below one that never arrived)" if span.parent_id not in known and depth else ""
        lines.append(" ".join([f"{'  ' * depth}{span.name} [{span.kind}]", *told]) + lost)
        for below in spans:
            if below.parent_id == span.span_id:
                show(below, depth + 1)

    for span in spans:
        if span.parent_id not in known:
            show(span, 0 if not span.parent_id or span.kind == "server" else 1)
    return "\n".join(lines)
