"""
The n-th Redis command of a task's whole life fails, before or after taking effect, for every n.

Goal: no single lost command or lost reply loses a step, repeats an effect or tears the log. Method: a
client counts its commands and breaks the n-th; n runs from 1 until a run meets no fault any more.
"""

from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest
import redis.asyncio
from redis.exceptions import ConnectionError as RedisConnectionError

from app import redis_async
from app.dispatch.context import StepContext
from app.dispatch.execute import Executor
from app.dispatch.invoke import Invoker
from app.dispatch.reader import TaskReader
from app.dispatch.runner import StepRunner
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepStore
from app.dispatch.stops import Stops
from app.dispatch.store import TaskStore
from app.keys import Keys
from app.model.agents import AgentRegistry, AgentSpec, StepOutput
from tests.integration.dispatch.checks import assert_counted
from tests.integration.dispatch.conftest import DIAMOND, LIMITS, OPTIONS, STEP_LIMITS, Bench

pytestmark = pytest.mark.anyio

COMMANDS_MAX = 200


class BreakingRedis(redis.asyncio.Redis):
    """A client whose `nth` command fails, `after` it took effect or before."""

    nth = 0
    after = False
    count = 0

    async def execute_command(self, *args: Any, **options: Any) -> Any:
        self.count += 1
        if self.count != self.nth:
            return await super().execute_command(*args, **options)
        if self.after:
            await super().execute_command(*args, **options)
        raise RedisConnectionError("injected")


@pytest.fixture
async def breaking(redis_url: str) -> AsyncIterator[BreakingRedis]:
    client = BreakingRedis(connection_pool=redis_async.connect(redis_url).connection_pool)
    yield client
    await client.aclose()
    await client.connection_pool.aclose()


async def reporting(step: Any, ctx: StepContext) -> StepOutput:
    """Reports, writes a little, and adds up what it was given."""
    await ctx.progress(1, 1, "working")
    await ctx.delta("text")
    return StepOutput(data=1 + sum(output.data for output in ctx.inputs.values()), text="text")


def build(client: BreakingRedis, namespace: str) -> tuple[Bench, StepRunner]:
    keys = Keys(namespace)
    scripts = ScriptRunner(client, keys, retry_ms_max=60_000)
    store = StepStore(scripts, STEP_LIMITS)
    registry = AgentRegistry()
    for name in ("retriever", "analyzer", "writer"):
        registry.register(AgentSpec(name=name, run=reporting, backoff_ms=1, backoff_ms_max=5))
    reader = TaskReader(client, keys, retry_ms_max=60_000)
    executor = Executor(store, reader, registry, OPTIONS, Invoker(2))
    runner = StepRunner(store, executor, Stops(client, keys.stops("w1"), store.unwanted), "w1")
    return Bench(client, keys, TaskStore(scripts, LIMITS), store, reader, registry), runner


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_no_single_command_may_fail_a_task(
    breaking: BreakingRedis, redis_url: str, namespace: str, after: bool
) -> None:
    """Whichever command fails, the diamond completes with one effect per step, a log of 1..n, and exact counters."""
    bench, runner = build(breaking, namespace)
    bench.redis = redis_async.connect(redis_url)
    hits, task_ids = 0, []
    for nth in range(1, COMMANDS_MAX):
        breaking.after, breaking.count, breaking.nth = after, 0, 0
        with anyio.fail_after(120):
            breaking.nth = nth
            task_ids.append(task_id := await bench.submit(DIAMOND))
            await bench.deliver(runner)
        if breaking.count < nth:
            break
        hits += 1
        await check(bench, task_id, nth)
    await assert_counted(bench, task_ids)
    await bench.redis.aclose()
    assert hits > 10
    assert hits == nth - 1


async def check(bench: Bench, task_id: str, nth: int) -> None:
    """The invariant: one completion per step, results intact, terminal event last and once."""
    events = await bench.events(task_id)
    types = [event.type for event in events]
    assert [event.seq for event in events] == list(range(1, len(events) + 1)), nth
    assert types[-1] == "task.completed", nth
    assert sum(kind.startswith("task.") for kind in types) == 3, nth
    assert sorted(event.step_id or 0 for event in events if event.type == "step.completed") == [1, 2, 3, 4], nth
    reader = TaskReader(bench.redis, bench.keys, retry_ms_max=60_000)
    outputs = await reader.outputs(await reader.view(task_id))
    assert outputs[4].data == 5, nth
