"""A task over pages, from the submission to the report, with real processes and a real web server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx2
import pytest

from tests.deployment import Stack

# A stack of its own where files run side by side; tests/unit/web has all of it in one process.
pytestmark = pytest.mark.full

PAGES = {
    "/green": "<h1>Green tea</h1><p>Green tea is brewed at seventy degrees, because boiling water makes it bitter.</p>",
    "/black": "<h1>Black tea</h1><p>Black tea is brewed with boiling water for three to five minutes.</p>",
}


class Pages(BaseHTTPRequestHandler):
    """Two pages and a search that finds the second."""

    def do_GET(self) -> None:
        if self.path.startswith("/search?"):
            hit = {"url": f"http://127.0.0.1:{self.server.server_address[1]}/black", "title": "Black tea"}  # type: ignore[index]
            return self.say(200, "application/json", json.dumps({"results": [hit]}))
        body = PAGES.get(self.path)
        return self.say(200 if body else 404, "text/html; charset=utf-8", body or "")

    def say(self, status: int, kind: str, text: str) -> None:
        self.send_response(status)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(text.encode())))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def pages(shared_stack: Stack) -> Iterator[str]:
    """The web server at the one port of this machine that tasks may read."""
    with ThreadingHTTPServer(("127.0.0.1", shared_stack.pages_port), Pages) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{shared_stack.pages_port}"
        server.shutdown()
        thread.join()


def test_a_report_cites_the_pages_it_was_made_of(shared_stack: Stack, pages: str) -> None:
    """One that the task names and one that a search finds; one that is not there fails nothing."""
    body = {
        "task": "At which temperature is green tea brewed, and for how long is black tea brewed?",
        "inputs": {"urls": [f"{pages}/green", f"{pages}/gone"], "web": True},
    }

    reply = httpx2.post(f"{shared_stack.url}/run-task", json=body, headers={"prefer": "wait=60"}, timeout=70)

    task = reply.json()
    assert task["status"] == "completed", task
    report = httpx2.get(
        f"{shared_stack.url}/tasks/{task['task_id']}/result", headers={"accept": "text/markdown"}, timeout=60
    ).text
    assert "seventy degrees" in report
    assert "three to five minutes" in report
    assert f"{pages}/green" in report
    assert f"{pages}/black" in report


def test_a_page_of_another_port_of_this_machine_is_refused(shared_stack: Stack) -> None:
    """The exception is as narrow as it was written: not the API itself, not Redis."""
    body = {"task": "Read", "inputs": {"urls": [f"{shared_stack.url}/tasks", "http://127.0.0.1:6379/"]}}

    reply = httpx2.post(f"{shared_stack.url}/run-task", json=body, timeout=60)

    assert reply.status_code == 422
    assert [error["pointer"] for error in reply.json()["errors"]] == ["/inputs/urls/0", "/inputs/urls/1"]
