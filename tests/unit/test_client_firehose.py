"""The firehose: positions instead of numbers, gaps that are told, no end of its own."""

import json
from itertools import islice

import pytest

from app.client import ApiUnreachable, Client, StreamBroken
from app.model.fire import FireEvent
from tests.unit.conftest import Connect
from tests.unit.scripted_server import END, ScriptedServer, say, stream

WORKER = {"v": 1, "type": "worker.up", "ts": 5, "worker": "host:1:a", "data": {"threads": 2}}
TASK = {"v": 1, "seq": 7, "type": "step.started", "ts": 6, "task_id": "0-x", "step_id": 1, "data": {}, "new": 1}


def fire(position: str, event: object) -> str:
    return f"id: {position}\nevent: x\ndata: {json.dumps(event)}\n\n"


def mark(position: str) -> str:
    """A position without an event."""
    return f"id: {position}\n\n"


def positions(server: ScriptedServer) -> list[str | None]:
    return [headers.get("last-event-id") for _, _, headers, _ in server.asked]


def test_events_of_tasks_and_workers_come_over_drops(server: ScriptedServer, client: Client) -> None:
    """It comes back with the last position it was given, also when no event came with it."""
    server.answers = [
        stream(mark("5-0.0"), broken=True),
        stream(fire("5-0.1", WORKER), fire("6-0.1", TASK), broken=True),
        stream(mark("9-0.0")),
        stream(fire("9-0.1", WORKER)),
    ]

    seen = list(islice(client.firehose(types=["worker.*"], tenant="acme", labels={"a": "b c"}), 3))

    assert [(event.type, event.seq, event.worker) for event in seen] == [
        ("worker.up", None, "host:1:a"), ("step.started", 7, None), ("worker.up", None, "host:1:a"),
    ]  # fmt: skip
    assert positions(server) == [None, "5-0.0", "6-0.1", "9-0.0"]
    assert server.asked[0][1].replace("%20", "+") == "/events?types=worker.%2A&tenant=acme&label=a%3Ab+c"


def test_what_is_lost_is_told(server: ScriptedServer, client: Client) -> None:
    """A gap stands between the events, with the positions around it."""
    gap = {"requested": "1-0.0", "first": "9-0.1"}
    server.answers = [stream(f"event: stream.gap\ndata: {json.dumps(gap)}\n\n", fire("9-0.1", WORKER))]

    assert list(islice(client.firehose("1"), 2)) == [
        FireEvent(type="stream.gap", data=gap), FireEvent.model_validate(WORKER, extra="ignore"),
    ]  # fmt: skip
    assert positions(server) == ["1"]


def test_what_there_is_can_be_had_without_waiting(server: ScriptedServer, client: Client) -> None:
    """It ends where the present is."""
    server.answers = [stream(fire("5-0.1", WORKER), END)]

    assert len(list(client.firehose("0", follow=False))) == 1
    assert server.asked[0][1] == "/events?follow=false"
    server.answers = [say(204)]
    assert list(client.firehose("5-0.1", follow=False)) == []


@pytest.mark.parametrize(
    "lie", ["event: x\ndata: {}\n\n", fire("5-0.1", {"seq": 1}), "event: stream.gap\ndata: no\n\n"],
    ids=["no position", "no event", "no gap"],
)  # fmt: skip
def test_what_is_no_event_is_not_passed_over(server: ScriptedServer, client: Client, lie: str) -> None:
    """It is an error."""
    server.answers = [stream(lie)]

    with pytest.raises(StreamBroken):
        list(client.firehose())


def test_a_silent_firehose_is_given_up(server: ScriptedServer, connect: Connect) -> None:
    """Streams that open and close with nothing in them are no contact."""
    server.answers = [stream()]

    with connect(server.url, silence_s_max=0.5) as client, pytest.raises(ApiUnreachable):
        list(client.firehose())
