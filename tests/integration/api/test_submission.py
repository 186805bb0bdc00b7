"""Submissions: what is accepted, and how each kind of refusal reads."""

import gzip
from collections.abc import AsyncIterator
from typing import Any

import pytest
import redis.asyncio

from app.keys import Keys
from tests.integration.api.support import LINE, Api, pointers, problem_of, running
from tests.redis_users import as_user

pytestmark = pytest.mark.anyio


async def test_a_task_is_accepted_with_its_plan_and_links(api: Api, client: "redis.asyncio.Redis") -> None:
    """202 says where to go on, and the first step is on its way when it is said."""
    reply = await api.http.post("/run-task", json={"task": "Do it", "plan": LINE, "labels": {"team": "a"}})

    body = reply.json()
    assert reply.status_code == 202
    assert reply.headers["location"] == f"/tasks/{body['task_id']}" == body["links"]["self"]
    assert body["status"] == "queued"
    assert [(s["step_id"], s["agent"], s["depends_on"]) for s in body["plan"]["steps"]] == [
        (1, "retriever", []),
        (2, "analyzer", [1]),
        (3, "writer", [2]),
    ]
    for link in body["links"].values():
        if not link.startswith("/stream"):
            assert (await api.http.get(link)).status_code in (200, 202), link
    assert await client.zcard(api.services.keys.open) == 1


async def test_a_task_without_a_plan_gets_one(api: Api) -> None:
    """The words of the task are enough."""
    reply = await api.http.post("/run-task", json={"task": "Compare solar and wind power"})

    assert reply.status_code == 202
    assert reply.json()["plan"]["planner"] == "rules"
    assert len(reply.json()["plan"]["steps"]) >= 3


async def test_planning_runs_nothing(api: Api, client: "redis.asyncio.Redis", namespace: str) -> None:
    """POST /plan answers with the plan of the same submission and leaves no trace in Redis."""
    reply = await api.http.post("/plan", json={"task": "Do it", "plan": LINE})

    assert reply.status_code == 200
    assert reply.json()["planner"] == "client"
    assert await client.keys(f"{Keys(namespace).tag}:t:*") == []


async def test_without_enough_replicas_nobody_is_told_that_it_is_safe(redis_url: str, namespace: str) -> None:
    """503 says that the task stands and how to find it: by the same request, once there are enough."""
    settings = {"redis_url": as_user(redis_url, "api"), "namespace": namespace}
    keyed: Any = {"json": {"task": "Do it", "plan": LINE}, "headers": {"Idempotency-Key": "once"}}
    async with running(**settings, replicas_min=1, replicas_wait_ms=20) as api:
        refused = [problem_of(await api.http.post("/run-task", **keyed), 503) for _ in range(2)]
        assert await api.services.redis.zcard(api.services.keys.open) == 1
    async with running(**settings) as api:
        found = await api.http.post("/run-task", **keyed)

    assert all("0 of 1 replicas" in problem["detail"] for problem in refused)
    assert (found.status_code, found.headers["idempotency-replayed"]) == (202, "true")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ["/task"]),
        ({"task": 7}, ["/task"]),
        ({"task": "  "}, ["/task"]),
        ({"task": "a\u0000b"}, ["/task"]),
        ({"task": "x", "urls": []}, ["/urls"]),
        ({"task": "x", "deadline": 1}, ["/deadline"]),
        ({"task": "x", "inputs": {"paths": []}}, ["/inputs/paths"]),
        ({"task": "x", "inputs": {"collection": "nope"}}, ["/inputs/collection"]),
        ({"task": "x", "inputs": {"urls": "http://a.example/"}}, ["/inputs/urls"]),
        ({"task": "x", "inputs": {"urls": ["http://a.example/", "http://127.1/", ""]}}, ["/inputs/urls/2"]),
        ({"task": "x", "inputs": {"urls": ["http://a.example/", "http://127.1/"]}}, ["/inputs/urls/1"]),
        ({"task": "x", "inputs": {"urls": ["http://a.example/\u0085"]}}, ["/inputs/urls/0"]),
        ({"task": "x", "inputs": {"web": True}}, ["/inputs/web"]),
        ({"task": "x", "inputs": {"web": "yes"}}, ["/inputs/web"]),
        ({"task": "x", "inputs": {"documents": [{"name": "n", "text": "a\u0001"}]}}, ["/inputs/documents/0/text"]),
        ({"task": "x", "inputs": {"documents": [{"name": "n"}]}}, ["/inputs/documents/0/text"]),
        ({"task": "x", "priority": 10}, ["/priority"]),
        ({"task": "x", "priority": "5"}, ["/priority"]),
        ({"task": "x", "labels": {"a/b": 1}}, ["/labels/a~1b"]),
        ({"task": "x", "plan": [{"step_id": 1, "agent": "nobody", "payload": "x"}]}, ["/plan/0/agent"]),
        ({"task": "x", "plan": [{"step_id": 1, "agent": "writer", "payload": "a\u0007"}]}, ["/plan"]),
        ({"task": 1, "priority": -1}, ["/task", "/priority"]),
        ([], [""]),
    ],
)
@pytest.mark.parametrize("path", ["/run-task", "/plan"])
async def test_every_broken_rule_has_a_pointer(api: Api, path: str, body: Any, expected: list[str]) -> None:
    """422 lists every problem with the place in the body that it is about."""
    reply = await api.http.post(path, json=body)

    problem = problem_of(reply, 422)
    assert problem["type"] == "urn:stepstream:problem:invalid-request"
    assert pointers(problem) == expected


async def test_tabs_and_line_breaks_are_text(api: Api) -> None:
    """Only what nobody can see or mean is refused."""
    reply = await api.http.post("/run-task", json={"task": "a\tb\r\nc — ünïcode 🙂", "plan": LINE})

    assert reply.status_code == 202


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"task": NaN}', b'{"task": "\\ud800"}', b"[" * 5000, b"\xff\xfe", b'{"task": "a\nb"}']
)
async def test_what_is_not_json_is_a_bad_request(api: Api, content: bytes) -> None:
    """The parser takes JSON and nothing that merely looks like it."""
    reply = await api.http.post("/run-task", content=content, headers={"content-type": "application/json"})

    assert problem_of(reply, 400)["type"] == "urn:stepstream:problem:malformed-body"


@pytest.mark.parametrize("content_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_another_content_type_is_refused(api: Api, content_type: str) -> None:
    """A form of another site cannot submit by accident."""
    reply = await api.http.post("/run-task", content=b'{"task":"x"}', headers={"content-type": content_type})

    problem_of(reply, 415)


async def test_a_packed_body_is_refused_for_what_it_is(api: Api) -> None:
    """Not for not being JSON, which it may well be inside."""
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    reply = await api.http.post("/run-task", content=gzip.compress(b'{"task":"x"}'), headers=headers)

    assert "without a Content-Encoding" in problem_of(reply, 415)["detail"]


async def test_a_bottomless_plan_is_refused_with_a_pointer_into_the_body(api: Api) -> None:
    """One that leads somewhere, and is not as long as the plan is deep."""
    payload = b'{"a":' * 500 + b"1" + b"}" * 500
    content = b'{"task":"x","plan":[{"step_id":1,"agent":"noop","payload":' + payload + b"}]}"
    reply = await api.http.post("/run-task", content=content, headers={"content-type": "application/json"})

    assert pointers(problem_of(reply, 422)) == ["/plan"]


async def test_a_body_that_is_too_large_is_refused(api: Api) -> None:
    """Declared or sent in pieces, a body over the limit is not read to its end."""
    sent = 0

    async def pieces() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 10_000
            yield b" " * 10_000

    headers = {"content-type": "application/json"}
    declared = await api.http.post("/run-task", content=b" " * 100_001, headers=headers)
    chunked = await api.http.post("/run-task", content=pieces(), headers=headers)

    problem_of(declared, 413)
    problem_of(chunked, 413)
    assert sent <= 120_000


@pytest.mark.parametrize(
    ("traceparent", "kept"),
    [
        ("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", True),
        ("00-00000000000000000000000000000000-b7ad6b7169203331-01", False),
        ('00-"},"data":{}}-01', False),
        ("nonsense", False),
    ],
)
async def test_a_trace_is_continued_when_it_is_one(api: Api, traceparent: str, kept: bool) -> None:
    """The trace context is in every event; a malformed one is ignored, not refused."""
    reply = await api.http.post("/run-task", json={"task": "x"}, headers={"traceparent": traceparent})
    page = await api.http.get(reply.json()["links"]["events"])

    assert all((event.get("trace") == traceparent) is kept for event in page.json()["events"])


async def test_a_full_backlog_is_told_with_a_time_to_come_back(redis_url: str, namespace: str) -> None:
    """503, not 429: it is not the caller's fault. What was accepted stays."""
    async with running(redis_url=redis_url, namespace=namespace, backlog_max=1) as api:
        await api.submit()
        reply = await api.http.post("/run-task", json={"task": "Do it", "plan": LINE})
        figures = (await api.http.get("/metrics")).text

    assert problem_of(reply, 503)["type"] == "urn:stepstream:problem:backlog-full"
    assert int(reply.headers["retry-after"]) >= 1
    assert 'stepstream_submissions_total{outcome="accepted"} 1.0' in figures
    assert 'stepstream_submissions_total{outcome="refused"} 1.0' in figures
