"""
The span of a request, around all else the application does.

FastAPI has spans of its own, which would stay open for the life of a stream and tell what a query says; they are off.
"""

from collections.abc import Callable, Iterable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.deps import TRACEPARENT
from app.api.request_log import STREAMS
from app.model.task import is_task_id
from app.tracing import names
from app.tracing.tracer import Begin, Span, Tracer

#: Asked every few seconds by machines, open for hours, or files.
UNTRACED = frozenset({
    "/", "/healthz", "/readyz", "/metrics", "/events", "/stream", "/favicon.ico",
    "/workers/targets", "/queues/history", "/system",
})  # fmt: skip
UNTRACED_BELOW = ("/static/", "/stream/")
SERVER_ERROR = 500
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class Traced:
    """
    Pure ASGI: a server span per request, below the caller's where it says so by a `traceparent`.

    Behind it the request carries the span's own context in place of the caller's: log lines, tasks and events are
    part of the trace.
    """

    def __init__(self, app: ASGIApp, tracer: Callable[[], Tracer]) -> None:
        self._app = app
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in UNTRACED or scope["path"].startswith(UNTRACED_BELOW):
            await self._app(scope, receive, send)
            return
        with self._tracer().span(_begin(scope)) as span:
            _hand_on(span, scope)
            await self._app(scope, receive, _Answered(span, scope, send))


class _Answered:
    """The way of the answer; the span ends with it, that of a stream with its head."""

    def __init__(self, span: Span, scope: Scope, send: Send) -> None:
        self._span = span
        self._scope = scope
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._tell(message["status"])
            if _header(message["headers"], b"content-type").startswith(STREAMS):
                self._span.end()
        await self._send(message)

    def _tell(self, status: int) -> None:
        scope = self._scope
        route = getattr(scope.get("route"), "path", None)
        if route is not None:
            self._span.rename(f"{_method(scope)} {route}")
        task_id = scope.get("path_params", {}).get("task_id")
        self._span.set(
            {
                names.HTTP_STATUS: status,
                names.HTTP_ROUTE: route,
                # Not before: a key that stands in a URL has been taken out by now.
                names.URL_PATH: scope["path"],
                names.TASK_ID: task_id if isinstance(task_id, str) and is_task_id(task_id) else None,
            }
        )
        if status >= SERVER_ERROR:
            self._span.fail(str(status))


def _begin(scope: Scope) -> Begin:
    method = _method(scope)
    sent = _header(scope["headers"], b"traceparent").decode("latin-1")
    return Begin(
        method,
        "server",
        {names.HTTP_METHOD: method, names.URL_SCHEME: scope.get("scheme", "http")},
        parent=sent if TRACEPARENT.fullmatch(sent) else None,
        tracestate=_header(scope["headers"], b"tracestate").decode("latin-1"),
    )


def _hand_on(span: Span, scope: Scope) -> None:
    """One that is not recorded leaves its caller's context, which says so, as it is."""
    sent = _header(scope["headers"], b"traceparent")
    if span.traceparent is None or (sent and not span.recording):
        return
    others = [(name, value) for name, value in scope["headers"] if name != b"traceparent"]
    # In place: whoever is behind this cleans the scope that the server has as well.
    scope["headers"] = [*others, (b"traceparent", span.traceparent.encode())]


def _method(scope: Scope) -> str:
    """Anything may be sent as a method; the conventions have a word for what is none."""
    return scope["method"] if scope["method"] in METHODS else names.OTHER


def _header(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes:
    return next((value for name, value in headers if name.lower() == wanted), b"")
