"""Every route, with every kind of key, for tasks of one's own, of others and of nobody: from the route table."""

import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx2
import pytest
import redis

from app.access.principal import Scope
from app.access.token import new_token
from app.config import Settings
from app.main import create_app
from tests.integration.api.guarded import (
    FOREIGN_LONG_AGO,
    LONG_AGO,
    OPEN_ROUTES,
    REFUSED,
    SCOPED,
    UNKNOWN,
    Guarded,
    Route,
    guarded,
    routes,
    serving,
)
from tests.integration.api.support import LINE, problem_of, running

pytestmark = pytest.mark.anyio

TABLE = routes(create_app())
GUARDED = [route for route in TABLE if route.path not in OPEN_ROUTES]
OF_TASKS = [route for route in GUARDED if route.of_a_task]
#: What belongs to no tenant, by the scope that it asks for; all else is for `read` and `submit`.
OF_ALL = {
    Scope.METRICS: {"/metrics", "/workers/targets"},
    Scope.ADMIN: {
        "/dead-letters", "/dead-letters/{letter_id}", "/dead-letters/{letter_id}/requeue", "/events", "/queues",
        "/queues/history", "/queues/{queue}/pause", "/queues/{queue}/resume", "/system", "/workers",
    },
}  # fmt: skip
#: What differs between any two answers.
VARYING = {"date", "content-length", "ratelimit", "x-request-id"}


def named(table: list[Route]) -> list[Any]:
    return [pytest.param(route, id=f"{route.method} {route.path}") for route in table]


@pytest.fixture(scope="module")
async def api(redis_url: str) -> AsyncIterator[Guarded]:
    async with guarded(redis_url, f"test-{uuid4().hex[:12]}") as api:
        api.foreign_task = await api.task(api.theirs)
        keys = api.services.keys
        # A task that is kept for longer than its id lets expect.
        with redis.Redis.from_url(redis_url, protocol=2) as client:
            client.copy(keys.task(api.foreign_task), keys.task(FOREIGN_LONG_AGO))
            client.copy(keys.events(api.foreign_task), keys.events(FOREIGN_LONG_AGO))
        yield api


@pytest.mark.parametrize("route", named(TABLE))
def test_every_route_declares_its_scope_or_is_known_to_be_open(route: Route) -> None:
    """And what changes something is not for readers."""
    assert (route.scope is None) == (route.path in OPEN_ROUTES)
    assert route.method in ("GET", "HEAD") or route.scope in (Scope.SUBMIT, Scope.ADMIN)


@pytest.mark.parametrize("scope", OF_ALL)
def test_what_belongs_to_the_whole_installation_is_for_no_key_of_a_tenant(scope: Scope) -> None:
    """Queues, workers, letters and everybody's events by their names: none of them may come to ask for less."""
    assert {route.path for route in TABLE if route.scope is scope} == OF_ALL[scope]


@pytest.mark.parametrize("route", named(GUARDED))
async def test_without_a_good_key_every_route_is_401(api: Guarded, route: Route) -> None:
    """Whatever is wrong with it, the answer is the same, and the same for tasks that are there and that are not."""
    task_id = api.foreign_task
    for kind in REFUSED:
        for wanted in (task_id, UNKNOWN):
            reply = await api.call(route, wanted, api.headers(kind))
            problem = problem_of(reply, 401)
            expected = "key-needed" if kind == "none" else "key-refused"
            assert problem["type"].endswith(expected), kind
            assert reply.headers["www-authenticate"].startswith('Bearer realm="stepstream"')


@pytest.mark.parametrize("route", named(GUARDED))
async def test_a_key_opens_what_its_scopes_say(api: Guarded, route: Route) -> None:
    """A missing scope is 403 and names the one that is needed, for tasks that are there and that are not."""
    for kind, scope in SCOPED.items():
        if scope in (route.scope, Scope.ADMIN):
            reply = await api.call(route, await api.task() if route.of_a_task else "", api.headers(kind))
            # Of queues and dead letters there is none by the name that stands in the table; no step has an output.
            missing = (404, 410) if route.of_a_task and not route.path.endswith("/output") else ()
            assert reply.status_code not in (401, 403, 429, 500, *missing), reply.text
            continue
        for wanted in (api.foreign_task, UNKNOWN):
            reply = await api.call(route, wanted, api.headers(kind))
            assert problem_of(reply, 403)["type"].endswith("scope-missing")
            assert f'scope="{route.scope}"' in reply.headers["www-authenticate"]


@pytest.mark.parametrize("route", named(OF_TASKS))
async def test_a_foreign_task_is_as_an_unknown_one(api: Guarded, route: Route) -> None:
    """The same status, headers and body but for the id, for young tasks and for old ones, whoever asks."""
    for kind, scope in SCOPED.items():
        if scope not in (route.scope, Scope.ADMIN):
            continue
        for foreign, unknown, status in ((api.foreign_task, UNKNOWN, 404), (FOREIGN_LONG_AGO, LONG_AGO, 410)):
            theirs = await api.call(route, foreign, api.headers(kind))
            nobodys = await api.call(route, unknown, api.headers(kind))
            problem_of(theirs, status)
            assert shown(theirs, foreign) == shown(nobodys, unknown)
    assert (await api.services.log.last(api.foreign_task)) is not None


def shown(reply: httpx2.Response, task_id: str) -> tuple[int, dict[str, str], str]:
    headers = {name: value.replace(task_id, "TASK") for name, value in reply.headers.items() if name not in VARYING}
    return reply.status_code, headers, reply.text.replace(task_id, "TASK")


async def test_a_stream_of_several_tasks_shows_no_foreign_one_among_them(api: Guarded) -> None:
    """One that is not the caller's is as one of nobody, in whichever place; nothing of the others is sent."""
    mine = await api.task()
    for order in (0, 1):
        replies = []
        for other in (api.foreign_task, UNKNOWN):
            ids = [mine, other][:: 1 - 2 * order]
            replies.append(await api.http.get("/stream", params={"task_id": ids}, headers=api.headers("reader")))
        problem_of(replies[0], 404)
        assert shown(replies[0], api.foreign_task) == shown(replies[1], UNKNOWN)


async def test_lists_show_the_callers_tasks_only(api: Guarded) -> None:
    """Whatever is filtered by, whatever cursor is sent."""
    mine = await api.task()
    cursors = ["", f"&cursor={api.foreign_task}", f"&cursor={UNKNOWN}"]
    queries = ["limit=100", "status=cancelled&limit=100", "q=Do&limit=100"]
    for query in queries:
        for cursor in cursors:
            ours = (await api.http.get(f"/tasks?{query}{cursor}", headers=api.headers("reader"))).json()["tasks"]
            theirs = (await api.http.get(f"/tasks?{query}{cursor}", headers=api.theirs)).json()["tasks"]
            assert api.foreign_task not in {task["task_id"] for task in ours}
            assert mine not in {task["task_id"] for task in theirs}
    newest = (await api.http.get("/tasks?limit=100", headers=api.headers("reader"))).json()["tasks"]
    assert mine in {task["task_id"] for task in newest}


async def test_the_same_idempotency_key_of_two_tenants_is_two_keys(api: Guarded) -> None:
    """Each gets a task of its own, and its own again."""

    async def submit(headers: dict[str, str], text: str) -> httpx2.Response:
        return await api.http.post("/run-task", json={"task": text}, headers=headers | {"Idempotency-Key": "k"})

    mine, theirs = api.headers("submitter"), api.theirs
    first, second = await submit(mine, "Summarise a"), await submit(theirs, "Summarise b")
    again, conflict = await submit(theirs, "Summarise b"), await submit(mine, "Summarise b")

    assert (first.status_code, second.status_code) == (202, 202)
    assert "idempotency-replayed" not in second.headers
    assert again.json()["task_id"] == second.json()["task_id"] != first.json()["task_id"]
    assert again.headers["idempotency-replayed"] == "true"
    assert first.json()["task_id"] in problem_of(conflict, 422)["detail"]


async def test_documents_that_two_tenants_share_are_seen_by_neither(api: Guarded) -> None:
    """Kept once, but no answer tells so, and one tenant's deletion takes nothing from the other."""
    body = {"task": "Summarise", "inputs": {"documents": [{"name": "a.md", "text": "A long story."}]}}
    both = (api.headers("administrator"), api.theirs)
    replies = [await api.http.post("/run-task", json=body, headers=headers) for headers in both]
    ids = [reply.json()["task_id"] for reply in replies]
    owned = list(zip(ids, both, strict=True))
    views = [await api.http.get(f"/tasks/{task_id}", headers=headers) for task_id, headers in owned]
    for task_id, headers in owned:
        await api.http.post(f"/tasks/{task_id}/cancel", json={"mode": "force"}, headers=headers)
    deleted = await api.http.delete(f"/tasks/{ids[0]}", headers=both[0])
    forked = await api.http.post(f"/tasks/{ids[1]}/fork", json={"from_step": 1}, headers=both[1])

    assert shown(replies[0], ids[0]) == shown(replies[1], ids[1])
    assert not any("sha256" in view.text for view in views)
    assert (deleted.status_code, forked.status_code) == (204, 202)


async def test_tenants_with_the_same_label_have_lines_of_their_own(api: Guarded) -> None:
    """A limit that both share by name holds back each tenant's own steps only."""
    team = uuid4().hex
    body = {"task": "Do it", "plan": LINE[:1], "labels": {"team": team}, "concurrency": {"key": "team", "limit": 1}}
    states = []
    for headers in (api.headers("administrator"), api.headers("administrator"), api.theirs):
        task_id = (await api.http.post("/run-task", json=body, headers=headers)).json()["task_id"]
        view = (await api.http.get(f"/tasks/{task_id}", headers=headers)).json()
        states.append(view["steps"][0]["status"])

    assert states == ["queued", "limited", "queued"]


async def test_a_fork_stays_with_its_tenant(api: Guarded) -> None:
    """Its source's, which is the caller's, or there is no fork."""
    forked = await api.http.post(f"/tasks/{api.foreign_task}/fork", json={"from_step": 1}, headers=api.theirs)
    task_id = forked.json()["task_id"]

    assert (await api.http.get(f"/tasks/{task_id}", headers=api.theirs)).json()["tenant"] == "theirs"
    problem_of(await api.http.get(f"/tasks/{task_id}", headers=api.headers("reader")), 404)


async def test_the_name_of_the_key_stands_in_what_it_does(api: Guarded) -> None:
    """Events say who steered, for people by name."""
    task_id = await api.task(api.headers("administrator"))

    [request] = [e for e in await api.events(task_id) if e["type"] == "task.cancel_requested"]

    assert request["data"]["by"] == "administrator"


async def test_without_redis_a_key_is_neither_good_nor_bad(namespace: str) -> None:
    """503 and a time to come back: 401 would make clients throw good keys away. What can be no key is told anyway."""
    token = new_token().text
    async with running(redis_url="redis://127.0.0.1:1", namespace=namespace) as api:
        unknown = await api.http.get("/tasks", headers={"Authorization": f"Bearer {token}"})
        malformed = await api.http.get("/tasks", headers={"Authorization": f"Bearer {token[:-1]}"})

    assert problem_of(unknown, 503)["type"].endswith("unavailable")
    assert int(unknown.headers["retry-after"]) > 0
    problem_of(malformed, 401)


@pytest.mark.parametrize(
    "where", ["/tasks?access_token={}", "/tasks?q=a&x={}", "/tasks?{}", "/tasks/{}", "/stream/{}?follow=false"]
)
@pytest.mark.parametrize("underscore", ["_", "%5f"])
async def test_a_key_in_a_url_is_refused_and_never_used(api: Guarded, where: str, underscore: str) -> None:
    """Even beside a good header, and however it is written: the key is burnt, and somebody has to hear of it."""
    path = where.format(api.keys["reader"].replace("_", underscore))

    alone = await api.http.get(path)
    beside = await api.http.get(path, headers=api.headers("reader"))

    for reply in (alone, beside):
        assert problem_of(reply, 400)["type"].endswith("key-in-url")
        assert api.keys["reader"] not in reply.text
    unknown = await api.http.get(f"/nowhere{path}")
    assert (unknown.status_code, api.keys["reader"] in unknown.text) == (404, False)


async def test_a_body_is_not_read_for_nobody(api: Guarded) -> None:
    """Who may not submit is told so before megabytes are taken, whatever is wrong with them."""
    for content_type in ("application/json", "text/plain"):
        reply = await api.http.post("/run-task", content=b"{" * 1000, headers={"content-type": content_type})
        problem_of(reply, 401)


async def test_at_a_loopback_address_no_key_is_needed_but_one_that_is_sent_counts(
    redis_url: str, namespace: str
) -> None:
    """The open mode: the tenant `default`, all scopes; a wrong key is not the same as none."""
    async with running(redis_url=redis_url, namespace=namespace) as api:
        fine = await api.http.get("/metrics")
        wrong = await api.http.get("/tasks", headers={"Authorization": "Bearer nonsense"})
        proxied = await api.http.get("/tasks", headers={"X-Forwarded-For": "127.0.0.1"})
        task_id = await api.submit()

        assert fine.status_code == 200
        assert problem_of(wrong, 401)["type"].endswith("key-refused")
        assert problem_of(proxied, 401)["type"].endswith("key-needed")
        assert (await api.view(task_id))["tenant"] == "default"


async def test_the_open_mode_answers_no_foreign_page(redis_url: str, namespace: str) -> None:
    """Neither a name that was made to lead here, nor a form that another site sends; a body is not even needed."""
    async with running(redis_url=redis_url, namespace=namespace) as api:
        task_id = await api.submit()
        rebound = await api.http.get("/tasks", headers={"Host": "evil.example"})
        cancel = f"/tasks/{task_id}/cancel"
        crossed = await api.http.post(cancel, headers={"Origin": "https://evil.example"})
        simple = await api.http.post(cancel, headers={"Origin": "null", "Content-Type": "text/plain"}, content=b"{}")

        assert problem_of(rebound, 421)["type"].endswith("foreign-host")
        assert problem_of(crossed, 403)["type"].endswith("foreign-origin")
        assert problem_of(simple, 403)["type"].endswith("foreign-origin")
        assert (await api.view(task_id))["status"] == "queued"
        same = await api.http.post(cancel, headers={"Origin": "http://127.0.0.1", "Host": "127.0.0.1"})
        assert same.status_code == 202


async def test_with_a_key_any_host_and_origin_will_do(api: Guarded) -> None:
    """Names are the proxy's business then; a page that has no key cannot lend one."""
    reply = await api.http.get(
        "/tasks", headers=api.headers("reader") | {"Host": "api.example", "Origin": "https://app.example"}
    )

    assert reply.status_code == 200
    assert "access-control-allow-origin" not in reply.headers


def address_of_this_machine() -> str:
    """One at which others could reach it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # sends nothing, but finds out which address would
        except OSError:
            pytest.skip("this machine has loopback addresses only")
        address: str = probe.getsockname()[0]
        return address


async def test_a_server_on_all_addresses_asks_those_from_elsewhere_for_a_key(redis_url: str, namespace: str) -> None:
    """By the address at which they came in, whatever headers say, and also when uvicorn believes every proxy."""
    outside = address_of_this_machine()
    app = create_app(Settings(redis_url=redis_url, namespace=namespace))
    trusting = {"proxy_headers": True, "forwarded_allow_ips": "*"}
    async with serving(app, host="0.0.0.0", **trusting) as port, httpx2.AsyncClient(trust_env=False) as http:
        here = await http.get(f"http://127.0.0.1:{port}/agents")
        there = await http.get(f"http://{outside}:{port}/agents")
        lies = {"Host": "127.0.0.1", "X-Forwarded-For": "127.0.0.1", "X-Forwarded-Proto": "https"}
        lying = await http.get(f"http://{outside}:{port}/agents", headers=lies)

    assert here.status_code == 200
    assert problem_of(there, 401)["type"].endswith("key-needed")
    problem_of(lying, 401)


async def test_a_unix_socket_needs_no_key(redis_url: str, namespace: str, tmp_path: Path) -> None:
    """Only programs of this machine reach it, those that may open the file."""
    app = create_app(Settings(redis_url=redis_url, namespace=namespace))
    path = str(tmp_path / "api.sock")
    transport = httpx2.AsyncHTTPTransport(uds=path)
    async with serving(app, uds=path), httpx2.AsyncClient(transport=transport, base_url="http://localhost") as http:
        plain = await http.get("/agents")
        proxied = await http.get("/agents", headers={"X-Forwarded-For": "10.0.0.1"})

    assert (plain.status_code, proxied.status_code) == (200, 401)
