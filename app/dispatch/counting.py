"""
How many tasks there are, by where they stand.

Each of the ended states has a list, whose length is known. Those that are open are counted one by one when somebody
asks, in Redis, some at a time: no transition pays for it. One count is under way at a time, and between its looks
Redis is left to others, so that a process counts for a quarter of the time at most, whatever is asked. A count of more
than one look is kept for a moment, longer where it took longer.
"""

import asyncio
from collections import Counter
from dataclasses import dataclass, replace

import redis.asyncio

from app.dispatch.listing import ENDED, OPEN, SCAN_MAX, TaskFilter, TaskList, part_of
from app.dispatch.sieve import SIFTED_PER_CALL
from app.errors import Unavailable
from app.keys import Keys
from app.model.answers import TaskCounts
from app.model.task import ListStatus, TaskStatus
from app.redis_async import translated

#: Tasks whose states are counted; beyond, the numbers are told to be incomplete.
COUNTED_MAX = 100_000
#: Tasks that are read to count those with some words, or with several labels.
READ_MAX = 10_000
#: So long one count may go on; then it tells what it has seen.
COUNTING_S_MAX = 5.0
#: So long a count waits for those before it, itself included.
WAIT_S_MAX = 10.0
#: Between two looks there is a pause, this many times as long as the look.
PAUSE_SHARE = 3
KEPT_S = 1.0
#: A count is kept this many times as long as it took.
KEPT_SHARE = 5
KEPT_COUNTS_MAX = 256

NOTHING = TaskFilter()


@dataclass(frozen=True, slots=True)
class _Counted:
    states: Counter[TaskStatus]
    looked_at: int
    complete: bool = True
    #: How many are open, where that is known without looking at them.
    open: int = 0


class _Looks:
    """The looks of one count, with their pauses."""

    def __init__(self) -> None:
        self.count = 0
        self._now_s = asyncio.get_running_loop().time
        self._until_s = self._now_s() + COUNTING_S_MAX
        self._began_s = 0.0

    async def another(self) -> bool:
        """Whether there is time for one more; called before each."""
        if self.count:
            await asyncio.sleep(PAUSE_SHARE * (self._now_s() - self._began_s))
        self.count, self._began_s = self.count + 1, self._now_s()
        return self._began_s < self._until_s


class TaskCounter:
    """Counts the tasks of one shard, one count at a time."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, tasks: TaskList) -> None:
        self._redis = client
        self._keys = keys
        self._tasks = tasks
        self._turn = asyncio.Lock()
        #: What took more than one look, and until when it holds, by tenant and filter.
        self._kept: dict[tuple[str, TaskFilter], tuple[TaskCounts, float]] = {}

    async def counts(self, tenant: str, wanted: TaskFilter = NOTHING) -> TaskCounts:
        """
        How many tasks match, whatever the state that `wanted` names.

        Of more than `SIFTED_PER_CALL` tasks the answer may be as old as `KEPT_S`, or as `KEPT_SHARE` times what
        counting takes. Raises `Unavailable` when Redis is away, or when too many counts are asked for.
        """
        try:
            async with asyncio.timeout(WAIT_S_MAX):
                return await self._in_turn((tenant, replace(wanted, status=None)))
        except TimeoutError as error:
            raise Unavailable("Too much is being counted at the moment.") from error

    async def _in_turn(self, key: tuple[str, TaskFilter]) -> TaskCounts:
        now_s = asyncio.get_running_loop().time
        async with self._turn:
            known, until_s = self._kept.pop(key, (None, 0.0))
            began_s = now_s()
            if known is not None and began_s < until_s:
                self._kept[key] = known, until_s
                return known
            counted = await self._count(*key)
            found = _body(counted)
            if counted.looked_at > SIFTED_PER_CALL:
                self._kept[key] = found, now_s() + max(KEPT_S, KEPT_SHARE * (now_s() - began_s))
                if len(self._kept) > KEPT_COUNTS_MAX:
                    del self._kept[next(iter(self._kept))]
            return found

    async def _count(self, tenant: str, wanted: TaskFilter) -> _Counted:
        if wanted == NOTHING:
            return await self._all(tenant)
        if wanted.words or len(wanted.labels) > 1:
            return await self._read(tenant, wanted)
        return await self._sift(tenant, wanted)

    async def _all(self, tenant: str) -> _Counted:
        pipeline = self._redis.pipeline(transaction=False)
        for state in (ListStatus.OPEN, *ENDED):
            pipeline.zcard(self._keys.index(tenant, f"s:{state}"))
        with translated():
            number, *ended = await pipeline.execute()
        found = await self._sift(tenant, replace(NOTHING, status=ListStatus.OPEN))
        states = {state: found.states[state] for state in OPEN} | dict(zip(ENDED, ended, strict=True))
        return replace(found, states=Counter(states), open=number)

    async def _sift(self, tenant: str, wanted: TaskFilter) -> _Counted:
        """By the list that holds what is wanted."""
        key, start, states, looked_at = self._keys.index(tenant, part_of(wanted)), "+", Counter[TaskStatus](), 0
        looks = _Looks()
        while looked_at < COUNTED_MAX and await looks.another():
            part = await self._tasks.sieve.sift(key, start, self._tasks.end(wanted), frozenset())
            states.update(part.counts)
            looked_at += part.looked_at
            if part.last is None:
                return _Counted(states, looked_at)
            start = f"({part.last}"
        return _Counted(states, looked_at, complete=False)

    async def _read(self, tenant: str, wanted: TaskFilter) -> _Counted:
        states, cursor, looks = Counter[TaskStatus](), None, _Looks()
        while looks.count < READ_MAX // SCAN_MAX and await looks.another():
            page = await self._tasks.page(tenant, wanted, cursor=cursor, limit=SCAN_MAX)
            states.update(task.status for task in page.tasks)
            cursor = page.next
            if cursor is None:
                return _Counted(states, READ_MAX)
        return _Counted(states, READ_MAX, complete=False)


def _body(counted: _Counted) -> TaskCounts:
    seen = sum(counted.states[state] for state in OPEN)
    are_open = seen if counted.complete else max(seen, counted.open)
    return TaskCounts(
        total=counted.states.total() - seen + are_open,
        open=are_open,
        **{str(state): counted.states[state] for state in TaskStatus},
        complete=counted.complete,
    )
