"""Messages as this broker sees them: entries, what is on its way into a queue, and the proxy a worker holds."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from secrets import token_hex
from typing import Any

from dramatiq import JSONEncoder, get_encoder
from dramatiq.broker import MessageProxy
from dramatiq.errors import DecodeError
from dramatiq.message import Message

from .keys import QueueKeys

_JSON = json.JSONEncoder(separators=(",", ":"))


class Verdict(Enum):
    """How a message that a worker is done with leaves its stream."""

    ACK = "ack"
    BURY = "bury"
    RELEASE = "release"
    LEAVE = "leave"


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One entry as it was read: `body` is None when its field `m` is missing.

    `starts` are the lines of runs that began and did not end; known for entries that a sweep took.
    """

    level: int
    entry_id: str
    body: bytes | None
    deliveries: int = 1
    starts: bytes = b""

    @property
    def history(self) -> list[dict[str, Any]]:
        """Which workers began to run it, and when, and did not finish."""
        return [json.loads(line) for line in self.starts.splitlines()]


@dataclass(frozen=True, slots=True)
class Put:
    """A message on its way into a queue: at once, or after `delay_ms`."""

    keys: QueueKeys
    level: int
    body: bytes
    message_id: str
    delay_ms: int = 0

    def script_args(self) -> tuple[int, int, str, bytes]:
        """Level, delay, due member, body. Each call names another delay, so call it once per message."""
        if self.delay_ms <= 0:
            return (int(self.level), 0, "", self.body)
        return (
            int(self.level),
            self.delay_ms,
            self.keys.due_member(self.level, self.message_id, token_hex(4)),
            self.body,
        )


def put_parts(puts: Iterable[Put]) -> tuple[list[str], list[str | int], list[str | int | bytes]]:
    """
    What scripts want to know about messages to write, see `lua/_put.lua`.

    Keys, the arguments about queues (shared, how many, their names), the arguments per message.
    """
    places: dict[QueueKeys, int] = {}
    messages: list[str | int | bytes] = []
    for put in puts:
        messages += (places.setdefault(put.keys, len(places)), *put.script_args())
    keys = [key for queue in places for key in queue.put_keys]
    shared = next(iter(places)).shared_flag if places else ""
    return keys, [shared, len(places), *(queue.queue for queue in places)], messages


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
        #: When it was handed to Dramatiq's worker, by the monotonic clock.
        self.handed_s: float | None = None
        #: Whether the server knows that this run began.
        self.marked = False
        #: Whether it runs while no other suspect of this process does.
        self.alone = False
        #: Whether all hooks ran to their end, so that the outbox is complete.
        self.decided = False
        self.outbox: list[Put] = []
        #: How the actor asked to be released, in ms of delay; None when it did not.
        self.release_ms: int | None = None
        self.verdict: Verdict | None = None
        #: Whether its room is free again, and whether the verdict is on its way to the server.
        self.freed = False
        self.settled = False
        #: Whether the lease ran out and the entry went to another worker.
        self.lost = False

    __hash__ = object.__hash__

    @property
    def is_suspect(self) -> bool:
        """Whether a run of it began in a process that is no more."""
        return bool(self.entry.starts)

    @property
    def crashes(self) -> int:
        """How many processes died with it; the first one, which left no mark, is presumed to have run it."""
        return len(self.entry.history) + 1 if self.delivery > 1 else 0


def decode(body: bytes) -> "Message[Any]":
    """The message in these bytes. Raises `DecodeError` also for JSON that is no usable message."""
    message: Message[Any] = Message.decode(body)
    usable = isinstance(message.options, dict) and isinstance(message.kwargs, dict)
    if not usable or not isinstance(message.message_id, str) or not isinstance(message.actor_name, str):
        raise DecodeError("The fields of the message have the wrong types.", body, None)  # type: ignore[no-untyped-call]
    return message


def copied(message: "Message[Any]") -> "Message[Any]":
    """A copy with options of its own; a message of Dramatiq's own class without the detour over its fields."""
    if type(message) is not Message:
        return message.copy()
    return Message(
        message.queue_name, message.actor_name, message.args, message.kwargs, {**message.options},
        message.message_id, message.message_timestamp,
    )  # fmt: skip


def encoded(message: "Message[Any]") -> bytes:
    """What `message.encode()` gives. For Dramatiq's own JSON the encoder is kept rather than made each time."""
    if type(message) is not Message or type(get_encoder()) is not JSONEncoder:
        return message.encode()
    return _JSON.encode(
        {
            "queue_name": message.queue_name,
            "actor_name": message.actor_name,
            "args": message.args,
            "kwargs": message.kwargs,
            "options": message.options,
            "message_id": message.message_id,
            "message_timestamp": message.message_timestamp,
        }
    ).encode()
