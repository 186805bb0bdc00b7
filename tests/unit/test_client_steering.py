"""The client's requests about tasks: what is sent, and what is sent again."""

import json
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from app.client import ApiError, ApiUnreachable, Client
from app.model.bulk import BulkAction
from app.model.task import CancelMode, Concurrency
from tests.unit.conftest import Connect
from tests.unit.scripted_server import ACCEPTED, SUMMARY, VIEW, Answer, ScriptedServer, say

TAKEN = say(202, ACCEPTED, content_type="application/json")
BUSY = say(503, {"detail": "busy"}, Retry_After="0")


def hang_up(request: BaseHTTPRequestHandler) -> None:
    """No answer at all."""
    request.close_connection = True


def bodies(server: ScriptedServer) -> list[Any]:
    return [json.loads(body) if body else None for *_, body in server.asked]


def test_terms_are_written_as_the_api_reads_them(server: ScriptedServer, client: Client) -> None:
    """Durations and times become text, a limit an object; the key is a header."""
    server.answers = [TAKEN]

    client.submit(
        "hello",
        deadline=timedelta(minutes=1, milliseconds=5),
        not_before=datetime(2026, 5, 1, 12, tzinfo=UTC),
        concurrency=Concurrency("team", 2),
        labels={"team": "a"},
        idempotency_key="k 1",
    )
    client.submit("hello", deadline="PT1H")

    assert bodies(server) == [
        {
            "task": "hello", "priority": 5, "labels": {"team": "a"}, "deadline": "PT60.005S",
            "not_before": "2026-05-01T12:00:00+00:00", "concurrency": {"key": "team", "limit": 2},
        },
        {"task": "hello", "priority": 5, "labels": {}, "deadline": "PT1H"},
    ]  # fmt: skip
    assert [headers.get("idempotency-key") for _, _, headers, _ in server.asked] == ["k 1", None]


def test_a_submission_with_a_key_is_sent_again_until_it_is_heard(server: ScriptedServer, client: Client) -> None:
    """Lost connections and a busy server are bridged, with the same key and body."""
    server.answers = [hang_up, BUSY, hang_up, TAKEN]

    assert client.submit("hello", idempotency_key="k").task_id == "0-x"
    assert len(server.asked) == 4
    assert len({(headers["idempotency-key"], body) for _, _, headers, body in server.asked}) == 1


@pytest.mark.parametrize("answer", [hang_up, BUSY], ids=["lost", "busy"])
def test_a_submission_without_a_key_is_sent_once(server: ScriptedServer, client: Client, answer: Answer) -> None:
    """It might have been accepted, and twice would be two tasks."""
    server.answers = [answer]

    with pytest.raises((ApiUnreachable, ApiError)):
        client.submit("hello")
    assert len(server.asked) == 1


def test_a_bulk_act_goes_on_where_it_was_broken_off(server: ScriptedServer, client: Client) -> None:
    """A page whose answer was lost is asked for from the same place: what was done no longer matches."""

    def page(task_id: str, cursor: str | None) -> Answer:
        outcomes = [{"task_id": task_id, "refused": None}]
        return say(200, {"outcomes": outcomes, "next": cursor}, content_type="application/json")

    server.answers = [page("0-b", "0-b"), hang_up, BUSY, page("0-a", None)]

    assert [outcome.task_id for outcome in client.bulk(BulkAction.DELETE)] == ["0-b", "0-a"]
    assert [body.get("cursor") for body in bodies(server)] == [None, "0-b", "0-b", "0-b"]


@pytest.mark.parametrize("status", [400, 409, 410, 422, 429, 500, 502])
def test_no_other_refusal_is_asked_twice(server: ScriptedServer, client: Client, status: int) -> None:
    """With a key or without: only 503 says that nothing was done and that it may pass."""
    server.answers = [say(status, {"detail": "no"})]

    with pytest.raises(ApiError, match=str(status)):
        client.submit("hello", idempotency_key="k")
    assert len(server.asked) == 1


@pytest.mark.parametrize(("answer", "error"), [(hang_up, ApiUnreachable), (BUSY, ApiError)])
def test_patience_ends(server: ScriptedServer, connect: Connect, answer: Answer, error: type[Exception]) -> None:
    """After the limit the last trouble is raised."""
    server.answers = [answer]

    with connect(server.url, silence_s_max=0.5) as client, pytest.raises(error):
        client.submit("hello", idempotency_key="k")
    assert 1 < len(server.asked) < 20


def test_steering_is_a_request_each(server: ScriptedServer, client: Client) -> None:
    """Method, path and only the members that were given; ids are quoted."""
    server.answers = [say(202, VIEW | ACCEPTED, content_type="application/json")]

    client.cancel("0-x")
    client.cancel("0-x", CancelMode.FINISH, "enough")
    client.pause("0-x", "lunch")
    client.resume("0-x")
    client.retry("0-x")
    client.retry("0-x", 2)
    client.fork("0-x", 3)
    client.fork("0-x", plan=[])
    client.delete("0-x")
    client.task("a/b?c")

    assert [(method, path) for method, path, *_ in server.asked] == [
        ("POST", "/tasks/0-x/cancel"),
        ("POST", "/tasks/0-x/cancel"),
        ("POST", "/tasks/0-x/pause"),
        ("POST", "/tasks/0-x/resume"),
        ("POST", "/tasks/0-x/retry"),
        ("POST", "/tasks/0-x/retry"),
        ("POST", "/tasks/0-x/fork"),
        ("POST", "/tasks/0-x/fork"),
        ("DELETE", "/tasks/0-x"),
        ("GET", "/tasks/a%2Fb%3Fc"),
    ]
    assert bodies(server)[:8] == [
        {"mode": "graceful"}, {"mode": "finish", "reason": "enough"}, {"reason": "lunch"}, {}, {}, {"from_step": 2},
        {"from_step": 3}, {"plan": []},
    ]  # fmt: skip


def test_pages_of_tasks_are_one_iterator(server: ScriptedServer, client: Client) -> None:
    """Each page is fetched when it is needed, with the same filters and the cursor of the one before."""
    c, b, a = (SUMMARY | {"task_id": name} for name in "cba")
    pages = [{"tasks": [c, b], "next": "b"}, {"tasks": [], "next": "a5"}, {"tasks": [a], "next": None}]
    server.answers = [say(200, page, content_type="application/json") for page in pages]

    found = client.tasks(
        status="failed", labels={"k": "v w"}, words="x", created_after=datetime(2026, 5, 1, tzinfo=UTC), page_size=2
    )
    first = next(found)
    asked_for_one = len(server.asked)
    rest = list(found)

    assert (first.task_id, [task.task_id for task in rest], asked_for_one) == ("c", ["b", "a"], 1)
    common = "limit=2&label=k%3Av+w&status=failed&q=x&created_after=2026-05-01T00%3A00%3A00%2B00%3A00"
    assert [path.replace("%20", "+") for _, path, *_ in server.asked] == [
        f"/tasks?{common}",
        f"/tasks?{common}&cursor=b",
        f"/tasks?{common}&cursor=a5",
    ]


def test_a_bad_parameter_is_a_line_too(server: ScriptedServer, client: Client) -> None:
    """What is wrong in a query has a name instead of a pointer."""
    server.answers = [say(422, {"detail": "invalid", "errors": [{"parameter": "status", "detail": "no such state"}]})]

    with pytest.raises(ApiError) as caught:
        list(client.tasks(status="odd"))
    assert caught.value.lines == ["status: no such state"]
