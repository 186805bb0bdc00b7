"""
HTTP on the wire, with the bounds that uvicorn's own protocol lacks: `uvicorn --http app.wire:BoundedHttp …`.

| bound                             | what it meets                                             |
|-----------------------------------|-----------------------------------------------------------|
| `HEAD_BYTES_MAX`                  | a head, a trailer or a chunk extension that does not end  |
| `HEAD_S_MAX`                      | a connection that does not say what it wants              |
| `LINGER_S_MAX`                    | a client that goes on sending after it was answered       |
| `AHEAD_MAX`                       | one that sends request upon request and awaits no answer  |

How large a body may be, and how long it may take, is up to the application (`app/api/json_body.py`).
"""

import asyncio
from asyncio.events import TimerHandle
from http import HTTPStatus
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES_MAX = 64 << 10
HEAD_S_MAX = 30.0
LINGER_S_MAX = 10.0
AHEAD_MAX = 100


class HeadTooLarge(Exception):
    """Raised inside the parser, which hands every error to `send_400_response`."""


class TooFarAhead(Exception):
    """Raised likewise: more requests wait for the answers before theirs than may; those are answered, and no more."""


class BoundedHttp(HttpToolsProtocol):
    """One connection; what is no HTTP, or too much of it, is answered with a problem and closed."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._unused = 0  # bytes received since something last came of them
        self._in_message = False
        self._is_deaf = False
        self._timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as the base class has it
        super().connection_made(transport)
        self._set_timer(HEAD_S_MAX, self._head_overdue)

    def connection_lost(self, exc: Exception | None) -> None:
        self._clear_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_deaf:
            return
        self._unused += len(data)
        super().data_received(data)
        if self._unused > HEAD_BYTES_MAX and not self._is_deaf:
            self._refuse(431)

    def on_message_begin(self) -> None:
        # The server stops reading while one request is under way, but not before all that has come is taken apart.
        if len(self.pipeline) >= AHEAD_MAX:
            raise TooFarAhead
        super().on_message_begin()
        self._in_message = True
        if self._timer is None:
            self._set_timer(HEAD_S_MAX, self._head_overdue)

    def on_header(self, name: bytes, value: bytes) -> None:
        # What comes behind a body are trailers, which nobody reads.
        if self._timer is not None:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._unused > HEAD_BYTES_MAX and self._head_bytes() > HEAD_BYTES_MAX:
            raise HeadTooLarge
        self._unused = 0
        self._clear_timer()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._unused = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._unused = 0
        self._in_message = False
        if self._timer is not None:
            # It was answered before it had all come; now the connection may be used again.
            self._clear_timer()
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_message and self._timer is None and self.cycle.response_complete:
            self._set_timer(LINGER_S_MAX, self.transport.close)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # the name of the base class
        self._refuse(431 if self._unused > HEAD_BYTES_MAX else 400)

    def _head_bytes(self) -> int:
        return len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)

    def _head_overdue(self) -> None:
        self._timer = None
        if self._is_answering:
            self._set_timer(HEAD_S_MAX, self._head_overdue)
        elif self._in_message:
            self._refuse(408)
        else:
            self.transport.close()

    @property
    def _is_answering(self) -> bool:
        return self.cycle is not None and not self.cycle.response_complete

    def _refuse(self, code: int) -> None:
        """Answers what is no request, or not to its end; a request that lies before it is answered first."""
        self._is_deaf = True
        if self._is_answering and not self.cycle.more_body:
            self.cycle.keep_alive = False
        elif self._is_answering and self.cycle.response_started:
            self.transport.close()
        else:
            self._say(HTTPStatus(code))
            self._close_slowly()

    def _close_slowly(self) -> None:
        """With bytes left unread the other side would be told of a broken connection, and lose the answer."""
        if not self.transport.can_write_eof():
            self.transport.close()
            return
        self.transport.write_eof()
        self._set_timer(LINGER_S_MAX, self.transport.close)

    def _say(self, status: HTTPStatus) -> None:
        body = orjson.dumps(
            {"type": "about:blank", "title": status.phrase, "status": status, "detail": f"{status.description}."}
        )
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: application/problem+json\r\n"
            f"content-length: {len(body)}\r\ncache-control: no-store\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)

    def _set_timer(self, seconds: float, then: Any) -> None:
        self._clear_timer()
        self._timer = self.loop.call_later(seconds, then)

    def _clear_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
