"""
Messages as this broker sees them: the proxy a worker holds, and templates that scripts can fill in.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from secrets import token_hex
from typing import Any
from uuid import uuid4

from dramatiq.broker import MessageProxy
from dramatiq.errors import DecodeError
from dramatiq.message import Message

from .keys import QueueKeys

_TIMESTAMP_SENTINEL = 990_000_000_000_000_000


class Verdict(Enum):
    """How a message that a worker is done with leaves its stream."""

    ACK = "ack"
    BURY = "bury"
    RELEASE = "release"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry as it was read: `body` is None when its field `m` is missing."""

    level: int
    entry_id: str
    body: bytes | None
    deliveries: int = 1


@dataclass(frozen=True, slots=True)
class Put:
    """A message on its way into a queue: at once, or after `delay_ms`."""

    keys: QueueKeys
    level: int
    body: bytes
    message_id: str
    delay_ms: int = 0
    nonce: str = field(default_factory=lambda: token_hex(4))

    def script_keys(self) -> tuple[str, str]:
        if self.delay_ms > 0:
            return (self.keys.due, self.keys.due_bodies)
        stream = self.keys.stream(self.level)
        return (stream, stream)

    def script_args(self) -> tuple[str, int, str, bytes]:
        member = self.keys.due_member(self.level, self.message_id, self.nonce)
        return (self.keys.queue, self.delay_ms, member, self.body)


class StreamProxy(MessageProxy):
    """
    A message in a worker's hands, and what its broker knows about its entry.

    `delivery` is 1 the first time and counts up when the entry had to be given to another worker.
    The fields of the message are real attributes: Dramatiq looks each of them up many times.
    """

    def __init__(self, message: "Message[Any]", entry: Entry, queue: str, epoch: str | None) -> None:
        super().__init__(message)
        # The worker finds its consumer by this name, whatever the body says.
        self.queue_name = queue
        self.actor_name = message.actor_name
        self.args = message.args
        self.kwargs = message.kwargs
        self.options = message.options
        self.message_id = message.message_id
        self.message_timestamp = message.message_timestamp

        self.entry = entry
        self.delivery = entry.deliveries
        #: The queue's theft counter as known before this entry was fetched.
        self.epoch = epoch
        #: Set when the actor starts, by the monotonic clock.
        self.started_s: float | None = None
        #: Whether all hooks ran to their end, so that the outbox is complete.
        self.decided = False
        self.outbox: list[Put] = []
        #: How the actor asked to be released, in ms of delay; None when it did not.
        self.release_ms: int | None = None
        self.verdict: Verdict | None = None
        #: Whether the lease ran out and the entry went to another worker.
        self.lost = False

    __hash__ = object.__hash__


def decode(body: bytes) -> "Message[Any]":
    """The message in these bytes. Raises `DecodeError` also for JSON that is no usable message."""
    message: Message[Any] = Message.decode(body)
    usable = isinstance(message.options, dict) and isinstance(message.kwargs, dict)
    if not usable or not isinstance(message.message_id, str) or not isinstance(message.actor_name, str):
        raise DecodeError("The fields of the message have the wrong types.", body, None)  # type: ignore[no-untyped-call]
    return message


def message_template(
    queue_name: str,
    actor_name: str,
    args_prefix: Sequence[object] = (),
    options: Mapping[str, object] | None = None,
) -> str:
    r"""
    An encoded message with three holes, as four parts joined by "\n".

    `part0 .. spec .. part1 .. message id .. part2 .. timestamp in ms .. part3` is an encoded message
    with the arguments `(*args_prefix, spec)`. Scripts fill it by concatenation, so `spec` and the
    message id must not hold a quotation mark, a backslash or a control character. JSON has no raw
    newline, so splitting at newlines gives the parts back. Raises `ValueError` for an encoder that
    is not JSON, whose bytes cannot be filled in this way.
    """
    spec, message_id = f"spec-{uuid4().hex}", f"id-{uuid4().hex}"
    message: Message[Any] = Message(
        queue_name=queue_name,
        actor_name=actor_name,
        args=(*args_prefix, spec),
        kwargs={},
        options=dict(options or {}),
        message_id=message_id,
        message_timestamp=_TIMESTAMP_SENTINEL,
    )
    return "\n".join(_split(message.encode(), (f'"{spec}"', f'"{message_id}"', str(_TIMESTAMP_SENTINEL))))


def _split(encoded: bytes, sentinels: Sequence[str]) -> list[str]:
    rest = encoded.decode("utf-8", errors="replace")
    parts = []
    for sentinel in sentinels:
        if "\n" in rest or rest.count(sentinel) != 1:
            raise ValueError("A message template needs an encoder that writes JSON on one line.")
        before, rest = rest.split(sentinel)
        quote = '"' if sentinel.startswith('"') else ""
        parts.append(before + quote)
        rest = quote + rest
    return [*parts, rest]
