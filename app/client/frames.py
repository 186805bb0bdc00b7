"""
Server-sent events out of bytes (WHATWG HTML, section 9.2.6), as far as this API uses them.

Bytes go in as they arrive, frames come out when they are complete; an incomplete one at the end is void. The
text of a frame stays bytes: its JSON is parsed as such.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

EVENT_BYTES_MAX = 32 << 20
_LINE_END = re.compile(rb"\r\n|\n|\r")


class FrameTooLarge(Exception):
    """A frame has more than `EVENT_BYTES_MAX` bytes."""


@dataclass(slots=True)
class Frame:
    """One event of a stream; `retry_ms` is what the server asks clients to wait before they come back."""

    event: str = ""
    data: bytes = b""
    id: str = ""
    retry_ms: int | None = None


class Frames:
    """The decoder of one stream."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0
        self._after_cr = False
        self._frame = Frame()
        self._data: list[bytes] = []

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that end in this chunk."""
        if self._after_cr and chunk.startswith(b"\n"):
            chunk = chunk[1:]
        self._after_cr = chunk.endswith(b"\r")
        *ended, rest = _LINE_END.split(chunk)
        for piece in ended:
            line = b"".join([*self._parts, piece])
            self._parts.clear()
            self._grow(len(piece))
            if line:
                self._field(line)
            else:
                yield from self._complete()
        self._parts.append(rest)
        self._grow(len(rest))

    def _grow(self, size: int) -> None:
        self._size += size
        if self._size > EVENT_BYTES_MAX:
            raise FrameTooLarge

    def _complete(self) -> Iterator[Frame]:
        frame, self._frame = self._frame, Frame()
        frame.data = b"\n".join(self._data)
        self._data.clear()
        self._size = 0
        if frame != Frame():
            yield frame

    def _field(self, line: bytes) -> None:
        """A line without a colon is a name without a value; one that begins with it, a comment."""
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._frame.event = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            self._frame.id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit():
            self._frame.retry_ms = int(value)
