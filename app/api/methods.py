"""
Methods that no route declares: HEAD, which every GET implies, and OPTIONS, which asks what there is.

RFC 9110, sections 9.3.2, 9.3.7 and 15.5.6: a 405 names the methods of its resource, whichever route has them.
"""

import re

import anyio
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.api.event_stream import BODIES


class Methods:
    """Which methods the paths of an application have."""

    def __init__(self, app: FastAPI) -> None:
        self._known: list[tuple[re.Pattern[str], set[str]]] = [
            (compile_path(route.path)[0], set(route.methods or ()))
            for route in iter_route_contexts(app.routes)
            if route.path is not None
        ]

    def allow(self, path: str) -> str:
        """The value of `Allow` for a path."""
        found = set().union(*(methods for pattern, methods in self._known if pattern.match(path)))
        if "GET" in found:
            found.add("HEAD")
        return ", ".join(sorted(found | {"OPTIONS"}))


class HeadAsGet:
    """Pure ASGI: a HEAD is answered as a GET is, without its body, and a stream ends with its head."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "HEAD":
            await self._app(scope, receive, send)
            return
        head = _Head(send)
        await self._app({**scope, "method": "GET", BODIES: head.send}, head.receive, head.send)


class _Head:
    """The ends of a HEAD: to the application the client is gone as soon as it has the head."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._sent = anyio.Event()

    async def receive(self) -> Message:
        await self._sent.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            await self._send(message)
        elif not self._sent.is_set():
            await self._send({"type": "http.response.body", "body": b""})
            self._sent.set()
