"""The event stream of a running program, read by a client that keeps losing its connection."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2

from app.model.events import EVENT, EVENT_TYPES, Event
from tests.deployment import LINE, REPLY_TIMEOUT_S, Stack

PLAN = [
    {"step_id": 1, "agent": "retriever", "payload": "wood stove heat"},
    {"step_id": 2, "agent": "analyzer", "payload": "How is heat kept?"},
    {"step_id": 3, "agent": "writer", "payload": "Report on heat"},
]
DOCUMENTS = [
    {"name": "stove.md", "text": "# Stove\n\nA wood stove keeps the heat of a room for about six hours at night."},
    {"name": "tile.md", "text": "# Tiles\n\nA tiled stove keeps the heat of a room for about twelve hours at night."},
]


@contextmanager
def stream(stack: Stack, task_id: str, last_id: str | None = None) -> Iterator[Iterator[tuple[str, Event]]]:
    """An open event stream: pairs of SSE id and event."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with httpx2.stream("GET", f"{stack.url}/stream/{task_id}", headers=headers, timeout=REPLY_TIMEOUT_S) as reply:
        assert reply.status_code == 200, reply.read()
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield frames(reply)


def frames(reply: Any) -> Iterator[tuple[str, Event]]:
    frame: dict[str, str] = {}
    for line in reply.iter_lines():
        if not line:
            if "id" in frame:
                yield frame["id"], EVENT.validate_json(frame["data"])
            frame = {}
        elif not line.startswith(":"):
            name, _, value = line.partition(": ")
            frame[name] = value


def read(stack: Stack, task_id: str, last_id: str | None = None, limit: int | None = None) -> list[tuple[str, Event]]:
    """Up to `limit` events, then the connection is dropped."""
    found = []
    with stream(stack, task_id, last_id) as events:
        for pair in events:
            found.append(pair)
            if len(found) == limit:
                break
    return found


def test_a_stream_dropped_at_every_event_joins_to_the_whole(shared_stack: Stack) -> None:
    """Wherever the connection drops, the rest is exactly what follows; the pieces are 1..n."""
    task_id = shared_stack.submit(LINE)
    whole = read(shared_stack, task_id)
    assert [event.seq for _, event in whole] == list(range(1, len(whole) + 1))
    assert whole[-1][1].type == "task.completed"

    for cut in range(1, len(whole)):
        first = read(shared_stack, task_id, limit=cut)
        rest = read(shared_stack, task_id, last_id=first[-1][0])
        assert first + rest == whole, cut


def test_a_live_stream_dropped_after_every_event_misses_nothing(shared_stack: Stack) -> None:
    """A client that reconnects after each single event, while the task runs, still sees 1..n once."""
    task_id = shared_stack.submit(LINE)
    seen: list[tuple[str, Event]] = []

    while not seen or not seen[-1][1].terminal:
        seen += read(shared_stack, task_id, last_id=seen[-1][0] if seen else None, limit=1)

    assert [event.seq for _, event in seen] == list(range(1, len(seen) + 1))
    assert seen == read(shared_stack, task_id)


def test_a_client_at_the_end_is_told_to_stay_away(shared_stack: Stack) -> None:
    """Reading on after the terminal event is 204, which ends a browser's EventSource for good."""
    task_id = shared_stack.submit(LINE)
    last_id = read(shared_stack, task_id)[-1][0]

    reply = httpx2.get(
        f"{shared_stack.url}/stream/{task_id}", headers={"Last-Event-ID": last_id}, timeout=REPLY_TIMEOUT_S
    )

    assert reply.status_code == 204


def test_what_a_real_task_emits_is_in_the_vocabulary(shared_stack: Stack) -> None:
    """Every event of a task over real documents has a known type and exactly the documented members."""
    task_id = shared_stack.submit(PLAN, inputs={"documents": DOCUMENTS})

    events = [event for _, event in read(shared_stack, task_id)]

    assert {event.type for event in events} <= set(EVENT_TYPES)
    for event in events:
        assert set(event.data) <= set(type(event.parsed()).model_fields)
    assert {"source.found", "output.delta", "citations.verified", "artifact.completed"} <= {e.type for e in events}
    report = httpx2.get(
        f"{shared_stack.url}/tasks/{task_id}/result", headers={"Accept": "text/markdown"}, timeout=60
    ).text
    assert "".join(e.data["text"] for e in events if e.type == "output.delta") == report
