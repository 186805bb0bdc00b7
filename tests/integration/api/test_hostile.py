"""Headers, positions and bodies of every kind: whatever comes in, the answer is a deliberate one."""

import json
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import quote

import httpx2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from app.api import prefer
from tests.integration.api.support import LINE, Api, running

pytestmark = pytest.mark.anyio

EXAMPLES = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
#: What servers pass on: bytes that are text to nobody among them.
HEADER = st.binary(max_size=60).map(lambda raw: bytes(byte for byte in raw if byte > 31 and byte != 127).strip())
TOKENS = st.lists(
    st.sampled_from(
        ["wait", "=", "5", ";", ",", '"', "*/*", "text/html", "application/json", "text/event-stream", "q=", "0.5",
         "1e9",
         "nan", "\\", "é", "٣", "W/", '"5-running"', "00-", "0" * 32, "a" * 32, "-", "b" * 16, "01", " ", "\t",
         "9" * 30,
         "respond-async", "42", "65536", "%00", "sk_"]
    ),
    max_size=9,
).map("".join)  # fmt: skip
ANY = HEADER | TOKENS.map(lambda text: text.strip().encode())
PLACES = st.text(max_size=30) | TOKENS | st.integers(-5, 10**20).map(str)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
MEMBERS = st.sampled_from(
    ["task", "plan", "inputs", "priority", "labels", "deadline", "not_before", "concurrency", "documents", "key",
     "limit",
     "step_id", "agent", "payload", "depends_on", "mode", "reason", "from_step", "text", "name", "__proto__"]
)  # fmt: skip
BODIES = JSON | st.dictionaries(MEMBERS, JSON | st.dictionaries(MEMBERS, JSON, max_size=3), max_size=5)

HEADERS = (
    "accept", "prefer", "idempotency-key", "traceparent", "last-event-id", "if-none-match", "content-type", "host",
    "origin", "authorization", "x-request-id", "x-forwarded-for", "content-length", "access-control-request-method",
)  # fmt: skip
#: Routes and a parameter of theirs.
QUERIES = (
    ("/tasks", "cursor"), ("/tasks", "label"), ("/tasks", "created_after"), ("/tasks", "q"), ("/tasks", "limit"),
    ("/tasks", "status"), ("/tasks/{}", "x"), ("/tasks/{}/events", "after"), ("/tasks/{}/events", "limit"),
    ("/stream/{}", "after"), ("/stream/{}", "types"), ("/stream/{}", "follow"), ("/dead-letters", "cursor"),
    ("/dead-letters", "queue"), ("/dead-letters/{}", "x"), ("/metrics/{}", "x"),
)  # fmt: skip
POSTS = ("/run-task", "/plan", "/tasks/{}/cancel", "/tasks/{}/pause", "/tasks/{}/retry", "/tasks/{}/fork")


@pytest.fixture(scope="module")
async def shared(redis_url: str, anyio_backend: object) -> AsyncIterator[Api]:
    """One application for all examples; a stream in it ends soon, and nobody waits."""
    patch = pytest.MonkeyPatch()
    patch.setattr(prefer, "WAIT_S_MAX", 0)
    async with running(redis_url=redis_url, namespace="test-hostile", stream_s_max=0.01, heartbeat_s=0.02) as api:
        yield api
    patch.undo()


@pytest.fixture(scope="module")
async def task_id(shared: Api) -> str:
    return await shared.submit()


def check(reply: httpx2.Response) -> None:
    """No defect; and a refusal is a problem document."""
    assert reply.status_code < 500, reply.text
    if reply.status_code >= 400:
        problem = reply.json()
        assert reply.headers["content-type"] == "application/problem+json"
        assert (problem["status"], bool(problem["detail"])) == (reply.status_code, True)


@EXAMPLES
@given(st.lists(st.tuples(st.sampled_from(HEADERS), ANY), max_size=3), st.booleans())
async def test_headers_of_any_kind_find_no_defect(
    shared: Api, task_id: str, headers: list[tuple[str, bytes]], key: bool
) -> None:
    """Those that change an answer, with values that nobody should send, repeated and together."""
    raw = [(name.encode(), value) for name, value in headers]
    repeated = [(b"idempotency-key", b"k")] if key else []
    body = {"task": "Do it", "plan": LINE}

    check(await shared.http.post("/run-task", json=body, headers=raw + repeated))
    for path in ("/tasks/{}", "/tasks/{}/result", "/tasks/{}/events", "/stream/{}?follow=false"):
        check(await shared.http.get(path.format(task_id), headers=raw))


@EXAMPLES
@given(st.sampled_from(QUERIES), PLACES, PLACES)
async def test_positions_of_any_kind_find_no_defect(
    shared: Api, task_id: str, query: tuple[str, str], one: str, other: str
) -> None:
    """Cursors, positions, limits, filters and ids, whatever they look like."""
    path, name = query

    check(await shared.http.get(path.format(task_id), params=[(name, one), (name, other)]))
    check(await shared.http.get(path.format(quote(one, safe="")), params={name: other}))


@EXAMPLES
@given(st.sampled_from(POSTS), BODIES | st.binary(max_size=20))
async def test_bodies_of_any_kind_find_no_defect(shared: Api, task_id: str, path: str, body: Any) -> None:
    """JSON that has the names but not the sense, what Python takes for JSON, and what is none at all."""
    content = body if isinstance(body, bytes) else json.dumps(body).encode(errors="surrogatepass")

    headers = {"content-type": "application/json"}
    check(await shared.http.post(path.format(task_id), content=content, headers=headers))
