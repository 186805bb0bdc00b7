"""Where a follower of a stream stands, and the proof that it has missed nothing."""

import random

import httpx2
from pydantic import ValidationError

from app.client.errors import StreamBroken
from app.model.events import EVENT, Event

BACKOFF_S = 0.1
BACKOFF_S_MAX = 3.0
RETRY_AFTER_S_MAX = 10.0


class Position:
    """Where a follower stands, and how long it has been without news."""

    def __init__(self, after: int) -> None:
        self.seq = after
        self.ended = False
        # The last event was a terminal one; only the end of the stream says that none follows.
        self.terminal = False
        self.silent_s = 0.0
        self.trouble = ""
        self._cursor = str(after) if after else ""
        self._failures = 0
        self._retry_after_s = 0.0

    def headers(self) -> dict[str, str]:
        return {"Last-Event-ID": self._cursor} if self._cursor else {}

    def accept(self, frame: httpx2.ServerSentEvent) -> Event | None:
        """The event in the frame, proven to be the next one; `None` for a control frame."""
        if frame.event == "stream.reset":
            self.seq, self._cursor, self.terminal = 0, "", False
        if frame.event == "stream.end":
            self.ended = self.terminal
        if not frame.data or frame.event.startswith("stream."):
            return None
        try:
            event = EVENT.validate_json(frame.data)
        except ValidationError as error:
            raise StreamBroken(f"What came after event {self.seq} is not an event.") from error
        if event.seq != self.seq + 1:
            raise StreamBroken(f"Event {event.seq} came after event {self.seq}.")
        self.seq, self._cursor = event.seq, frame.id or str(event.seq)
        self.terminal = event.terminal
        self.silent_s, self._failures = 0.0, 0
        return event

    def interrupted(self, trouble: str, *, silent_s: float = 0.0, retry_after_s: object = None) -> None:
        self.trouble = trouble
        self.silent_s += silent_s
        self._failures += 1
        self._retry_after_s = min(RETRY_AFTER_S_MAX, retry_after_s) if isinstance(retry_after_s, int) else 0.0

    def delay_s(self) -> float:
        backoff_s: float = min(BACKOFF_S_MAX, BACKOFF_S * 2.0 ** min(self._failures - 1, 16))
        return max(self._retry_after_s, backoff_s * random.uniform(0.5, 1))
