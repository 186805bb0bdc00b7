"""
Messages into queues, each exactly once per call however often the reply gets lost.

One message is the usual case and the one that callers wait for: most of its command is the same each
time and is kept encoded, and each producer has a connection of its own.
"""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Any
from uuid import uuid4

import redis
from redis.exceptions import NoScriptError, RedisError

from .connections import Line, pack_parts
from .errors import QUEUE_FULL_PREFIX, QueueFull, RedisFull, is_out_of_memory, translated
from .keys import ShardKeys
from .message import Put, put_parts
from .retrying import retried
from .scripts import load_script

ENQUEUE = load_script(__package__, "enqueue.lua", includes=("_layout.lua", "_put.lua"))

#: Longer than any caller retries: a late repetition must still be recognised.
PRODUCER_TTL_MS = 600_000
BATCH_SIZE_MAX = 100


class _Producer:
    """A name, a counter and a connection; used by one thread at a time, so that its numbers arrive in order."""

    def __init__(self, client: "redis.Redis") -> None:
        self.producer_id = uuid4().hex
        self.sequence = 0
        #: The parts of a command that do not change, by the keys of its queues.
        self.heads: dict[tuple[str, ...], tuple[int, bytes]] = {}
        #: The same for a single message, with the number of parts, by queue.
        self.single: dict[str, bytes] = {}
        self.line = Line(client)

    def call(self, packed: bytes) -> Any:
        """One exchange with the server; the script is loaded where it is missing."""
        try:
            return self.line.exchange([packed])
        except NoScriptError:
            self.line.call("SCRIPT", "LOAD", ENQUEUE.source)
            return self.line.exchange([packed])


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
            for start in range(0, len(puts), BATCH_SIZE_MAX):
                self._send_batch(producer, puts[start : start + BATCH_SIZE_MAX])
        finally:
            self._idle.append(producer)

    def close(self) -> None:
        while self._idle:
            self._idle.pop().line.hang_up()

    def _send_batch(self, producer: _Producer, puts: Sequence[Put]) -> None:
        producer.sequence += 1
        packed = self._pack_one(producer, puts[0]) if len(puts) == 1 else self._pack(producer, puts)
        try:
            producer.call(packed)
        except (RedisError, OSError) as error:
            self._send_again(producer, packed, error)

    def _pack(self, producer: _Producer, puts: Sequence[Put]) -> bytes:
        keys, queues, messages = put_parts(puts)
        parts, head = self._head(producer, keys, queues)
        tail = pack_parts(producer.sequence, *messages)
        return b"".join((b"*%d\r\n" % (parts + 1 + len(messages)), head, tail))

    def _pack_one(self, producer: _Producer, put: Put) -> bytes:
        """The same bytes for a single message, from what is kept of the last one to its queue."""
        kept = producer.single.get(put.keys.queue)
        if kept is None or put.delay_ms > 0:
            keys, queues, messages = put_parts([put])
            parts, head = self._head(producer, keys, queues)
            kept = producer.single[put.keys.queue] = b"*%d\r\n%b" % (parts + 1 + len(messages), head)
            if put.delay_ms > 0:
                return kept + pack_parts(producer.sequence, *messages)
        return b"%b$%d\r\n%d\r\n$1\r\n0\r\n$1\r\n%d\r\n$1\r\n0\r\n$0\r\n\r\n$%d\r\n%b\r\n" % (
            kept, len(str(producer.sequence)), producer.sequence, put.level, len(put.body), put.body,
        )  # fmt: skip

    def _send_again(self, producer: _Producer, packed: bytes, error: Exception) -> None:
        if is_out_of_memory(error):
            raise RedisFull from error
        if str(error).startswith(QUEUE_FULL_PREFIX):
            raise QueueFull(str(error).removeprefix(QUEUE_FULL_PREFIX), self._backlog_max) from error
        with translated():
            retried(lambda: producer.call(packed), patience_ms=self._patience_ms, first=error)

    def _head(self, producer: _Producer, keys: Sequence[str], queues: Sequence[str | int]) -> tuple[int, bytes]:
        """How many parts the command has before the sequence number, and these parts, encoded."""
        kept = producer.heads.get(tuple(keys))
        if kept is None:
            every = [self._keys.producer(producer.producer_id), self._keys.queues, *keys]
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
            return _Producer(self._client)
