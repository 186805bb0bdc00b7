"""
Messages into queues, each exactly once per call however often the reply gets lost.

One message is the usual case and the one that callers wait for: it goes out by a script of two commands,
all of whose command but the message is kept encoded, and each producer has a connection of its own. That
script does not look at limits. `enqueue.lua` does, and says how much room there is: a sender may fill a
small share of it before it looks again, so many senders at once do not overfill a queue.
"""

import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import redis
from redis.exceptions import NoScriptError, RedisError

from .connections import Line, pack_parts
from .errors import QUEUE_FULL_PREFIX, QueueFull, RedisFull, is_out_of_memory, translated
from .keys import QueueKeys, ShardKeys
from .message import Put, put_parts
from .retrying import retried
from .scripts import load_script

ENQUEUE = load_script(__package__, "enqueue.lua", includes=("_layout.lua", "_put.lua"))
SEND = load_script(__package__, "send.lua")

#: Longer than any caller retries: a late repetition must still be recognised.
PRODUCER_TTL_MS = 600_000
BATCH_SIZE_MAX = 100
#: A sender looks at the limits of a queue at least this often, and after this many messages.
LOOK_EVERY_S = 1.0
LOOK_EVERY = 100
#: So many senders at once, counted per level, each with its share of the room, still keep the limit.
SHARES = 256


class _Lane:
    """One stream of a queue, as one producer sends single messages to it."""

    def __init__(self, producer_key: str, keys: QueueKeys, level: int) -> None:
        head = ("EVALSHA", SEND.sha1, 2, producer_key, keys.stream(level))
        #: Of eight parts only the sequence number and the message change.
        self._head = b"*8\r\n" + pack_parts(*head)
        self._middle = pack_parts(PRODUCER_TTL_MS)
        self._left = 0
        self._until_s = 0.0

    def grant(self, room: int) -> None:
        """What the last look at the limits allows."""
        self._left = min(LOOK_EVERY, room // SHARES)
        self._until_s = time.monotonic() + LOOK_EVERY_S

    def take(self) -> bool:
        """Whether one more message may go without a look."""
        self._left -= 1
        return self._left >= 0 and time.monotonic() < self._until_s

    def pack(self, sequence: int, body: bytes) -> bytes:
        number = b"%d" % sequence
        return b"%b$%d\r\n%b\r\n%b$%d\r\n%b\r\n" % (
            self._head, len(number), number, self._middle, len(body), body,
        )  # fmt: skip


class _Producer:
    """A name, a counter and a connection; used by one thread at a time, so that its numbers arrive in order."""

    def __init__(self, client: "redis.Redis", shard: ShardKeys) -> None:
        self.key = shard.producer(uuid4().hex)
        self.sequence = 0
        #: The parts of a command that do not change, by the keys of its queues.
        self.heads: dict[tuple[str, ...], tuple[int, bytes]] = {}
        self._lanes: dict[tuple[str, int], _Lane] = {}
        self.line = Line(client)

    def call(self, packed: bytes) -> Any:
        """One exchange with the server; the scripts are loaded where one is missing."""
        try:
            return self.line.exchange([packed])
        except NoScriptError:
            for script in (ENQUEUE, SEND):
                self.line.call("SCRIPT", "LOAD", script.source)
            return self.line.exchange([packed])

    def lane(self, put: Put) -> _Lane:
        place = (put.keys.queue, put.level)
        lane = self._lanes.get(place)
        if lane is None:
            lane = self._lanes[place] = _Lane(self.key, put.keys, put.level)
        return lane


class Sender:
    """Writes messages. There are as many producers as threads that ever sent at the same moment."""

    def __init__(
        self,
        client: "redis.Redis",
        keys: ShardKeys,
        *,
        patience_ms: int,
        backlog_max: int,
        check_server: Callable[[], None],
    ) -> None:
        self._client = client
        self._keys = keys
        self._patience_ms = patience_ms
        self._backlog_max = backlog_max
        self._check_server = check_server
        self._idle: deque[_Producer] = deque()

    def send(self, puts: Sequence[Put]) -> None:
        """
        All or nothing for each hundred.

        Raises `QueueFull`, `RedisFull` when Redis is over its memory limit, `ConnectionClosed` when it
        stays away, `ServerTooOld`.
        """
        producer = self._borrow()
        try:
            if len(puts) == 1:
                self._send_one(producer, puts[0])
                return
            for start in range(0, len(puts), BATCH_SIZE_MAX):
                self._call(producer, self._pack(producer, puts[start : start + BATCH_SIZE_MAX]))
        finally:
            self._idle.append(producer)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().line.hang_up()

    def _send_one(self, producer: _Producer, put: Put) -> None:
        # Delays and shared streams need more than one stream to be written.
        if put.delay_ms > 0 or put.keys.shared:
            self._call(producer, self._pack(producer, [put]))
            return
        lane = producer.lane(put)
        if lane.take():
            producer.sequence += 1
            self._call(producer, lane.pack(producer.sequence, put.body))
        else:
            lane.grant(self._call(producer, self._pack(producer, [put])))

    def _call(self, producer: _Producer, packed: bytes) -> int:
        try:
            return int(producer.call(packed))
        except (RedisError, OSError) as error:
            return self._call_again(producer, packed, error)

    def _pack(self, producer: _Producer, puts: Sequence[Put]) -> bytes:
        producer.sequence += 1
        keys, queues, messages = put_parts(puts)
        parts, head = self._head(producer, keys, queues)
        tail = pack_parts(producer.sequence, *messages)
        return b"".join((b"*%d\r\n" % (parts + 1 + len(messages)), head, tail))

    def _call_again(self, producer: _Producer, packed: bytes, error: Exception) -> int:
        if is_out_of_memory(error):
            raise RedisFull from error
        if str(error).startswith(QUEUE_FULL_PREFIX):
            raise QueueFull(str(error).removeprefix(QUEUE_FULL_PREFIX), self._backlog_max) from error
        with translated():
            return int(retried(lambda: producer.call(packed), patience_ms=self._patience_ms, first=error))

    def _head(self, producer: _Producer, keys: Sequence[str], queues: Sequence[str | int]) -> tuple[int, bytes]:
        """How many parts the command has before the sequence number, and these parts, encoded."""
        kept = producer.heads.get(tuple(keys))
        if kept is None:
            every = [producer.key, self._keys.queues, *keys]
            args = [PRODUCER_TTL_MS, self._backlog_max, self._keys.wake, *queues]
            command = ["EVALSHA", ENQUEUE.sha1, len(every), *every, *args]
            kept = (len(command), pack_parts(*command))
            if len(producer.heads) < BATCH_SIZE_MAX:
                producer.heads[tuple(keys)] = kept
        return kept

    def _borrow(self) -> _Producer:
        try:
            return self._idle.pop()
        except IndexError:
            with translated():
                retried(self._check_server, patience_ms=self._patience_ms)
            return _Producer(self._client, self._keys)
