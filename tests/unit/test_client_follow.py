"""The client against a server that drops connections, refuses, and lies."""

import json

import pytest

from app.client import ApiError, ApiUnreachable, Client, StreamBroken
from app.model.task import Document
from tests.unit.conftest import Connect
from tests.unit.scripted_server import ACCEPTED, END, Answer, ScriptedServer, frame, say, stream


def test_a_stream_is_followed_across_drops_refusals_and_restarts(server: ScriptedServer, client: Client) -> None:
    """Each event arrives once, in order; every reconnect says where the last event was."""
    server.answers = [
        stream(frame(1), frame(2), broken=True),
        say(503, {"detail": "Redis is away"}, Retry_After="0"),
        stream(frame(3), END),
        say(502, "<html>bad gateway</html>", content_type="text/html"),
        stream("event: step.progress\nid: 4-77\ndata: {", broken=True),
        stream(frame(4), frame(5, "task.completed"), END),
    ]

    assert [event.seq for event in client.follow("0-x")] == [1, 2, 3, 4, 5]
    assert [headers.get("last-event-id") for _, _, headers, _ in server.asked] == [
        None, "2-77", "2-77", "3-77", "3-77", "3-77",
    ]  # fmt: skip


def test_a_finished_task_whose_end_was_seen_has_no_more_events(server: ScriptedServer, client: Client) -> None:
    """204 ends the iteration at once."""
    server.answers = [say(204)]

    assert list(client.follow("0-x", after=9)) == []
    assert server.asked[0][2]["last-event-id"] == "9"


def test_an_end_that_was_rolled_back_is_no_end(server: ScriptedServer, client: Client) -> None:
    """A terminal event before `stream.reset` is void like all others: the client asks until it has one behind it."""
    server.answers = [
        stream(frame(1, "task.completed"), "event: stream.reset\ndata: {}\n\n", END),
        stream(frame(1), frame(2, "task.failed"), END),
    ]

    assert [event.type for event in client.follow("0-x")] == ["task.completed", "step.progress", "task.failed"]


def test_a_rolled_back_log_is_replayed_from_its_first_event(server: ScriptedServer, client: Client) -> None:
    """After `stream.reset` the numbers start again at 1, and a reconnect never names the forgotten position."""
    server.answers = [
        stream(frame(1), frame(2), "event: stream.reset\ndata: {}\n\n", broken=True),
        stream(frame(1), frame(2, "task.completed"), END),
    ]

    assert [event.seq for event in client.follow("0-x")] == [1, 2, 1, 2]
    assert "last-event-id" not in server.asked[1][2]


@pytest.mark.parametrize("second", [1, 3], ids=["repeated", "missing"])
def test_a_gap_is_proven_not_skipped(server: ScriptedServer, client: Client, second: int) -> None:
    """An event that is not the next one ends the iteration with an error that names both."""
    server.answers = [stream(frame(1), frame(second))]

    with pytest.raises(StreamBroken, match=f"Event {second} came after event 1"):
        list(client.follow("0-x"))


def test_something_that_is_no_event_is_an_error(server: ScriptedServer, client: Client) -> None:
    """A frame that cannot be read is not passed over."""
    server.answers = [stream(frame(1), "event: step.progress\ndata: {}\n\n")]

    with pytest.raises(StreamBroken, match="after event 1"):
        list(client.follow("0-x"))


@pytest.mark.parametrize("answer", [stream(), say(503, {}, Retry_After="1")], ids=["empty streams", "refusals"])
def test_endless_silence_ends(server: ScriptedServer, connect: Connect, answer: Answer) -> None:
    """A server that answers and never says anything is given up after the limit."""
    server.answers = [answer]

    with connect(server.url, silence_s_max=1.2) as client, pytest.raises(ApiUnreachable, match="No contact"):
        list(client.follow("0-x"))
    assert len(server.asked) < 20


def test_a_refusal_that_will_not_pass_is_raised_at_once(server: ScriptedServer, client: Client) -> None:
    """An unknown task is not asked for again."""
    server.answers = [say(404, {"status": 404, "detail": "There is no task."})]

    with pytest.raises(ApiError, match="404: There is no task") as caught:
        list(client.follow("0-x"))
    assert caught.value.status == 404
    assert len(server.asked) == 1


def test_a_submission_carries_what_was_given(server: ScriptedServer, client: Client) -> None:
    """The body has the documents of the API's shape and nothing that was left out."""
    server.answers = [say(202, ACCEPTED, content_type="application/json")]

    assert client.submit("hello").task_id == "0-x"
    document = Document(name="a.md", text="A")
    client.submit(
        "hello", plan=[], documents=[document], collection="c", urls=["http://a.example/"], web=True, labels={"k": "v"}
    )

    method, path, _, body = server.asked[1]
    assert (method, path) == ("POST", "/run-task")
    assert json.loads(server.asked[0][3]) == {"task": "hello", "priority": 5, "labels": {}}
    assert json.loads(body) == {
        "task": "hello",
        "priority": 5,
        "labels": {"k": "v"},
        "plan": [],
        "inputs": {
            "documents": [{"name": "a.md", "text": "A"}],
            "collection": "c",
            "urls": ["http://a.example/"],
            "web": True,
        },
    }


def test_problems_are_listed_one_per_line(server: ScriptedServer, client: Client) -> None:
    """The problem document's errors become lines with their pointers."""
    problem = {"detail": "invalid", "errors": [{"pointer": "/plan/0/agent", "detail": "names no agent"}]}
    server.answers = [say(422, problem)]

    with pytest.raises(ApiError) as caught:
        client.submit("hello", plan=[{}])
    assert caught.value.lines == ["/plan/0/agent: names no agent"]


def test_a_running_task_has_no_report_yet(server: ScriptedServer, client: Client) -> None:
    """202 from the result is not mistaken for the report."""
    server.answers = [say(202, {"status": "running"}, content_type="application/json")]

    with pytest.raises(ApiError, match="still running"):
        client.markdown("0-x")


def test_a_closed_port_and_a_foreign_server_are_unreachable(
    server: ScriptedServer, client: Client, connect: Connect
) -> None:
    """Whatever is not this API is reported as such, with the address."""
    server.answers = [say(200, "<html>", content_type="text/html")]
    with pytest.raises(ApiUnreachable, match="is not this API"):
        client.task("0-x")

    with connect("http://127.0.0.1:1") as nobody, pytest.raises(ApiUnreachable, match="No API answers at http"):
        nobody.submit("hello")
