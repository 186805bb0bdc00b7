"""Messages into queues, each exactly once per call however often the reply gets lost."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import uuid4

import redis

from .errors import translated
from .keys import ShardKeys
from .message import Put
from .retrying import retried
from .scripts import load_script, run_script

ENQUEUE = load_script(__package__, "enqueue.lua", includes=("_put.lua",))

#: Longer than any caller retries: a late repetition must still be recognised.
PRODUCER_TTL_MS = 600_000
BATCH_SIZE_MAX = 100


@dataclass(slots=True)
class _Producer:
    """A name and a counter; used by one thread at a time, so that its numbers arrive in order."""

    producer_id: str = field(default_factory=lambda: uuid4().hex)
    sequence: int = 0


class Sender:
    """Writes messages. There are as many producers as threads that ever sent at the same moment."""

    def __init__(self, client: "redis.Redis", keys: ShardKeys, patience_ms: int) -> None:
        self._client = client
        self._keys = keys
        self._patience_ms = patience_ms
        self._idle: deque[_Producer] = deque()

    def send(self, puts: Sequence[Put]) -> None:
        """All or nothing for each hundred. Raises `ConnectionClosed` when Redis stays away or is full."""
        producer = self._borrow()
        try:
            for start in range(0, len(puts), BATCH_SIZE_MAX):
                self._send_batch(producer, puts[start : start + BATCH_SIZE_MAX])
        finally:
            self._idle.append(producer)

    def _send_batch(self, producer: _Producer, puts: Sequence[Put]) -> None:
        producer.sequence += 1
        keys = [self._keys.producer(producer.producer_id), self._keys.queues]
        args: list[str | bytes | int] = [producer.sequence, PRODUCER_TTL_MS, self._keys.wake]
        for put in puts:
            keys.extend(put.script_keys())
            args.extend(put.script_args())
        with translated():
            retried(lambda: run_script(self._client, ENQUEUE, keys, args), patience_ms=self._patience_ms)

    def _borrow(self) -> _Producer:
        try:
            return self._idle.pop()
        except IndexError:
            return _Producer()
