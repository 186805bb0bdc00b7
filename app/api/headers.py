"""
Headers of every answer, and pages of other origins that may ask.

| header                       | so that                                            |
|------------------------------|----------------------------------------------------|
| Cache-Control                | nothing of a tenant lies in a cache                |
| Content-Security-Policy      | an answer that is opened as a page can do nothing  |
| Cross-Origin-Resource-Policy | no foreign page embeds an answer                   |
| Referrer-Policy              | task ids, which stand in URLs, are told to nobody  |
| X-Content-Type-Options       | JSON and Markdown are never taken for HTML         |
| X-Frame-Options              | older browsers show nothing in frames either       |

A route may set any of them itself, and that holds.
"""

import re
from collections.abc import Awaitable
from urllib.parse import quote, unquote

from fastapi import FastAPI, Request
from fastapi.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.access.token import SHAPE

HEADERS = (
    (b"cache-control", b"no-store"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
)
#: Under which the headers that a request has gathered lie in its scope.
GATHERED = "stepstream.headers"
#: Under which lies whether a key stood in its URL.
KEY_IN_URL = "stepstream.key_in_url"
KEY = re.compile(SHAPE)
REDACTED = "[redacted]"

CORS_METHODS = ("GET", "POST", "DELETE")
CORS_REQUEST_HEADERS = (
    "Authorization", "Content-Type", "Idempotency-Key", "If-None-Match", "Last-Event-ID", "Prefer", "Traceparent",
    "X-Request-ID",
)  # fmt: skip
CORS_ANSWER_HEADERS = (
    "ETag", "Idempotency-Replayed", "Last-Seq", "Link", "Location", "Preference-Applied", "RateLimit",
    "RateLimit-Policy", "Retry-After", "Task-Id", "X-Request-ID",
)  # fmt: skip
CORS_AGE_S_MAX = 600


class SafeHeaders:
    """
    Pure ASGI: adds to the head of an answer; bodies and streams pass through as they are.

    Takes keys out of the URL as well, before anybody logs or repeats it: the server does so with the scope it gave us.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gathered: list[tuple[bytes, bytes]] = []
        scope[GATHERED] = gathered
        scope[KEY_IN_URL] = _redact_keys(scope)

        # Not a coroutine of its own, which every chunk of a stream would pay for.
        def completed(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                headers = [*message.get("headers", ()), *gathered]
                known = {name.lower() for name, _ in headers}
                message["headers"] = [*headers, *(header for header in HEADERS if header[0] not in known)]
            return send(message)

        await self._app(scope, receive, completed)


def _redact_keys(scope: Scope) -> bool:
    """Whether a key stood in the path or, however it was encoded, in the query; none does any more."""
    scope["path"], found = KEY.subn(REDACTED, scope["path"])
    if found:
        scope["raw_path"] = quote(scope["path"]).encode()
    query = unquote(scope["query_string"].decode("latin-1"), "latin-1")
    if KEY.search(query):
        scope["query_string"] = REDACTED.encode()
        return True
    return found > 0


def add_header(request: Request, name: str, value: str) -> None:
    """Puts a header on the answer to this request, whatever kind of answer it becomes."""
    request.scope[GATHERED].append((name.lower().encode(), value.encode()))


def allow_origins(app: FastAPI, origins: tuple[str, ...]) -> None:
    """Lets pages of these origins read answers; cookies and the like are never asked for, keys are sent knowingly."""
    if origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=origins,
            allow_credentials=False,
            allow_methods=CORS_METHODS,
            allow_headers=CORS_REQUEST_HEADERS,
            expose_headers=CORS_ANSWER_HEADERS,
            max_age=CORS_AGE_S_MAX,
        )
