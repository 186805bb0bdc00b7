"""
An id for every request and lines about it, around everything else the application does.

| event          | when                                                  | level                               |
|----------------|-------------------------------------------------------|-------------------------------------|
| request_served | the answer is complete, or will never be              | info; debug for `QUIET` routes      |
| stream_opened  | an event stream begins                                | info                                |
| stream_closed  | it has ended, whoever ended it                        | info                                |
| request_failed | the application has a bug                             | error                               |

Their fields: `method`, `route` (its template, so that lines can be counted) or the `path` that no route knows,
`status`, `duration_ms`, `bytes` of the body, whether it is `complete`, `client`, `key_id`, and `task_id` where there
is one. A query is never logged, and of a key only its id.
"""

import logging
import random
import re
import time
from collections.abc import Awaitable, Mapping
from typing import Any

import structlog
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from app.api.deps import TRACEPARENT
from app.api.event_stream import BODIES
from app.logs.setup import write_line
from app.model.task import is_task_id

REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}")
STREAMS = (b"text/event-stream", b"application/x-ndjson")
#: Asked every few seconds by machines.
QUIET = frozenset({"/healthz", "/readyz", "/metrics"})

log = structlog.get_logger(__name__)


class RequestLog:
    """
    Pure ASGI, so that bodies pass through as they are.

    `X-Request-ID` of a request is kept when it is fit to be logged, else one is made; the answer carries it.
    """

    def __init__(self, app: ASGIApp, *, lines: bool = True) -> None:
        self._app = app
        self._lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        served = Served(scope, send, self._lines)
        scope[BODIES] = served.send
        # Several requests may share a context where no server gives each its own.
        clear_contextvars()
        bind_contextvars(**served.ids())
        try:
            await self._app(scope, receive, served.send)
        # A bug, whatever it is. Where a complete answer was sent, nothing is left for the server to do.
        except Exception:
            log.exception("request_failed", **served.about())
            if not served.complete:
                raise
        finally:
            # It leads back to the scope: what is left in a circle waits for the garbage collector.
            scope.pop(BODIES, None)
            served.tell()


class Served:
    """One request, from its first byte to the last of its answer."""

    def __init__(self, scope: Scope, send: Send, lines: bool) -> None:
        self.complete = False
        self._scope = scope
        self._send = send
        self._lines = lines
        self._began_s = time.perf_counter()
        self._status: int | None = None
        self._bytes = 0
        self._stream = False
        given = _header(scope, b"x-request-id")
        self._id = given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(128):032x}"

    def ids(self) -> dict[str, str]:
        trace = _header(self._scope, b"traceparent")
        found = {"request_id": self._id}
        return found | {"trace": trace} if TRACEPARENT.fullmatch(trace) else found

    def send(self, message: Message) -> Awaitable[None]:
        """Not a coroutine of its own, which every chunk of a stream would pay for."""
        if message["type"] == "http.response.body":
            self._bytes += len(message.get("body", b""))
            self.complete = not message.get("more_body", False)
        elif message["type"] == "http.response.start":
            self._begin(message)
        return self._send(message)

    def _begin(self, message: Message) -> None:
        self._status = message["status"]
        headers = message["headers"] = [*message.get("headers", ()), (b"x-request-id", self._id.encode())]
        media_type = next((value for name, value in headers if name == b"content-type"), b"")
        self._stream = media_type.startswith(STREAMS)
        if self._stream and self._lines:
            _say(logging.INFO, "stream_opened", self.about())

    def tell(self) -> None:
        if not self._lines:
            return
        about = self.about()
        about |= {
            "duration_ms": round((time.perf_counter() - self._began_s) * 1000, 1),
            "bytes": self._bytes,
            "complete": self.complete,
        }
        level = logging.DEBUG if about["route"] in QUIET else logging.INFO
        _say(level, "stream_closed" if self._stream else "request_served", about)

    def about(self) -> dict[str, Any]:
        scope = self._scope
        state: Mapping[str, Any] = scope.get("state", {})
        route = getattr(scope.get("route"), "path", None)
        about = {"method": scope["method"], "route": route, "status": self._status}
        if route is None:
            about["path"] = scope["path"]
        task_id = scope.get("path_params", {}).get("task_id")
        if isinstance(task_id, str) and is_task_id(task_id):
            about["task_id"] = task_id
        client = scope.get("client")
        return about | {"client": client and client[0], "key_id": getattr(state.get("principal"), "key_id", None)}


def _say(level: int, event: str, fields: dict[str, Any]) -> None:
    if not write_line(level, __name__, event, fields):
        log.log(level, event, **fields)


def _header(scope: Scope, wanted: bytes) -> str:
    return next((value.decode("latin-1") for name, value in scope["headers"] if name == wanted), "")
