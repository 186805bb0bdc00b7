"""
Events on the wire, as bytes: a frame of server-sent events, or a line of JSON (NDJSON).

An event's frame carries its id, so that a client which reconnects says where it was. What the stream says of
itself (`stream.reset`: forget what you have, the full replay follows; `stream.end`: nothing follows) is a control:
it has no id and so never moves the client's position.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import orjson


class Piece(Protocol):
    """What a stream is made of: an event, or a word of the stream about itself."""

    @property
    def type(self) -> str: ...
    @property
    def terminal(self) -> bool: ...
    @property
    def frame(self) -> bytes: ...
    @property
    def line(self) -> bytes: ...


class Source(Protocol):
    """
    Where the pieces of a stream come from, in batches that lie ready at the same time.

    An empty batch answers a `nudge`, or says at the beginning that nothing lies ready. The iteration ends when it
    is `complete`, when it is stopped, or when there is nothing to wait for any more.
    """

    @property
    def complete(self) -> bool:
        """All there is has been handed out, and no more will come."""
        ...

    def __aiter__(self) -> "Source": ...
    async def __anext__(self) -> Sequence[Piece]: ...
    def nudge(self) -> None: ...
    def stop(self) -> None: ...
    def close(self) -> None: ...


def frame(event_id: str, event_type: str, body: bytes) -> bytes:
    """The frame of one event; `body` is its JSON."""
    return b"id: %b\nevent: %b\ndata: %b\n\n" % (event_id.encode(), event_type.encode(), one_line(body))


def one_line(body: bytes) -> bytes:
    """The JSON without line breaks, which can only be white space between tokens and would end the line early."""
    if b"\n" in body or b"\r" in body:
        return orjson.dumps(orjson.loads(body))
    return body


# No slots: the cached properties live in the instance's dictionary.
@dataclass(frozen=True)
class Control:
    """What the stream says of itself; passes every filter."""

    type: str
    data: Mapping[str, object] = field(default_factory=dict)
    terminal = False

    @cached_property
    def frame(self) -> bytes:
        return b"event: %b\ndata: %b\n\n" % (self.type.encode(), orjson.dumps(self.data))

    @cached_property
    def line(self) -> bytes:
        return orjson.dumps({"v": 1, "type": self.type, "data": self.data}) + b"\n"


@dataclass(frozen=True)
class Mark(Control):
    """
    Where a reader stands, told by an id alone: a client takes note of it and sees no event.

    So it comes back to there even if nothing that it wants to see has happened yet.
    """

    position: str = ""

    @cached_property
    def frame(self) -> bytes:
        return b"id: %b\n\n" % self.position.encode()

    @property
    def line(self) -> bytes:  # a blank line, as every heartbeat
        return b"\n"


RESET = Control("stream.reset")
END = Control("stream.end")
