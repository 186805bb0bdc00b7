"""Which API processes there are: each tells of itself every few seconds, and is gone when it no longer does."""

import os
import secrets
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import redis.asyncio
from pydantic import BaseModel, ValidationError

from app.keys import Keys
from app.model.fleet import ApiProcessBody
from app.redis_async import translated
from app.version import VERSION

BEAT_S = 5.0
#: Three beats: one that was late is not gone.
LIFE_MS = 15_000
#: How long an id is kept of which no process tells any more: one that was killed does not take it back.
LIST_TTL_MS = 60_000
PROCESSES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class State:
    """What changes while a process runs."""

    draining: bool
    viewers: int
    viewers_max: int
    events_sent: int


class _Told(BaseModel):
    host: str
    pid: int
    version: str
    since_ms: int
    draining: bool
    viewers: int
    viewers_max: int
    events_sent: int


class ApiPresence:
    """Tells of this API process, and who else has; raises `Unavailable` when Redis is away."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, state: Callable[[], State]) -> None:
        self._redis = client
        self._keys = keys
        self._state = state
        self._host, self._pid = socket.gethostname(), os.getpid()
        self._since_ms = int(time.time() * 1000)
        self.process_id = f"{self._host}:{self._pid}:{secrets.token_hex(4)}"

    async def beat(self) -> None:
        """Tells how this process is."""
        state = self._state()
        told = _Told(
            host=self._host, pid=self._pid, version=VERSION, since_ms=self._since_ms, draining=state.draining,
            viewers=state.viewers, viewers_max=state.viewers_max, events_sent=state.events_sent,
        )  # fmt: skip
        with translated():
            now_s, micros = await self._redis.time()
            now_ms = now_s * 1000 + micros // 1000
            pipeline = self._redis.pipeline(transaction=False)
            pipeline.set(self._keys.api(self.process_id), told.model_dump_json(), px=LIFE_MS)
            pipeline.zadd(self._keys.apis, {self.process_id: now_ms})
            pipeline.zremrangebyscore(self._keys.apis, "-inf", now_ms - LIST_TTL_MS)
            pipeline.pexpire(self._keys.apis, LIST_TTL_MS)
            await pipeline.execute()

    async def leave(self) -> None:
        """This process ends."""
        pipeline = self._redis.pipeline(transaction=False)
        pipeline.unlink(self._keys.api(self.process_id))
        pipeline.zrem(self._keys.apis, self.process_id)
        with translated():
            await pipeline.execute()

    async def processes(self) -> list[ApiProcessBody]:
        """All that have told of themselves lately, this one as it is now; the oldest first."""
        await self.beat()
        with translated():
            members: Any = await self._redis.zrange(self._keys.apis, 0, PROCESSES_MAX - 1, desc=True)
            ids = [process_id.decode() for process_id in members]
            pipeline = self._redis.pipeline(transaction=False)
            for process_id in ids:
                pipeline.get(self._keys.api(process_id))
                pipeline.pttl(self._keys.api(process_id))
            replies = await pipeline.execute()
            told = list(zip(ids, replies[::2], replies[1::2], strict=True))
            if silent := [process_id for process_id, text, _ in told if text is None]:
                await self._redis.zrem(self._keys.apis, *silent)
        found = [_body(process_id, text, life_ms) for process_id, text, life_ms in told if text is not None]
        return sorted(filter(None, found), key=lambda body: (body.since_ms, body.process_id))


def _body(process_id: str, told: bytes, life_ms: int) -> ApiProcessBody | None:
    try:
        fields = _Told.model_validate_json(told)
    except ValidationError:
        # Another version of the program tells of itself in another way.
        return None
    return ApiProcessBody(process_id=process_id, silent_ms=max(0, LIFE_MS - life_ms), **fields.model_dump())
