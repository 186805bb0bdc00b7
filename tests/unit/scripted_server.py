"""A server that says what a test tells it to, and remembers what it was asked."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Answer = Callable[[BaseHTTPRequestHandler], None]

LINKS = dict.fromkeys(("self", "stream", "result", "events", "metrics"), "/")
ACCEPTED = {"task_id": "0-x", "status": "queued", "plan": {"planner": "rules", "steps": []}, "links": LINKS}
VIEW = {
    "task_id": "0-x", "task": "hello", "status": "completed", "tenant": "default", "priority": 5, "labels": {},
    "planner": "rules", "created_ms": 1, "last_seq": 5, "steps": [],
}  # fmt: skip
SUMMARY = {
    "task_id": "0-x", "task": "hello", "status": "completed", "priority": 5, "labels": {}, "created_ms": 1,
    "steps": 1, "steps_left": 0,
}  # fmt: skip


class ScriptedServer(ThreadingHTTPServer):
    """Gives one prepared answer per request, the last one for ever, and remembers what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Scripted)
        self.answers: list[Answer] = []
        self.asked: list[tuple[str, str, dict[str, str], bytes]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is part of the play."""


@contextmanager
def serving() -> Iterator[ScriptedServer]:
    """A server that answers."""
    with ScriptedServer() as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http
        http.shutdown()
        thread.join()


class Scripted(BaseHTTPRequestHandler):
    """One request: recorded, then answered by the script."""

    server: ScriptedServer

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server.asked.append((self.command, self.path, headers, body))
        answers = self.server.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    do_POST = do_DELETE = do_GET  # noqa: N815  # the names that http.server looks up

    def log_message(self, *args: Any) -> None:
        """Quiet."""


def say(status: int, body: object = None, content_type: str = "application/problem+json", **headers: str) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        content = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
        request.send_response(status)
        request.send_header("Content-Type", content_type)
        request.send_header("Content-Length", str(len(content)))
        for name, value in headers.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return answer


def frame(seq: int, kind: str = "step.progress") -> str:
    event = {"v": 1, "seq": seq, "type": kind, "ts": 1, "task_id": "0-x", "data": {}}
    return f"id: {seq}-77\nevent: {kind}\ndata: {json.dumps(event)}\n\n"


END = "event: stream.end\ndata: {}\n\n"


def stream(*parts: str, broken: bool = False) -> Answer:
    def answer(request: BaseHTTPRequestHandler) -> None:
        text = ("retry: 2000\n\n: hello\n\n" + "".join(parts)).encode()
        request.send_response(200)
        request.send_header("Content-Type", "text/event-stream; charset=utf-8")
        request.send_header("Content-Length", str(len(text) + (100 if broken else 0)))
        request.end_headers()
        request.wfile.write(text)

    return answer
