"""What happens to tasks without anybody asking, and that one bad key does not end it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import anyio
import pytest

from app.broker.keys import ShardKeys
from app.dispatch import housekeeping
from app.dispatch.housekeeping import Housekeeper
from app.dispatch.scripts import ScriptRunner
from app.dispatch.store import TaskStore
from app.model.task import CancelMode, Moment

from .conftest import LIMITS, LINE, Bench

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def keeping(bench: Bench) -> AsyncIterator[Housekeeper]:
    keeper = Housekeeper(bench.tasks, audit_interval_ms=20)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(keeper.run)
            yield keeper
            group.cancel_scope.cancel()


async def wait_for(bench: Bench, task_id: str, kind: str) -> None:
    """Reads the log until it has an event of that type."""
    last = "0"
    while kind not in await bench.types(task_id):
        for _, entries in await bench.redis.xread({bench.keys.events(task_id): last}, block=1000):
            last = entries[-1][0]


async def test_a_deadline_is_kept_to_the_moment(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A housekeeper that is told of a new deadline sleeps until then and no longer."""
    # Untold it would come with the next regular look.
    monkeypatch.setattr(housekeeping, "NAP_S_MAX", 3_600.0)
    async with keeping(bench) as keeper:
        await anyio.lowlevel.checkpoint()
        task_id = await bench.submit(LINE, deadline=Moment(100, relative=True))
        keeper.wake()
        await wait_for(bench, task_id, "task.expired")

    expired = (await bench.events(task_id))[-1]
    assert expired.ts - (await bench.events(task_id))[0].ts >= 100


async def test_a_grace_is_kept_too(bench: Bench) -> None:
    """The end of a graceful cancellation needs no worker."""
    bench.tasks = TaskStore(ScriptRunner(bench.redis, bench.keys, 1_000), replace(LIMITS, cancel_grace_ms=500))
    task_id = await bench.submit(LINE)
    await bench.start(task_id, 1)
    async with keeping(bench) as keeper:
        await bench.tasks.cancel(task_id, CancelMode.GRACEFUL, by="x", reason=None)
        keeper.wake()
        await wait_for(bench, task_id, "task.cancelled")


async def test_audits_follow_each_other_at_the_interval_that_was_set(bench: Bench) -> None:
    """What is lost after one round is found by the next, however short the time between them is."""
    bench.damaged = True
    task_id = await bench.submit(LINE)
    stream, log = ShardKeys(bench.keys.tag).queue("retriever").stream(1), bench.keys.events(task_id)
    async with keeping(bench):
        for _ in range(2):
            ((last, _),) = await bench.redis.xrevrange(log, count=1)
            await bench.redis.xtrim(stream, maxlen=0)
            while not await bench.redis.xread({log: last}, block=1000):
                pass
    assert await bench.redis.hget(bench.keys.audit, "repaired") == b"2"


async def test_a_key_of_the_wrong_type_does_not_end_the_housekeeper(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would take the whole process with it: it goes on, and does its work when the key is right again."""
    monkeypatch.setattr(housekeeping, "NAP_S_MAX", 0.05)
    for key in (bench.keys.deadlines, bench.keys.expiry, bench.keys.audit):
        await bench.redis.set(key, "harm")
    async with keeping(bench):
        with anyio.move_on_after(0.3):
            await anyio.Event().wait()
        await bench.redis.delete(bench.keys.deadlines, bench.keys.expiry, bench.keys.audit)
        task_id = await bench.submit(LINE, deadline=Moment(1, relative=True))
        await wait_for(bench, task_id, "task.expired")
