"""Where the doctor looks: one Redis, with the keys of one namespace."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import redis

from app.broker import QueueAdmin
from app.broker.admin import QueueStats
from app.broker.broker import SHARED_STREAM
from app.broker.keys import QueueKeys, ShardKeys
from app.broker.scripts import command
from app.broker.workers import WorkerReport
from app.config import Settings
from app.keys import Keys
from app.preflight.server import Server

Words = tuple[str | int, ...]


# No slots: the cached properties live in the instance's dictionary.
@dataclass(frozen=True)
class Place(Server):
    """What checks ask; what several of them need is asked for once."""

    settings: Settings

    @property
    def keys(self) -> Keys:
        return Keys(self.settings.namespace)

    @property
    def shard(self) -> ShardKeys:
        return ShardKeys(self.keys.tag, self._shared)

    def queue_keys(self, queue: str) -> QueueKeys:
        return self.shard.queue(queue)

    @cached_property
    def now_ms(self) -> int:
        """The server's clock."""
        seconds, micros = self.client.time()
        return seconds * 1000 + micros // 1000

    @cached_property
    def admin(self) -> QueueAdmin:
        return QueueAdmin(self.client, self.settings.namespace, shared=self._shared)

    @cached_property
    def queues(self) -> dict[str, QueueStats]:
        return self.admin.stats_of(self.admin.queues())

    @cached_property
    def workers(self) -> list[WorkerReport]:
        return self.admin.workers()

    @cached_property
    def raw(self) -> "redis.Redis":
        """The same connections, with replies as they come: the driver drops parts of some, and fails at others."""
        client: redis.Redis = redis.Redis(connection_pool=self.client.connection_pool)
        client.response_callbacks.clear()
        return client

    def ask(self, *words: str | int) -> Any:
        """One command as it is written."""
        return command(self.raw, *words)

    def ask_all(self, commands: Sequence[Words]) -> list[Any]:
        """Many commands in one round trip; what one of them raises stands in its place."""
        pipeline = self.raw.pipeline(transaction=False)
        for words in commands:
            pipeline.execute_command(*words)  # type: ignore[no-untyped-call]
        found: list[Any] = pipeline.execute(raise_on_error=False)
        return found

    @property
    def _shared(self) -> str:
        return SHARED_STREAM if self.settings.layout == "single" else ""


def text(value: bytes | str | None) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value or ""
