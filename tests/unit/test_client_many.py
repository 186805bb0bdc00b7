"""Several tasks followed in one stream: each log proven for itself."""

import json
from urllib.parse import unquote

import pytest

from app.client import ApiUnreachable, Client, StreamBroken
from tests.unit.conftest import Connect
from tests.unit.scripted_server import END, ScriptedServer, say, stream

ONE, TWO = "0-01a214e6-0ca5-7351-a64d-aaaaaaaaaaaa", "0-01a214e6-0ca5-7351-a64d-bbbbbbbbbbbb"


def frame(task_id: str, seq: int, kind: str = "step.progress", *, cursor: str = "") -> str:
    event = {"v": 1, "seq": seq, "type": kind, "ts": 1, "task_id": task_id, "data": {}}
    head = f"id: {cursor}\n" if cursor else ""
    return f"{head}event: {kind}\ndata: {json.dumps(event)}\n\n"


def reset(task_id: object) -> str:
    return f"event: stream.reset\ndata: {json.dumps({'task_id': task_id})}\n\n"


def seen(client: Client, **more: object) -> list[tuple[str, int]]:
    return [(event.task_id[-1], event.seq) for event in client.follow_many([ONE, TWO], **more)]  # type: ignore[arg-type]


def positions(server: ScriptedServer) -> list[str | None]:
    return [headers.get("last-event-id") for _, _, headers, _ in server.asked]


def test_all_are_followed_until_all_have_ended(server: ScriptedServer, client: Client) -> None:
    """A drop is bridged with the position that the server gave; the end of one task is not the end."""
    server.answers = [
        stream(frame(ONE, 1, cursor="a:1-7"), frame(TWO, 1, "task.failed", cursor="a:1-7.b:1-9"), broken=True),
        stream(END),
        stream(frame(ONE, 2, "task.completed", cursor="a:2-7.b:1-9"), END),
    ]

    assert seen(client) == [("a", 1), ("b", 1), ("a", 2)]
    assert unquote(server.asked[0][1]) == f"/stream?task_id={ONE}&task_id={TWO}"
    assert positions(server) == [None, "a:1-7.b:1-9", "a:1-7.b:1-9"]


def test_a_task_that_goes_on_behind_its_end_is_followed_on(server: ScriptedServer, client: Client) -> None:
    """Retried in place: its end was none."""
    server.answers = [
        stream(frame(ONE, 1, "task.failed"), frame(TWO, 1, "task.failed"), frame(ONE, 2, "task.retried"), END),
        stream(frame(ONE, 3, "task.completed"), END),
    ]

    assert seen(client) == [("a", 1), ("b", 1), ("a", 2), ("a", 3)]
    # Without ids of the server the numbers do.
    assert positions(server) == [None, f"{ONE}:2.{TWO}:1"]


def test_one_log_that_was_rolled_back_is_replayed_and_the_others_go_on(server: ScriptedServer, client: Client) -> None:
    """Its numbers start again at 1, and its forgotten position is never named again."""
    cursor = f"{ONE[-12:]}:2-7.{TWO[-12:]}:1-9"
    server.answers = [
        stream(frame(ONE, 1), frame(TWO, 1), frame(ONE, 2, cursor=cursor), reset(ONE), broken=True),
        stream(frame(ONE, 1, "task.completed"), frame(TWO, 2, "task.completed"), END),
    ]

    assert seen(client) == [("a", 1), ("b", 1), ("a", 2), ("a", 1), ("b", 2)]
    assert positions(server) == [None, f"{TWO[-12:]}:1-9"]


def test_a_follower_may_begin_where_it_was_with_each(server: ScriptedServer, client: Client) -> None:
    """The numbers that are known make the first position."""
    server.answers = [stream(frame(ONE, 6, "task.completed"), frame(TWO, 1, "task.completed"), END)]

    assert seen(client, after={ONE: 5}) == [("a", 6), ("b", 1)]
    assert positions(server) == [f"{ONE}:5"]


@pytest.mark.parametrize(
    "lie",
    [frame(ONE, 3), frame(TWO, 2), frame(ONE.replace("a" * 12, "c" * 12), 1), reset("other"), reset(None), reset(7)],
    ids=["gap", "gap of another", "strange task", "strange reset", "nameless reset", "numbered reset"],
)
def test_what_is_not_the_next_event_of_a_task_is_an_error(server: ScriptedServer, client: Client, lie: str) -> None:
    """The logs are proven one by one."""
    server.answers = [stream(frame(ONE, 1), lie)]

    with pytest.raises(StreamBroken):
        seen(client)


def test_who_has_everything_is_told_nothing(server: ScriptedServer, client: Client) -> None:
    """204 ends the iteration."""
    server.answers = [say(204)]

    assert seen(client, after={ONE: 5, TWO: 3}) == []


def test_endless_silence_ends_here_too(server: ScriptedServer, connect: Connect) -> None:
    """All terminal events were seen but one."""
    server.answers = [stream(frame(ONE, 1, "task.completed")), stream()]

    with connect(server.url, silence_s_max=0.5) as client, pytest.raises(ApiUnreachable):
        seen(client)
