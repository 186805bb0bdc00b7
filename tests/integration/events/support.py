"""Writes a log as the transition scripts do, and reads what viewers got."""

import asyncio
import json
from dataclasses import dataclass, field
from pathlib import Path

import redis.asyncio

from app import local_redis
from app.events.log import StoredEvent
from app.events.viewer import Batch, Viewer
from app.keys import Keys
from app.local_redis import LocalServer

TASK = "0-0193a000-0000-7000-8000-000000000001"

APPEND = """
redis.call('XADD', KEYS[1], ARGV[1], 'e', ARGV[2])
if ARGV[3] == '1' then redis.call('SPUBLISH', KEYS[1], ARGV[1] .. ' ' .. ARGV[2]) end
"""


@dataclass
class Writer:
    """Appends numbered events to one log and pushes them in the same act."""

    client: "redis.asyncio.Redis"
    keys: Keys
    task_id: str = TASK
    seq: int = 0
    written: list[str] = field(default_factory=list)

    async def append(self, kind: str = "step.progress", *, push: bool = True, rand: int | None = None) -> str:
        self.seq += 1
        entry_id = f"{self.seq}-{self.seq * 7 if rand is None else rand}"
        body = json.dumps(
            {"v": 1, "seq": self.seq, "type": kind, "ts": self.seq, "task_id": self.task_id, "data": {"x": entry_id}}
        )
        await self.client.eval(APPEND, 1, self.keys.events(self.task_id), entry_id, body, int(push))
        self.written.append(entry_id)
        return entry_id

    async def append_many(self, count: int, *, push: bool = True) -> None:
        for _ in range(count):
            await self.append(push=push)

    async def lose_tail(self, keep: int) -> None:
        """Rolls the log back to its first `keep` events, as a failover does: nobody sees it without them."""
        key = self.keys.events(self.task_id)
        rows = await self.client.xrange(key)
        async with self.client.pipeline(transaction=True) as act:
            act.delete(key)
            for entry_id, fields in rows[:keep]:
                act.xadd(key, fields, id=entry_id)
            await act.execute()
        self.seq = keep
        self.written = self.written[:keep]


class PrivateServer:
    """A server of the test's own, which may be stopped and started again with what it holds."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._server: LocalServer | None = None

    def start(self) -> str:
        binary = local_redis.find_binary()
        assert binary is not None
        self._server = local_redis.start_server(binary, self._home)
        return self._server.url

    def stop(self) -> None:
        if self._server:
            self._server.stop()
        self._server = None


WAIT_S = 60.0


async def take(viewer: Viewer, count: int) -> list[str]:
    """The ids of the next `count` events at least, `RESET` for a reset."""
    seen: list[str] = []
    async with asyncio.timeout(WAIT_S):
        while len(seen) < count:
            seen += ids(await anext(viewer))
    return seen


async def drain(viewer: Viewer) -> list[str]:
    """Everything up to the end of the stream."""
    async with asyncio.timeout(WAIT_S):
        return [entry_id async for found in viewer for entry_id in ids(found)]


def ids(found: Batch) -> list[str]:
    return [piece.id if isinstance(piece, StoredEvent) else "RESET" for piece in found if piece.type != "stream.end"]
