"""
The event log of tasks: as far as it is written, and live. As in `calls.py`, each function is a method of both clients.
"""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel

from app.client.call import Call, as_model, given, segment
from app.client.fire_position import FirePosition
from app.client.follower import Follower
from app.client.pages import Pages
from app.client.position import Position
from app.model.events import TERMINAL_TYPES, Event
from app.model.fire import FireEvent

PAGE_SIZE = 100


class _Events(BaseModel):
    """A page of events that have been looked at."""

    events: list[Event]
    next: str
    more: bool

    @property
    def parts(self) -> tuple[list[Event], str | None]:
        return self.events, self.next if self.more else None


def events(task_id: str, after: int = 0, *, page_size: int = PAGE_SIZE) -> Pages[Event]:
    """The events that are written already, from the one behind number `after`; `follow` waits for more."""
    read = as_model(_Events)

    def page(cursor: str | None) -> Call[tuple[list[Event], str | None]]:
        params = {"after": cursor or str(after), "limit": page_size}
        return Call("GET", f"/tasks/{segment(task_id)}/events", lambda response: read(response).parts, params=params)

    return Pages(page)


def follow(task_id: str, after: int = 0, *, types: Sequence[str] = ()) -> Follower[Event]:
    """
    The task's events behind number `after`, up to and with the last one, each exactly once and in order.

    Dropped connections, a restarting API and passing errors are bridged. An event whose `seq` is not
    above the one before it means that the log was rolled back: forget all, the replay follows.
    With `types`, such as `step.*` or `task.started`, only those, and the one that ends the task.
    Raises `ApiUnreachable` after `silence_s_max` without contact, `ApiError`, or `StreamBroken`.
    """
    return Follower(f"/stream/{segment(task_id)}", _types(types), _position({task_id: after}, types))


def follow_many(
    task_ids: Sequence[str], *, after: Mapping[str, int] | None = None, types: Sequence[str] = ()
) -> Follower[Event]:
    """
    The same for several tasks in one stream, until all of them have ended; at most 100.

    Events of one task come in their order, those of different tasks as they happen. `after` may name the number of
    the last event that is known of a task.
    """
    begun = {task_id: (after or {}).get(task_id, 0) for task_id in task_ids}
    params = {"task_id": list(begun)} | _types(types)
    return Follower("/stream", params, _position(begun, types, several=True))


def firehose(
    after: str = "",
    *,
    types: Sequence[str] = (),
    tenant: str | None = None,
    labels: Mapping[str, str] | None = None,
    follow: bool = True,
) -> Follower[FireEvent]:
    """
    What happens to all tasks and workers, from now on or from a position; needs a key with the scope `admin`.

    A position is a time in milliseconds, or `0` for the oldest that is kept. Drops are bridged; what the API no
    longer has by then is told as `stream.gap`. Without `follow` it ends at the present, and begins with the oldest.
    """
    label = [f"{name}:{text}" for name, text in (labels or {}).items()]
    params = _types(types) | given(tenant=tenant, label=label or None, follow=None if follow else "false")
    return Follower("/events", params, FirePosition(after))


def ending(task_id: str) -> Follower[Event]:
    """Only the event that ends the task; what `wait` follows."""
    return follow(task_id, types=sorted(TERMINAL_TYPES))


def _types(types: Sequence[str]) -> dict[str, str]:
    return {"types": ",".join(types)} if types else {}


def _position(after: Mapping[str, int], types: Sequence[str], *, several: bool = False) -> Position:
    """With types events are missing by nature."""
    return Position(after, several=several, dense=not types)
