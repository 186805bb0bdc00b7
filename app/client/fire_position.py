"""Where a follower stands in the firehose."""

from pydantic import ValidationError

from app.client.errors import StreamBroken
from app.client.frames import Frame
from app.model.fire import FireEvent


class FirePosition:
    """The last id that the API gave, with an event or without; what cannot be had any more is told as `stream.gap`."""

    #: Whenever the API says that nothing follows, that is so.
    may_end = True
    #: There is always more to come.
    has_all = False

    def __init__(self, after: str) -> None:
        self.cursor = after

    @property
    def told(self) -> str:
        """For a person."""
        return f"position {self.cursor}" if self.cursor else "the beginning"

    def take(self, frame: Frame) -> FireEvent | None:
        """The event in the frame; `None` for one that only names a position. Raises `StreamBroken`."""
        if frame.event == "stream.gap":
            return self._read(b'{"type": "stream.gap", "data": %b}' % frame.data)
        if frame.id:
            # After the event was read: one that cannot be read is not passed over.
            event = self._read(frame.data) if frame.data else None
            self.cursor = frame.id
            return event
        if frame.data and not frame.event.startswith("stream."):
            raise StreamBroken(f"What came after {self.told} has no position.")
        return None

    def _read(self, text: bytes) -> FireEvent:
        try:
            return FireEvent.model_validate_json(text, extra="ignore")
        except ValidationError as error:
            raise StreamBroken(f"What came after {self.told} is not an event.") from error
