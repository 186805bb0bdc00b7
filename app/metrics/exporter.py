"""
Serves the metrics of one supervisor's workers: `/metrics`, `/healthz`, and nothing else.

The port may be taken, by another supervisor or by a stranger: then it is one of the next fifteen. What goes wrong is
said in the log and tried again; it never harms the workers.
"""

import errno
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from threading import Thread
from typing import Any, Protocol

import structlog
import uvicorn
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4

#: Ports that are tried: the one that was asked for and those behind it.
PORTS = 16
PORT_MAX = 65_535
RETRY_S = 5.0
CONNECTIONS_MAX = 20
STOP_S = 2
#: By name, since it is of a higher level: it bounds heads, and the time they may take.
PROTOCOL = "app.wire:BoundedHttp"
TEXT = "text/plain; charset=utf-8"

Send = Callable[[dict[str, Any]], Awaitable[None]]

log = structlog.get_logger(__name__)


class Life(Protocol):
    """How long an exporter lives."""

    def over(self) -> bool:
        """Whether it is over; waits a moment for that."""
        ...


class Exporter:
    """Listens and answers; `announce` is told the port, in a thread of its own, each time it listens."""

    def __init__(self, render: Callable[[], bytes], host: str, port: int, announce: Callable[[int], None]) -> None:
        self._render = render
        self._host = host
        self._port = port
        self._announce = announce
        self._failing = ""

    def run(self, life: Life) -> None:
        """Serves until the life is over."""
        while not life.over():
            try:
                with listening(self._host, self._port) as door:
                    self._failing = ""
                    self._serve(door, life)
            except OSError as error:
                self._say(error)
            retry_s = time.monotonic() + RETRY_S
            while time.monotonic() < retry_s and not life.over():
                pass

    def _serve(self, door: socket.socket, life: Life) -> None:
        """Until the life, or against all expectation the server, is over."""
        server = uvicorn.Server(_config(Page(self._render)))
        serving = Thread(target=server.run, args=([door],), name="metrics", daemon=True)
        serving.start()
        Thread(target=self._announce, args=(door.getsockname()[1],), name="announce", daemon=True).start()
        while serving.is_alive() and not life.over():
            pass
        server.should_exit = True
        serving.join(STOP_S)

    def _say(self, error: OSError) -> None:
        """Once for as long as it stays the same."""
        if self._failing != str(error):
            self._failing = str(error)
            log.warning("metrics_not_served", host=self._host, port=self._port, error=self._failing)


def listening(host: str, port: int) -> socket.socket:
    """A door at the first free one of `PORTS` ports, any for 0; raises the `OSError` of the last."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    ports = range(port, min(port + PORTS, PORT_MAX + 1)) if port else (0,)
    failure = OSError(errno.EADDRINUSE, "no port")
    for candidate in ports:
        door = socket.socket(family, socket.SOCK_STREAM)
        try:
            door.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            door.bind((host, candidate))
            # Two may be bound to one port, but only one may listen.
            door.listen()
            return door
        except OSError as error:
            failure = error
            door.close()
            if error.errno != errno.EADDRINUSE:
                raise
    raise failure


class Page:
    """The application: two paths and what HTTP says of all others."""

    def __init__(self, render: Callable[[], bytes]) -> None:
        self._pages: Mapping[str, tuple[str, Callable[[], bytes]]] = {
            "/metrics": (CONTENT_TYPE_PLAIN_0_0_4, render),
            "/healthz": (TEXT, lambda: b"ok\n"),
        }

    async def __call__(self, scope: Mapping[str, Any], _: object, send: Send) -> None:
        status, fields, body = self._answer(scope["method"], scope["path"])
        fields["content-length"] = str(len(body))
        headers = [(name.encode(), value.encode()) for name, value in fields.items()]
        await send({"type": "http.response.start", "status": int(status), "headers": headers})
        await send({"type": "http.response.body", "body": body})

    def _answer(self, method: str, path: str) -> tuple[HTTPStatus, dict[str, str], bytes]:
        if path not in self._pages:
            return HTTPStatus.NOT_FOUND, {"content-type": TEXT}, b"Here are /metrics and /healthz.\n"
        if method not in {"GET", "HEAD"}:
            return HTTPStatus.METHOD_NOT_ALLOWED, {"content-type": TEXT, "allow": "GET, HEAD"}, b"Only GET and HEAD.\n"
        kind, render = self._pages[path]
        return HTTPStatus.OK, {"content-type": kind, "cache-control": "no-store"}, render()


def _config(page: Page) -> uvicorn.Config:
    return uvicorn.Config(
        page,
        http=PROTOCOL,
        ws="none",
        loop="asyncio",
        lifespan="off",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=CONNECTIONS_MAX,
        timeout_graceful_shutdown=STOP_S,
    )
