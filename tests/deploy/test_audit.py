"""`make audit` before a service of advisories of our own: what it finds, and what it cannot look up."""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from tests.deploy.audit import EXIT_FOUND, EXIT_UNKNOWN, all_audited, judged
from tests.deploy.tools import lacking
from tests.deployment import free_port

FLAW = {
    "id": "GHSA-test", "summary": "for a test", "modified": "2026-01-01T00:00:00Z", "published": "2026-01-01T00:00:00Z",
    "affected": [{"package": {"name": "hatchling", "ecosystem": "PyPI"}, "versions": ["1.33.0"],
                  "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.34.0"}]}]}],
}  # fmt: skip


@contextmanager
def advisories(flaws: dict[str, Any]) -> Iterator[str]:
    """A service with the interface of https://osv.dev that knows these flaws, by name of the package."""

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            known = flaws.get(asked["package"]["name"])
            body = json.dumps({"vulns": [known]} if known else {}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/v1/query"
    server.shutdown()
    thread.join(60)
    server.server_close()


@pytest.fixture(autouse=True)
def pip_audit() -> None:
    done = subprocess.run([sys.executable, "-m", "pip_audit", "--version"], capture_output=True, check=False)
    if done.returncode:
        lacking("no pip-audit")


def at(url: str) -> list[Any]:
    return all_audited("--vulnerability-service", "osv", "--osv-url", url)


@pytest.mark.full
def test_a_known_vulnerability_fails_the_audit() -> None:
    """It is named, with the version that mends it; the rest of both locks has been looked up."""
    with advisories({"hatchling": FLAW}) as url:
        said, code = judged(at(url), lenient=True)

    assert said[0] == "hatchling 1.33.0: GHSA-test, fixed in 1.34.0"
    assert code == EXIT_FOUND
    assert "NOT AUDITED" not in "".join(said)


@pytest.mark.full
def test_an_audit_without_advisories_is_none() -> None:
    """Nobody answers: it fails by hand, and says so where it may go on."""
    results = at(f"http://127.0.0.1:{free_port()}/v1/query")
    said, code = judged(results, lenient=False)

    assert code == EXIT_UNKNOWN
    assert judged(results, lenient=True) == (said, 0)
    assert said[0] == "advisories looked up for 0 packages; known vulnerabilities: 0"
    assert said[1].startswith("NOT AUDITED")
