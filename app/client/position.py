"""Where a follower stands in the logs of its tasks, and the proof that it has missed nothing."""

import json
from collections.abc import Mapping

from pydantic import ValidationError

from app.client.errors import StreamBroken
from app.client.frames import Frame
from app.model.events import EVENT, Event


class Position:
    """
    The number of the last event of each task.

    With `dense` every event must be the next one of its task, otherwise a later one. `cursor` is the position as
    the API names it: of one task `<seq>-<rand>`, of several `<end of the task's id>:<seq>-<rand>` joined by dots.
    """

    def __init__(self, after: Mapping[str, int], *, several: bool, dense: bool) -> None:
        self._seqs = dict(after)
        self._several = several
        self._dense = dense
        # Tasks whose last event was a terminal one; only the end of the stream says that none follows.
        self._ended: set[str] = set()
        self.cursor = self._written()

    @property
    def has_all(self) -> bool:
        """The last event of every task was one that ends it."""
        return len(self._ended) == len(self._seqs)

    @property
    def may_end(self) -> bool:
        """Whether the API is believed when it says that nothing follows."""
        return self.has_all

    def take(self, frame: Frame) -> Event | None:
        """The event in the frame, if it is one; raises `StreamBroken` for one that is not the next one."""
        if frame.event == "stream.reset":
            self._reset(frame)
        if not frame.data or frame.event.startswith("stream."):
            return None
        try:
            event = EVENT.validate_json(frame.data, extra="ignore")
        except ValidationError as error:
            raise StreamBroken(f"What came after {self.told} is not an event.") from error
        task_id = self._task_of(event)
        last = self._seqs[task_id]
        if event.seq <= last or (self._dense and event.seq != last + 1):
            raise StreamBroken(f"Event {event.seq} came after event {last}{f' of {task_id}' if self._several else ''}.")
        self._seqs[task_id] = event.seq
        self.cursor = frame.id or self._written()
        (self._ended.add if event.terminal else self._ended.discard)(task_id)
        return event

    def _reset(self, frame: Frame) -> None:
        """The log that the frame names was rolled back, or the only one: its replay follows."""
        task_id = _named(frame) if self._several else next(iter(self._seqs))
        if task_id not in self._seqs:
            raise StreamBroken("A log was reset that was not asked for.")
        self._seqs[task_id] = 0
        self._ended.discard(task_id)
        kept = [part for part in self.cursor.split(".") if not task_id.endswith(part.rpartition(":")[0])]
        self.cursor = ".".join(kept) if self._several else ""

    @property
    def told(self) -> str:
        """For a person."""
        return f"event {max(self._seqs.values(), default=0)}"

    def _written(self) -> str:
        """The position as far as numbers tell it."""
        begun = {task_id: seq for task_id, seq in self._seqs.items() if seq}
        return ".".join(f"{task_id}:{seq}" if self._several else str(seq) for task_id, seq in begun.items())

    def _task_of(self, event: Event) -> str:
        if not self._several:
            return next(iter(self._seqs))
        if event.task_id not in self._seqs:
            raise StreamBroken(f"An event of {event.task_id[:80]!r} came, which was not asked for.")
        return event.task_id


def _named(frame: Frame) -> str:
    try:
        named = json.loads(frame.data)
    except ValueError:
        return ""
    return str(named.get("task_id")) if isinstance(named, dict) else ""
