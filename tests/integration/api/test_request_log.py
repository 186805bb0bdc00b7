"""Every request has an id and a line."""

from collections.abc import Callable
from typing import Any

import anyio
import orjson
import pytest

from tests.integration.api.support import Api, Worker, running

pytestmark = pytest.mark.anyio

CANARY = "sk_a1_c4n4ry"
Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(caplog: pytest.LogCaptureFixture) -> Lines:
    """The lines about requests so far, the oldest first."""
    caplog.set_level("DEBUG", logger="app.api.request_log")

    def read() -> list[dict[str, Any]]:
        own = [record for record in caplog.records if record.name == "app.api.request_log"]
        return [orjson.loads(record.getMessage()) | {"level": record.levelname} for record in own]

    return read


@pytest.mark.parametrize("given", ["a", "7f3c-11", "a.b:c_D-1", "x" * 128])
async def test_the_id_of_a_request_is_kept(api: Api, lines: Lines, given: str) -> None:
    """One that is fit to be logged comes back in the answer and is in the line."""
    reply = await api.http.get("/agents", headers={"X-Request-ID": given})

    assert reply.headers["x-request-id"] == given
    assert [line["request_id"] for line in lines()] == [given]


@pytest.mark.parametrize("given", [None, "", "-a", "a b", "x" * 129, "\xe4", 'a"b', "a\x7f"])
async def test_a_request_without_a_good_id_gets_one(api: Api, given: str | None) -> None:
    """A new one each time."""
    headers = {} if given is None else {"X-Request-ID": given.encode("latin-1")}
    made = [(await api.http.get("/agents", headers=headers)).headers.get_list("x-request-id") for _ in range(2)]

    assert all(len(ids) == 1 and len(ids[0]) == 32 for ids in made)
    assert made[0] != made[1]


async def test_a_line_tells_what_was_asked_and_what_became_of_it(api: Api, lines: Lines) -> None:
    """Method, template of the route, status, time, bytes, the task; never the query or what came with it."""
    task_id = await api.submit()
    reply = await api.http.get(
        f"/tasks/{task_id}?token={CANARY}", headers={"Authorization": f"Bearer {CANARY}", "X-Request-ID": "one"}
    )
    submitted, read = lines()

    assert submitted["task_id"] == read["task_id"] == task_id
    assert (submitted["method"], submitted["route"], submitted["status"]) == ("POST", "/run-task", 202)
    assert (read["route"], read["request_id"]) == ("/tasks/{task_id}", "one")
    assert (read["status"], read["bytes"], read["complete"]) == (reply.status_code, len(reply.content), True)
    assert read["duration_ms"] >= 0
    assert CANARY not in str(lines())


async def test_the_trace_of_a_client_is_in_its_lines(api: Api, lines: Lines) -> None:
    """A malformed one is not."""
    good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    for given in (good, good.upper()):
        await api.http.get("/agents", headers={"traceparent": given})

    assert [line.get("trace") for line in lines()] == [good, None]


async def test_a_path_that_no_route_knows_is_told_on_one_line(api: Api, lines: Lines) -> None:
    """Also one that was made to look like two lines."""
    await api.http.get('/no%0A{"level":"error"}%1b[31m')

    (line,) = lines()
    assert (line["route"], line["status"]) == (None, 404)
    assert line["path"] == '/no {"level":"error"} [31m'


async def test_health_checks_are_told_to_those_who_ask_for_more(api: Api, lines: Lines) -> None:
    """They come every few seconds."""
    for path in ("/healthz", "/readyz", "/agents"):
        await api.http.get(path)

    assert [line["level"] for line in lines()] == ["DEBUG", "DEBUG", "INFO"]


async def test_a_bug_is_told_once_with_its_traceback(api: Api, lines: Lines) -> None:
    """The answer carries the id under which it is logged."""

    async def explode() -> None:
        raise RuntimeError(f"password={CANARY}")

    api.app.add_api_route("/explode", explode)
    reply = await api.http.get("/explode")
    failed, served = lines()

    assert (failed["event"], failed["level"], failed["status"]) == ("request_failed", "ERROR", 500)
    assert (failed["exception"][0]["exc_type"], failed["exception"][0]["exc_value"]) == (
        "RuntimeError", "password=[redacted]",
    )  # fmt: skip
    assert (served["event"], served["status"]) == ("request_served", 500)
    assert failed["request_id"] == served["request_id"] == reply.headers["x-request-id"]


async def test_a_stream_is_told_of_when_it_opens_and_when_it_ends(served: Api, worker: Worker, lines: Lines) -> None:
    """Hours may lie between the two."""
    task_id = await served.submit()
    async with served.http.stream("GET", f"/stream/{task_id}") as reply:
        assert reply.headers["x-request-id"]
        opened = lines()[-1]
        assert (opened["event"], opened["task_id"], opened["status"]) == ("stream_opened", task_id, 200)
        assert "duration_ms" not in opened
        await worker.finish(task_id, 1, 2, 3)
        size = sum([len(chunk) async for chunk in reply.aiter_bytes()])
    with anyio.fail_after(60):
        while (closed := lines()[-1])["event"] != "stream_closed":  # noqa: ASYNC110  # the server sets no event for it
            await anyio.sleep(0.005)

    assert (closed["event"], closed["bytes"], closed["request_id"]) == ("stream_closed", size, opened["request_id"])


async def test_the_lines_can_be_turned_off(redis_url: str, namespace: str, lines: Lines) -> None:
    """The ids stay."""
    async with running(redis_url=redis_url, namespace=namespace, access_log=False) as api:
        reply = await api.http.get("/agents")

    assert reply.headers["x-request-id"]
    assert lines() == []
