"""
Several logs as one stream: each event once and in the order of its log, and one position for all of them.

The position names the last event of each task, `<task>:<seq>-<rand>`, joined by dots; a task that is not in it is read
from the start. Of a task's id its last twelve digits are enough, because they are random. So a client may watch more
tasks, or fewer, and still come back to where it was with each.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from app.errors import BadCursor
from app.events.log import START, Cursor, StoredEvent
from app.events.sse import Control, Piece, frame
from app.events.topic import Bell, listen
from app.events.viewer import Batch, Viewer

KEY_DIGITS = 12
POSITION_CHARS_MAX = 16_384


@dataclass(slots=True)
class PlacedEvent:
    """An event, and the position in all logs that a reader has reached with it."""

    event: StoredEvent
    position: str

    @property
    def type(self) -> str:
        return self.event.type

    @property
    def terminal(self) -> bool:
        return self.event.terminal

    @property
    def frame(self) -> bytes:
        return frame(self.position, self.event.type, self.event.body)

    @property
    def line(self) -> bytes:
        return self.event.line


def cursors_of(text: str | None, task_ids: Sequence[str]) -> dict[str, Cursor]:
    """The position in each log that `text` names for it. Raises `BadCursor`."""
    cursors = dict.fromkeys(task_ids, START)
    if not text or text == "0":
        return cursors
    if len(text) > POSITION_CHARS_MAX:
        raise BadCursor(f"A position has at most {POSITION_CHARS_MAX} characters.")
    for part in text.split("."):
        key, _, place = part.rpartition(":")
        if not place or len(key) < KEY_DIGITS:
            raise BadCursor(f"A position in several logs is like <task>:42-51873.<task>:7-9, not {text[:40]!r}.")
        cursor = Cursor.parse(place)
        cursors |= {task_id: cursor for task_id in task_ids if task_id.endswith(key)}
    return cursors


class Several:
    """The viewers of several tasks as one; made with one bell for all of them."""

    def __init__(self, viewers: Mapping[str, Viewer], bell: Bell) -> None:
        self._viewers = dict(viewers)
        self._bell = bell
        self._keys = _keys(list(viewers))
        self._places = {task_id: self._place(task_id, viewer.cursor) for task_id, viewer in viewers.items()}
        self._nudged = False
        self._stopped = False

    @property
    def complete(self) -> bool:
        return all(viewer.complete for viewer in self._viewers.values())

    def __aiter__(self) -> "Several":
        return self

    async def begin(self) -> list[str]:
        """Reads what lies ready in each log; the tasks that have none. Raises `Unavailable`."""
        self._nudged = True
        found = await asyncio.gather(*(viewer.begin() for viewer in self._viewers.values()))
        return [task_id for task_id, there in zip(self._viewers, found, strict=True) if not there]

    async def __anext__(self) -> Sequence[Piece]:
        while not (self._stopped or all(viewer.over for viewer in self._viewers.values())):
            self._bell.clear()
            if found := self._at_hand() or await self._fetched():
                return found
            if self._nudged:
                self._nudged = False
                return ()
            if not all(viewer.over for viewer in self._viewers.values()):
                await listen(self._bell, self._patience_s)
        raise StopAsyncIteration

    def nudge(self) -> None:
        self._nudged = True
        self._bell.ring()

    def stop(self) -> None:
        self._stopped = True
        self._bell.ring()

    def close(self) -> None:
        self.stop()
        for viewer in self._viewers.values():
            viewer.close()

    @property
    def _patience_s(self) -> float | None:
        found = [viewer.patience_s for viewer in self._viewers.values() if not viewer.over]
        return min((patience_s for patience_s in found if patience_s is not None), default=None)

    def _at_hand(self) -> list[Piece]:
        return [
            piece
            for task_id, viewer in self._viewers.items()
            if not viewer.over
            for piece in self._placed(task_id, viewer.at_hand())
        ]

    async def _fetched(self) -> list[Piece]:
        # Side by side: when Redis is away, each of them takes its time to find out.
        behind = {task_id: viewer for task_id, viewer in self._viewers.items() if viewer.behind}
        batches = await asyncio.gather(*(viewer.fetched() for viewer in behind.values()))
        return [piece for task_id, batch in zip(behind, batches, strict=True) for piece in self._placed(task_id, batch)]

    def _placed(self, task_id: str, batch: Batch) -> Iterator[Piece]:
        for piece in batch:
            if isinstance(piece, StoredEvent):
                self._places[task_id] = f"{self._keys[task_id]}:{piece.id}"
                yield PlacedEvent(piece, ".".join(place for place in self._places.values() if place))
            else:
                self._places[task_id] = ""
                yield Control(piece.type, {"task_id": task_id})

    def _place(self, task_id: str, cursor: Cursor) -> str:
        return f"{self._keys[task_id]}:{cursor}" if cursor.seq else ""


def _keys(task_ids: Sequence[str]) -> dict[str, str]:
    """What the tasks are called in a position; their whole ids, should two have the same last digits."""
    short = {task_id: task_id[-KEY_DIGITS:] for task_id in task_ids}
    return short if len(set(short.values())) == len(task_ids) else {task_id: task_id for task_id in task_ids}
