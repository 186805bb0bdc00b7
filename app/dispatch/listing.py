"""Lists of tasks: by state, label, words and time, newest first, with a cursor that stays valid."""

import re
from dataclasses import dataclass
from typing import Any

import orjson
import redis.asyncio

from app.dispatch.sieve import Sieve, Sifted
from app.errors import BadCursor
from app.keys import Keys
from app.model.task import ListStatus, TaskPage, TaskStatus, TaskSummary, first_task_id, is_task_id
from app.redis_async import translated

LIMIT_MAX = 100
READ_SIZE = 100
#: Tasks read for one page; a filter that matches rarely gives short pages and a cursor.
SCAN_MAX = 2_000
#: Tasks of which no more than the state is looked at for one page.
SIFTED_MAX = 20_000
ENDED = tuple(status for status in TaskStatus if status.terminal)
OPEN = tuple(status for status in TaskStatus if not status.terminal)
LABEL_PATTERN = re.compile(r"([^:]{1,64}):(.{0,200})", re.DOTALL)
FIELDS = ("task", "status", "priority", "labels", "created", "finished", "rested", "steps", "left")


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Which tasks are wanted; `words` must all be in the task's text, whatever their case."""

    status: ListStatus | None = None
    labels: tuple[tuple[str, str], ...] = ()
    words: str = ""
    created_after_ms: int | None = None

    @property
    def states(self) -> frozenset[TaskStatus]:
        """The states that are wanted."""
        if self.status is None:
            return frozenset(TaskStatus)
        several = {ListStatus.OPEN: OPEN, ListStatus.ENDED: ENDED}.get(self.status)
        return frozenset(several or (TaskStatus(self.status),))

    def admits(self, summary: TaskSummary) -> bool:
        if summary.status not in self.states:
            return False
        if any(summary.labels.get(name) != value for name, value in self.labels):
            return False
        text = summary.task.casefold()
        return all(word in text for word in self.words.casefold().split())


class TaskList:
    """
    Reads the lists of one shard.

    Task ids sort by time, and all members of a list have the same score, so the last id of a page is its
    cursor: whatever comes and goes meanwhile, nothing is shown twice and nothing is passed over.
    """

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, sieve: Sieve) -> None:
        self._redis = client
        self._keys = keys
        self.sieve = sieve

    async def page(self, tenant: str, wanted: TaskFilter, *, cursor: str | None = None, limit: int = 20) -> TaskPage:
        """
        At most `limit` tasks behind the cursor.

        Raises `BadCursor` for a cursor that is no task id, `Unavailable` when Redis is away.
        """
        if cursor is not None and not is_task_id(cursor):
            raise BadCursor(f"{cursor[:40]!r} is not a cursor of this list.")
        key, is_sifted = self._keys.index(tenant, part_of(wanted)), not _is_list(wanted)
        found: list[TaskSummary] = []
        read = looked_at = 0
        while read < SCAN_MAX and looked_at < SIFTED_MAX:
            start, end = f"({cursor}" if cursor else "+", self.end(wanted)
            if is_sifted:
                part = await self.sieve.sift(key, start, end, wanted.states, READ_SIZE)
            else:
                part = await self._ids(key, start, end)
            for task_id, summary in (await self._summaries(key, part.task_ids)).items():
                if summary is not None and wanted.admits(summary):
                    found.append(summary)
                if len(found) == limit:
                    return TaskPage(tasks=found, next=task_id)
            cursor, read, looked_at = part.last, read + len(part.task_ids), looked_at + part.looked_at
            if cursor is None:
                break
        return TaskPage(tasks=found, next=cursor)

    def end(self, wanted: TaskFilter) -> str:
        """Where a list ends for a filter, as `ZRANGE BYLEX` has it."""
        return f"[{first_task_id(max(0, wanted.created_after_ms or 0), self._keys.shard)}"

    async def _ids(self, key: str, start: str, end: str) -> Sifted:
        with translated():
            found: Any = await self._redis.zrange(key, start, end, desc=True, bylex=True, offset=0, num=READ_SIZE)
        task_ids = [task_id.decode() for task_id in found]
        return Sifted(len(task_ids), task_ids[-1] if len(task_ids) == READ_SIZE else None, {}, task_ids)

    async def _summaries(self, key: str, ids: list[str]) -> dict[str, TaskSummary | None]:
        """The tasks by id; what has expired by itself is taken off the list."""
        if not ids:
            return {}
        pipeline = self._redis.pipeline(transaction=False)
        for task_id in ids:
            pipeline.hmget(self._keys.task(task_id), FIELDS)
        with translated():
            rows = await pipeline.execute()
            found = {task_id: _summary(task_id, row) for task_id, row in zip(ids, rows, strict=True)}
            expired = [task_id for task_id, summary in found.items() if summary is None]
            if expired:
                await self._redis.zrem(key, *expired)
        return found


def part_of(wanted: TaskFilter) -> str:
    """The shortest list that holds all that is wanted."""
    if wanted.labels:
        name, value = wanted.labels[0]
        return f"l:{name}={value}"
    if wanted.status in (None, ListStatus.ENDED):
        return ""
    return f"s:{wanted.status if str(wanted.status) in ENDED else ListStatus.OPEN}"


def _is_list(wanted: TaskFilter) -> bool:
    """Whether a list holds the wanted states and no others."""
    if wanted.status is None or wanted.labels:
        return wanted.status is None
    return wanted.status is ListStatus.OPEN or str(wanted.status) in ENDED


def _summary(task_id: str, row: list[bytes | None]) -> TaskSummary | None:
    fields = {name: value.decode() for name, value in zip(FIELDS, row, strict=True) if value is not None}
    if "created" not in fields:
        return None
    return TaskSummary(
        task_id=task_id,
        task=fields["task"],
        status=TaskStatus(fields["status"]),
        priority=int(fields["priority"]),
        labels=orjson.loads(fields["labels"]),
        created_ms=int(fields["created"]),
        finished_ms=int(fields["finished"]) if "finished" in fields else None,
        rested_ms=int(fields.get("rested", 0)),
        steps=int(fields["steps"]),
        steps_left=int(fields["left"]),
    )


def parse_label(text: str) -> tuple[str, str]:
    """Reads `name:value`; raises `ValueError`."""
    match = LABEL_PATTERN.fullmatch(text)
    if match is None:
        raise ValueError("write a label as name:value")
    return match[1], match[2]
