"""What a server of a language model may answer, for the scripted server: well, badly, late or not at all."""

import json
import os
import socket
import struct
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from typing import Any

from tests.unit.scripted_server import Answer, ScriptedServer, say

USAGE = {"prompt_tokens": 12, "completion_tokens": 5, "prompt_tokens_details": {"cached_tokens": 4}}
PIECE_CHARS = 7


def chunk(text: str | None = None, finish: str | None = None, **more: Any) -> bytes:
    """One part of a stream."""
    delta = {} if text is None else {"content": text}
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    body = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "served", "choices": choices} | more
    return b"data: " + json.dumps(body).encode() + b"\n\n"


def opened(request: BaseHTTPRequestHandler, media_type: str = "text/event-stream") -> None:
    request.send_response(200)
    request.send_header("Content-Type", media_type)
    request.end_headers()


def writes(text: str, *, finish: str | None = "stop", usage: dict[str, Any] | None = USAGE) -> Answer:
    """A stream of small pieces, with the count of tokens behind it unless `usage` is `None`."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        opened(request)
        request.wfile.write(chunk("", role="assistant"))
        for start in range(0, len(text), PIECE_CHARS):
            request.wfile.write(chunk(text[start : start + PIECE_CHARS]))
        if finish is not None:
            request.wfile.write(chunk(None, finish))
        if usage is not None:
            request.wfile.write(chunk(choices=[], usage=usage))
        if finish is not None:
            request.wfile.write(b"data: [DONE]\n\n")

    return answer


def whole(text: str) -> Answer:
    """The answer of a server that does not know streams."""
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    return say(200, {"id": "c", "choices": choices, "usage": USAGE}, "application/json")


def refuses(status: int, message: str, *, code: str | None = None, **headers: str) -> Answer:
    """An error as servers word it."""
    error = {"message": message, "type": "invalid_request_error", "code": code}
    return say(status, {"error": error}, "application/json", **headers)


def stalls(*parts: bytes, until: threading.Event) -> Answer:
    """Sends these parts and then nothing, until the test is over."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        opened(request)
        request.wfile.write(b"".join(parts))
        request.wfile.flush()
        until.wait(30)

    return answer


def resets(*parts: bytes) -> Answer:
    """Sends these parts and resets the connection."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        opened(request)
        request.wfile.write(b"".join(parts))
        request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(request.connection.detach())

    return answer


def floods(text: str = "x" * 60_000) -> Answer:
    """Writes on until the client hangs up."""

    def answer(request: BaseHTTPRequestHandler) -> None:
        opened(request)
        part = chunk(text)
        while True:
            request.wfile.write(part)

    return answer


def asked(server: ScriptedServer) -> Sequence[dict[str, Any]]:
    """The bodies of the calls so far."""
    return [json.loads(body) for method, _, _, body in server.asked if method == "POST"]
