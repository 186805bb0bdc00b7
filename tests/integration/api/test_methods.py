"""HEAD, OPTIONS, and methods that a path does not have."""

import asyncio

import pytest

from tests.integration.api.support import Api, Worker, problem_of

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("path", "allow"),
    [
        ("/run-task", "OPTIONS, POST"),
        ("/tasks", "GET, HEAD, OPTIONS"),
        ("/tasks/x", "DELETE, GET, HEAD, OPTIONS"),
        ("/tasks/x/cancel", "OPTIONS, POST"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/dead-letters/a:b", "DELETE, GET, HEAD, OPTIONS"),
        ("/healthz", "GET, HEAD, OPTIONS"),
    ],
)
async def test_a_method_that_a_path_does_not_have_is_told_those_it_has(api: Api, path: str, allow: str) -> None:
    """405 with all of them, also when they belong to several routes; OPTIONS gets them with 204."""
    for method in ("PUT", "PATCH", "TRACE", "PROPFIND"):
        reply = await api.http.request(method, path)

        assert problem_of(reply, 405)["title"] == "Method Not Allowed"
        assert reply.headers["allow"] == allow
    options = await api.http.options(path)
    assert (options.status_code, options.headers["allow"], options.content) == (204, allow, b"")


async def test_a_path_that_is_not_there_has_no_methods(api: Api) -> None:
    """404 for all of them."""
    for method in ("GET", "HEAD", "OPTIONS", "PUT"):
        assert (await api.http.request(method, "/nowhere")).status_code == 404


async def test_a_head_is_that_of_a_get(served: Api, worker: Worker) -> None:
    """Status and headers are the same, on refusals too; there is no body, and a stream does not stay open."""
    task_id = await served.submit()
    await worker.finish(task_id, 1, 2, 3)
    paths = (f"/tasks/{task_id}", f"/tasks/{task_id}/result", "/tasks", "/agents", "/metrics", "/healthz", "/tasks/x")
    for path in paths:
        get, head = await served.http.get(path), await served.http.head(path)

        assert (head.status_code, head.content) == (get.status_code, b"")
        assert set(head.headers) == set(get.headers)
        assert head.headers["content-type"] == get.headers["content-type"]
    running = await served.submit()
    async with asyncio.timeout(60):
        stream = await served.http.head(f"/stream/{running}")
        while served.services.hub.counters.viewers:  # noqa: ASYNC110  # the server ends it in its own time
            await asyncio.sleep(0.01)
    assert (stream.status_code, stream.headers["content-type"].partition(";")[0]) == (200, "text/event-stream")


async def test_a_head_of_what_is_only_posted_is_405(api: Api) -> None:
    """HEAD is there where GET is."""
    reply = await api.http.head("/run-task")

    assert (reply.status_code, reply.headers["allow"]) == (405, "OPTIONS, POST")
