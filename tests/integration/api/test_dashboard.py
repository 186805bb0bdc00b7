"""The dashboard's files, and what its page asks that nobody else did: who am I, how many tasks are there."""

import base64
import hashlib
import json
import re
from typing import Any

import httpx2
import pytest

from app.access.principal import Scope
from app.api.dashboard import site
from tests.integration.api.guarded import guarded
from tests.integration.api.support import LINE, Api, Worker, problem_of

pytestmark = pytest.mark.anyio

FOR_GOOD = "public, max-age=31536000, immutable"


async def page(api: Api) -> httpx2.Response:
    reply = await api.http.get("/")
    assert reply.status_code == 200
    return reply


async def test_the_page_allows_its_own_scripts_and_nothing_else(api: Api) -> None:
    """No inline script or style but the map of names, which the policy has the hash of; nothing from elsewhere."""
    reply = await page(api)
    policy = dict(part.strip().split(" ", 1) for part in reply.headers["content-security-policy"].split(";"))
    (names,) = re.findall(r'<script type="importmap">(.*?)</script>', reply.text)

    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["cache-control"] == "no-cache"
    digest = base64.b64encode(hashlib.sha256(names.encode()).digest()).decode()
    assert policy == {
        **dict.fromkeys(("default-src", "base-uri", "form-action", "frame-ancestors", "trusted-types"), "'none'"),
        **dict.fromkeys(("style-src", "img-src", "connect-src"), "'self'"),
        "script-src": f"'self' 'sha256-{digest}'",
        "require-trusted-types-for": "'script'",
    }
    assert re.findall(r"(?:src|href)=\"(?!/static/)", reply.text) == []
    assert " style=" not in reply.text
    assert len(re.findall(r"<script", reply.text)) == 2


async def test_everything_the_page_names_is_there_and_kept_for_good(api: Api) -> None:
    """Styles, modules, the icon, and what the modules of others are called."""
    text = (await page(api)).text
    (names,) = re.findall(r'<script type="importmap">(.*?)</script>', text)
    named = [*re.findall(r'(?:src|href)="(/static/[^"]+)"', text), *json.loads(names)["imports"].values()]

    assert len(named) > 40
    for address in set(named):
        reply = await api.http.get(address)
        assert (reply.status_code, reply.headers["cache-control"]) == (200, FOR_GOOD), address
        assert reply.headers["content-type"].split(";")[0] in ("text/css", "text/javascript", "image/svg+xml"), address
        assert reply.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("version", ["000000000000", "end"])
async def test_a_file_of_another_version_is_served_but_not_kept(api: Api, version: str) -> None:
    """While two versions of the program run side by side, a page of one may ask the other."""
    whole = site().base.rpartition("/")[2]
    reply = await api.http.get(f"/static/{whole[-3:] if version == 'end' else version}/js/main.js")

    assert (reply.status_code, reply.headers["cache-control"]) == (200, "no-store")


@pytest.mark.parametrize(
    "path", ["js/nothing.js", "index.py", "../main.py", "%2e%2e/main.py", "vendor/VENDOR.lock", ""]
)
async def test_nothing_else_is_served(api: Api, path: str) -> None:
    """Only what was read at the start, by its exact name."""
    problem_of(await api.http.get(f"/static/x/{path}"), 404)


async def test_files_are_sent_packed_to_who_can_unpack_them(api: Api) -> None:
    """And a cache between knows that there are two forms; HEAD says the same without a body."""
    packed = await api.http.get("/", headers={"Accept-Encoding": "gzip"})
    plain = await api.http.get("/", headers={"Accept-Encoding": "identity"})
    head = await api.http.head("/", headers={"Accept-Encoding": "identity"})

    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < int(plain.headers["content-length"]) / 2
    assert packed.text == plain.text
    assert packed.headers["vary"] == plain.headers["vary"] == "Accept-Encoding"
    assert (head.status_code, head.content, head.headers["content-length"]) == (
        200,
        b"",
        plain.headers["content-length"],
    )


async def test_a_tab_sees_whether_there_is_a_newer_version(api: Api) -> None:
    """The page's tag is the hash that its files lie under; who has that version is told so and sent nothing."""
    tag = (await page(api)).headers["etag"]
    head = await api.http.head("/")
    same = await api.http.get("/", headers={"If-None-Match": f'"x", {tag}'})
    other = await api.http.get("/", headers={"If-None-Match": 'W/"000000000000"'})

    assert tag == f'W/"{site().base.rpartition("/")[2]}"' == head.headers["etag"]
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    assert same.headers["content-security-policy"] == other.headers["content-security-policy"]
    assert (other.status_code, other.headers["etag"]) == (200, tag)


async def test_where_keys_are_asked_for_the_page_comes_without_one_and_knows_nothing(
    redis_url: str, namespace: str
) -> None:
    """It has nothing of anybody's in it; a key in its address is refused like everywhere."""
    async with guarded(redis_url, namespace) as api:
        assert (await api.http.get("/")).status_code == 200
        problem = problem_of(await api.http.get("/", params={"key": api.keys["reader"]}), 400)
        assert problem["type"].endswith("key-in-url")
        problem_of(await api.http.get("/whoami"), 401)
        reply = await api.http.get("/whoami", headers=api.headers("reader"))

    assert reply.json() == {"name": "reader", "tenant": "mine", "scopes": ["read"]}


async def test_who_needs_no_key_may_do_everything(api: Api) -> None:
    """And is told so."""
    assert (await api.http.get("/whoami")).json() == {
        "name": "api", "tenant": "default", "scopes": sorted(str(scope) for scope in Scope),
    }  # fmt: skip


async def test_tasks_are_counted_by_where_they_stand(api: Api, worker: Worker) -> None:
    """What is deleted counts nowhere; a filter counts what matches it."""
    ids = [await api.submit(labels={"n": str(n)}) for n in range(5)]
    await worker.finish(ids[0], 1, 2, 3)
    await api.steer(ids[1], "cancel", mode="force")
    await api.steer(ids[2], "pause")
    await worker.start(ids[3], 1)

    counts = await counted(api)
    await api.http.delete(f"/tasks/{ids[0]}")

    assert counts == {
        "total": 5, "open": 3, "queued": 1, "running": 1, "paused": 1, "cancelling": 0,
        "completed": 1, "failed": 0, "cancelled": 1, "expired": 0, "complete": True,
    }  # fmt: skip
    assert await counted(api) == counts | {"total": 4, "completed": 0}
    assert {name for name, number in (await counted(api, label="n:2", q="DO")).items() if number} == {
        "total", "open", "paused", "complete",
    }  # fmt: skip


async def test_the_tasks_of_others_are_not_counted(redis_url: str, namespace: str) -> None:
    """Each tenant has lists of its own."""
    async with guarded(redis_url, namespace) as api:
        await api.http.post("/run-task", json={"task": "x", "plan": LINE}, headers=api.theirs)
        reply = await api.http.get("/tasks/counts", headers=api.headers("reader"))

    assert reply.json()["total"] == 0


async def test_open_tasks_are_those_that_have_not_ended(api: Api, worker: Worker) -> None:
    """Queued, running and paused ones alike, together with the other filters."""
    queued, running, paused, ended = [await api.submit(labels={"n": str(n)}) for n in range(4)]
    await worker.finish(running, 1)
    await api.steer(paused, "pause")
    await worker.finish(ended, 1, 2, 3)

    async def listed(**query: Any) -> set[str]:
        return {task["task_id"] for task in (await api.http.get("/tasks", params=query)).json()["tasks"]}

    assert await listed(status="open") == {queued, running, paused}
    assert await listed(status="open", label="n:2") == {paused}
    assert await listed(status="open", label="n:3") == set()


async def test_what_a_step_left_behind_is_there_before_the_task_has_ended(api: Api, worker: Worker) -> None:
    """A step that has not succeeded, or that no plan has, has no output."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, text="found")

    reply = await api.http.get(f"/tasks/{task_id}/steps/1/output")

    assert (reply.json()["step_id"], reply.json()["text"]) == (1, "found")
    for step_id in (2, 9):
        problem = problem_of(await api.http.get(f"/tasks/{task_id}/steps/{step_id}/output"), 404)
        assert problem["type"].endswith("output-not-found")
    problem_of(await api.http.get(f"/tasks/{task_id}/steps/0/output"), 422)


async def test_what_a_step_of_another_tenant_left_behind_is_nobodys_business(
    redis_url: str, namespace: str, worker: Worker
) -> None:
    """Its answer is that of a task that nobody has, though there is an output."""
    async with guarded(redis_url, namespace) as api:
        reply = await api.http.post("/run-task", json={"task": "x", "plan": LINE}, headers=api.theirs)
        path = f"/tasks/{reply.json()['task_id']}/steps/1/output"
        await worker.finish(reply.json()["task_id"], 1, text="theirs")
        mine = await api.http.get(path, headers=api.headers("administrator"))
        theirs = await api.http.get(path, headers=api.theirs)

    assert problem_of(mine, 404)["type"].endswith("task-not-found")
    assert theirs.json()["text"] == "theirs"


async def counted(api: Api, **query: str) -> dict[str, int]:
    found: dict[str, int] = (await api.http.get("/tasks/counts", params=query)).json()
    return found
