"""Tasks that exist, run, end, and are gone."""

import time

import httpx2
import orjson
import pytest
import redis.asyncio

from app.events.log import StoredEvent
from app.metrics.task_metrics import fold
from app.model.task import new_task_id
from tests.integration.api.support import Api, Worker, problem_of, running

pytestmark = pytest.mark.anyio

UNKNOWN = new_task_id(time.time_ns() // 1_000_000, 7)
LONG_AGO = new_task_id(1_600_000_000_000, 7)
PER_TASK = [
    "/tasks/{}",
    "/tasks/{}/result",
    "/tasks/{}/events",
    "/tasks/{}/plan",
    "/tasks/{}/events?after=5",
    "/metrics/{}",
    "/stream/{}",
]


@pytest.mark.parametrize("path", PER_TASK)
@pytest.mark.parametrize(
    ("task_id", "status"),
    [pytest.param(UNKNOWN, 404, id="unknown"), ("nonsense", 404), ("0-" + "9" * 36, 404), (LONG_AGO, 410)],
)
async def test_a_task_that_is_not_there_is_404_or_410(api: Api, path: str, task_id: str, status: int) -> None:
    """The time in an id tells a task that has expired from one that never was."""
    reply = await api.http.get(path.format(task_id))

    problem_of(reply, status)


async def test_a_running_task_has_no_result_yet(api: Api, worker: Worker) -> None:
    """202 and a time to come back, as long as a step is open."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2)

    reply = await api.http.get(f"/tasks/{task_id}/result")
    view = (await api.http.get(f"/tasks/{task_id}")).json()

    assert (reply.status_code, reply.json()["status"]) == (202, "running")
    assert int(reply.headers["retry-after"]) >= 1
    assert [step["status"] for step in view["steps"]] == ["completed", "completed", "queued"]


async def test_a_finished_task_gives_json_and_markdown(api: Api, worker: Worker) -> None:
    """The result is what the last steps made, in the form that is asked for."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3, text="# Report")

    as_json = await api.http.get(f"/tasks/{task_id}/result")
    as_text = await api.http.get(f"/tasks/{task_id}/result", headers={"accept": "text/markdown"})

    assert as_json.json() == {
        "task_id": task_id,
        "outputs": [
            {"step_id": 3, "summary": "step 3", "data": {"n": 3}, "text": "# Report", "media_type": "text/markdown"}
        ],
    }
    assert (as_text.text, as_text.headers["content-type"]) == ("# Report", "text/markdown; charset=utf-8")
    assert as_json.headers["vary"] == as_text.headers["vary"] == "Accept"


async def test_a_browser_gets_a_page(api: Api, worker: Worker) -> None:
    """What a browser accepts is a page; it may run and load nothing."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3, text="# Report\n\n<script>alert(1)</script> ![x](https://a/x.png)")

    accept = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    reply = await api.http.get(f"/tasks/{task_id}/result", headers={"accept": accept})

    assert reply.headers["content-type"] == "text/html; charset=utf-8"
    assert reply.headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert reply.text.startswith("<!doctype html>")
    assert "<title>Do it</title>" in reply.text
    assert "<h1>Report</h1>" in reply.text
    assert "<script>" not in reply.text
    assert "<img" not in reply.text


async def test_a_failed_task_has_a_reason_instead_of_a_result(api: Api, worker: Worker) -> None:
    """409 names the error that ended the task."""
    task_id = await api.submit()
    await worker.fail(task_id, 1)

    reply = await api.http.get(f"/tasks/{task_id}/result")

    assert "no good" in problem_of(reply, 409)["detail"]


async def test_the_event_log_is_paged(api: Api, worker: Worker) -> None:
    """Pages joined by `next` are the whole log, byte for byte."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3)
    stored = [event async for page in api.services.log.pages(task_id) for event in page]

    events, after, more = [], "0", True
    while more:
        page = (await api.http.get(f"/tasks/{task_id}/events", params={"after": after, "limit": 4})).json()
        events, after, more = events + page["events"], page["next"], page["more"]

    assert events == [orjson.loads(event.body) for event in stored]
    assert after == stored[-1].id


@pytest.mark.parametrize(
    ("query", "status"),
    [("after=x", 400), ("after=3-1", 400), ("after=999", 400), ("limit=0", 422), ("limit=501", 422)],
)
async def test_pages_have_positions_and_bounds(api: Api, query: str, status: int) -> None:
    """A position that the log cannot have given out, and a page without end, are refused."""
    task_id = await api.submit()

    reply = await api.http.get(f"/tasks/{task_id}/events?{query}")

    problem_of(reply, status)


async def test_task_metrics_are_the_fold_of_the_log(api: Api, worker: Worker) -> None:
    """What the API answers is what anyone can compute from the events."""
    task_id = await api.submit()
    await worker.finish(task_id, 1, 2, 3)
    stored: list[StoredEvent] = [event async for page in api.services.log.pages(task_id) for event in page]

    figures = (await api.http.get(f"/metrics/{task_id}")).json()

    assert figures == fold(stored).model_dump(mode="json")
    assert figures["status"] == "completed"
    assert figures["steps"]["completed"] == 3
    assert figures["events"]["count"] == figures["events"]["last_seq"] == len(stored)


async def test_prometheus_sees_what_lies_in_redis(api: Api, client: "redis.asyncio.Redis") -> None:
    """Queue depths are asked at scrape time, so any API process tells the truth for all."""
    await api.submit()
    await client.hset(api.services.keys.audit, "repaired", 3)

    reply = await api.http.get("/metrics")

    assert reply.headers["content-type"].startswith("text/plain")
    lines = reply.text.splitlines()
    assert "stepstream_redis_up 1.0" in lines
    assert "stepstream_open_tasks 1.0" in lines
    assert "stepstream_repaired_total 3.0" in lines
    assert 'stepstream_queue_backlog{queue="retriever"} 1.0' in lines
    assert 'stepstream_queue_backlog{queue="writer"} 0.0' in lines
    assert any(line.startswith('stepstream_queue_oldest_age_seconds{queue="retriever"}') for line in lines)


async def test_agents_are_listed_with_what_they_accept(api: Api) -> None:
    """A client can write a plan without reading code."""
    agents = (await api.http.get("/agents")).json()

    by_name = {agent["name"]: agent for agent in agents}
    assert {"retriever", "analyzer", "writer"} <= set(by_name)
    assert "text" in by_name["writer"]["input_schema"]["properties"]
    assert (by_name["writer"]["module"], by_name["writer"]["asynchronous"]) == ("actors.writer", True)
    assert "sources" in by_name["writer"]["output_schema"]["properties"]
    limits = {"output_schema", "deferrals_max", "provider", "gathers", "backoff_ms", "backoff_ms_max"}
    assert all(limits <= set(agent) for agent in agents)
    assert [agent["name"] for agent in agents if agent["gathers"]] == ["retriever"]


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("DELETE", "/run-task", 405), ("GET", "/run-task", 405)]
)
async def test_routes_that_do_not_exist_are_problems_too(api: Api, method: str, path: str, status: int) -> None:
    """No error comes in another form."""
    reply = await api.http.request(method, path)

    problem_of(reply, status)


async def test_a_bug_does_not_show_its_traceback(api: Api) -> None:
    """500 says that something went wrong and nothing about the inside."""

    async def explode() -> None:
        raise RuntimeError("secret /path/in/the/server")

    api.app.add_api_route("/explode", explode)
    reply = await api.http.get("/explode")

    assert "secret" not in problem_of(reply, 500)["detail"] + reply.text


async def test_without_redis_the_process_lives_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Liveness needs nothing, readiness and work do; every refusal says when to come back."""
    monkeypatch.setattr("app.bootstrap.api.API_RETRY_MS_MAX", 50)
    async with running(redis_url="unix:///nonexistent/redis.sock", namespace="x") as api:
        http: httpx2.AsyncClient = api.http
        live = await http.get("/healthz")
        refused = [
            await http.get("/readyz"),
            await http.post("/run-task", json={"task": "x"}),
            *[await http.get(path.format(UNKNOWN)) for path in PER_TASK],
        ]
        scrape = await http.get("/metrics")
        planned = await http.post("/plan", json={"task": "x"})

    assert (live.status_code, live.json()) == (200, {"status": "ok"})
    for reply in refused:
        problem_of(reply, 503)
        assert int(reply.headers["retry-after"]) >= 1
    assert "stepstream_redis_up 0.0" in scrape.text
    assert planned.status_code == 200


async def test_a_ready_process_says_so(api: Api) -> None:
    """Readiness is 200 while Redis answers."""
    assert (await api.http.get("/readyz")).status_code == 200
