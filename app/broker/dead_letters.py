"""
Dead letters: looking at them, putting them back, throwing them away.

Nothing here needs the program that wrote the messages: bodies are read as the encoder in use reads them,
and one that it cannot read is shown and handled by its id all the same.
"""

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import redis
from dramatiq.errors import DecodeError
from dramatiq.message import Message

from .keys import Level, QueueKeys, ShardKeys
from .message import decode
from .scripts import ScriptArgument, load_script, run_script

DEAD = load_script(__package__, "dead.lua")
REQUEUE = load_script(__package__, "requeue.lua", includes=("_layout.lua",))
PURGE = load_script(__package__, "purge.lua")

PAGE_SIZE_MAX = 100
PURGED_PER_CALL_MAX = 1_000
#: What Dramatiq's retries wrote into a message; without it the message begins anew.
RETRY_OPTIONS = ("retries", "traceback", "requeue_timestamp")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One dead letter; `actor` is None when the body cannot be read."""

    letter_id: str
    queue: str
    actor: str | None
    reason: str
    error: str
    deliveries: int
    level: int
    died_at_ms: int
    age_ms: int
    history: tuple[dict[str, Any], ...]
    body: bytes

    @property
    def message(self) -> "Message[Any] | None":
        try:
            return decode(self.body)
        except DecodeError:
            return None

    def fresh_body(self) -> bytes:
        """The message as it was before its first failure; bytes that are no message stay as they are."""
        message = self.message
        if message is None:
            return self.body
        for option in RETRY_OPTIONS:
            message.options.pop(option, None)
        return message.encode()


Filter = Callable[[DeadLetter], bool]


class DeadLetters:
    """The dead letters of one queue."""

    def __init__(self, client: "redis.Redis", names: QueueKeys, shard: ShardKeys) -> None:
        self._client = client
        self._names = names
        self._shard = shard
        self._keys = [names.dlq, names.dlq_bodies, names.dlq_meta]

    def page(self, offset: int = 0, count: int = PAGE_SIZE_MAX) -> list[DeadLetter]:
        """At most a hundred, the newest first."""
        args: list[ScriptArgument] = [max(0, offset), min(max(count, 1), PAGE_SIZE_MAX)]
        now_ms, *rows = run_script(self._client, DEAD, self._keys, args)
        return [self._letter(int(now_ms), *row) for row in rows]

    def named(self, letter_ids: Sequence[str]) -> dict[str, DeadLetter]:
        """Those of the letters that are there, by id."""
        if not letter_ids:
            return {}
        pipeline = self._client.pipeline(transaction=True)
        pipeline.time()
        pipeline.hmget(self._names.dlq_bodies, letter_ids)
        pipeline.hmget(self._names.dlq_meta, letter_ids)
        (seconds, microseconds), bodies, metas = pipeline.execute()
        now_ms = int(seconds) * 1000 + int(microseconds) // 1000
        return {
            letter_id: self._letter(now_ms, letter_id.encode(), body, meta or b"{}")
            for letter_id, body, meta in zip(letter_ids, bodies, metas, strict=True)
            if body is not None
        }

    def each(self) -> Iterator[DeadLetter]:
        """All of them, the newest first; what is taken away meanwhile may hide others of the same page."""
        offset = 0
        while page := self.page(offset):
            yield from page
            offset += len(page)

    def requeue(self, letter_ids: Sequence[str] | None = None, *, where: Filter | None = None) -> int:
        """
        Puts letters back at their level, without their retries: those named, else those that pass `where`.

        Each hundred moves in one act. Returns how many there were.
        """
        chosen = self._chosen(letter_ids, where)
        moved = 0
        for start in range(0, len(chosen), PAGE_SIZE_MAX):
            args: list[ScriptArgument] = [self._names.queue, self._names.shared_flag]
            for letter in chosen[start : start + PAGE_SIZE_MAX]:
                args += (letter.letter_id, letter.level, letter.fresh_body())
            keys = [*self._keys, self._shard.queues, *self._names.put_keys]
            moved += int(run_script(self._client, REQUEUE, keys, args))
        return moved

    def purge(
        self, letter_ids: Sequence[str] | None = None, *, where: Filter | None = None, older_than_ms: int | None = None
    ) -> int:
        """Deletes letters: those named, those that pass `where`, those that old, or all. Returns how many."""
        if letter_ids is None and where is None:
            return self._purge_older(older_than_ms or 0)
        if letter_ids is None:
            letter_ids = [letter.letter_id for letter in self._chosen(None, where)]
        deleted = 0
        for start in range(0, len(letter_ids), PURGED_PER_CALL_MAX):
            chunk = letter_ids[start : start + PURGED_PER_CALL_MAX]
            deleted += int(run_script(self._client, PURGE, self._keys, ["", PURGED_PER_CALL_MAX, *chunk]))
        return deleted

    def _purge_older(self, age_ms: int) -> int:
        deleted = 0
        while True:
            count = int(run_script(self._client, PURGE, self._keys, [age_ms, PURGED_PER_CALL_MAX]))
            deleted += count
            if count < PURGED_PER_CALL_MAX:
                return deleted

    def _chosen(self, letter_ids: Sequence[str] | None, where: Filter | None) -> list[DeadLetter]:
        letters = self.each() if letter_ids is None else self._pages(letter_ids)
        return [letter for letter in letters if where is None or where(letter)]

    def _pages(self, letter_ids: Sequence[str]) -> Iterator[DeadLetter]:
        for start in range(0, len(letter_ids), PAGE_SIZE_MAX):
            yield from self.named(letter_ids[start : start + PAGE_SIZE_MAX]).values()

    def _letter(self, now_ms: int, member: bytes, body: bytes, meta: bytes) -> DeadLetter:
        known: dict[str, Any] = json.loads(meta)
        died_at_ms = int(known.get("died_at", now_ms))
        letter = DeadLetter(
            letter_id=member.decode(),
            queue=self._names.queue,
            actor=None,
            reason=str(known.get("reason", "")),
            error=_text(known.get("error", "")),
            deliveries=int(known.get("deliveries", 0)),
            level=int(known.get("level", Level.NORMAL)),
            died_at_ms=died_at_ms,
            age_ms=max(0, now_ms - died_at_ms),
            history=tuple(known.get("history", ())),
            body=body,
        )
        message = letter.message
        return letter if message is None else replace(letter, actor=message.actor_name)


def _text(error: object) -> str:
    """Programs that write letters by scripts of their own may give more than a text."""
    return error if isinstance(error, str) else json.dumps(error, ensure_ascii=False)
