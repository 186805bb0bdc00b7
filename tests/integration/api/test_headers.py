"""Headers of every answer, and what pages of other origins get."""

import httpx2
import pytest

from app.api.headers import HEADERS
from tests.integration.api.support import Api, Worker, running

pytestmark = pytest.mark.anyio

ALWAYS = {name.decode(): value.decode() for name, value in HEADERS}
PAGE = "https://app.example"


def lacking(reply: httpx2.Response) -> dict[str, str]:
    """The headers that an answer should have and has not."""
    return {name: value for name, value in ALWAYS.items() if reply.headers.get(name) != value}


async def test_every_kind_of_answer_has_them(api: Api, worker: Worker) -> None:
    """Results, refusals, nothing, what no route knows, and the answer to a bug."""

    async def bug() -> None:
        raise RuntimeError("a bug")

    api.app.add_api_route("/bug", bug)
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3, text="# Report")
    etag = (await api.http.get(f"/tasks/{task_id}")).headers["etag"]
    asked = [
        ("GET", "/healthz", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("GET", f"/tasks/{task_id}", {}, 200),
        ("GET", f"/tasks/{task_id}", {"If-None-Match": etag}, 304),
        ("GET", f"/tasks/{task_id}/result", {"Accept": "text/markdown"}, 200),
        ("GET", f"/stream/{task_id}", {}, 200),
        ("GET", f"/stream/{task_id}?after=x", {}, 400),
        ("GET", "/tasks/nothing", {}, 404),
        ("GET", "/nowhere", {}, 404),
        ("GET", "/tasks/", {}, 404),
        ("GET", "/docs", {}, 404),
        ("PATCH", "/tasks", {}, 405),
        ("POST", "/run-task", {}, 415),
        ("GET", "/tasks", {"Host": "evil.example"}, 421),
        ("GET", "/bug", {}, 500),
        ("DELETE", f"/tasks/{task_id}", {}, 204),
    ]
    for method, path, headers, status in asked:
        reply = await api.http.request(method, path, headers=headers)
        assert (reply.status_code, lacking(reply)) == (status, {}), (method, path)


async def test_pages_of_other_origins_get_nothing_by_default(api: Api) -> None:
    """No answer names an origin: to a browser that asks beforehand this is a no."""
    preflight = {"Origin": PAGE, "Access-Control-Request-Method": "POST"}

    asked = await api.http.options("/run-task", headers=preflight)
    got = await api.http.get("/tasks", headers={"Origin": PAGE})

    assert (asked.status_code, got.status_code) == (204, 403)
    assert not [name for reply in (asked, got) for name in reply.headers if name.startswith("access-control")]


async def test_an_origin_that_is_named_may_ask(redis_url: str, namespace: str) -> None:
    """That one and no other, with a key as with none; nothing ever asks for cookies."""
    settings = {"redis_url": redis_url, "namespace": namespace, "cors_origins": (PAGE,)}
    preflight = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
    async with running(**settings) as api:
        asked = await api.http.options("/run-task", headers=preflight | {"Origin": PAGE})
        other = await api.http.options("/run-task", headers=preflight | {"Origin": "https://evil.example"})
        got = await api.http.get("/tasks", headers={"Origin": PAGE})
        refused = await api.http.get("/tasks", headers={"Origin": PAGE, "Authorization": "Bearer no"})
        foreign = await api.http.get("/tasks", headers={"Origin": "https://evil.example"})

    assert asked.headers["access-control-allow-origin"] == PAGE
    assert "authorization" in asked.headers["access-control-allow-headers"].lower()
    assert (got.status_code, got.headers["access-control-allow-origin"]) == (200, PAGE)
    assert "retry-after" in got.headers["access-control-expose-headers"].lower()
    # The page may read why.
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, PAGE)
    assert (other.status_code, foreign.status_code) == (400, 403)
    for reply in (asked, other, got, refused, foreign):
        assert lacking(reply) == {}
        assert "access-control-allow-credentials" not in reply.headers
        assert reply.headers.get("access-control-allow-origin") in (None, PAGE)
