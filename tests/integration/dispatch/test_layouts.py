"""Whole tasks through real Dramatiq workers, in both layouts of the streams."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import dramatiq
import orjson
import pytest
from anyio import to_thread

from app import redis_async
from app.broker.broker import SHARED_STREAM, RedisStreamsBroker
from app.broker.keys import ShardKeys
from app.dispatch.intake import Intake
from app.dispatch.portal import AgentRuntime, declare_agent_actors
from app.dispatch.runner import StepRunner
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepStore
from app.dispatch.store import TaskStore
from app.errors import BacklogFull, RateLimited, Retryable
from app.model.agents import StepOutput
from app.model.task import Concurrency

from .conftest import DIAMOND, LIMITS, LINE, STEP_LIMITS, Bench

pytestmark = pytest.mark.anyio


def shared(bench: Bench) -> tuple[TaskStore, StepStore]:
    """Stores that write into one stream for all queues."""
    scripts = ScriptRunner(bench.redis, bench.keys, 1000, SHARED_STREAM)
    return TaskStore(scripts, LIMITS), StepStore(scripts, STEP_LIMITS)


async def test_entries_of_one_stream_name_their_queue_and_are_counted(bench: Bench) -> None:
    """The field `q` comes first, and the depth per queue goes with it; a full queue refuses by that count."""
    bench.tasks, bench.store = shared(bench)
    task_id = await bench.submit(LINE)
    await bench.finish(task_id, 1)

    names = ShardKeys(bench.keys.tag, SHARED_STREAM).queue("retriever")
    entries = await bench.redis.xrange(names.stream())
    assert [list(fields) for _, fields in entries] == [[b"q", b"m"]] * 2
    assert [fields[b"q"] for _, fields in entries] == [b"retriever", b"analyzer"]
    assert orjson.loads(entries[1][1][b"m"])["args"] == [task_id, "2:1"]
    assert await bench.redis.hgetall(names.depth) == {b"retriever": b"1", b"analyzer": b"1"}
    await bench.redis.hset(names.depth, "writer", LIMITS.backlog_max)
    with pytest.raises(BacklogFull):
        await bench.submit(LINE)


@asynccontextmanager
async def worker(
    bench: Bench, redis_url: str, layout: str, agents: dict[str, Callable[..., Any]]
) -> AsyncIterator[RedisStreamsBroker]:
    """A Dramatiq worker whose agents do what the given functions do."""
    stream = SHARED_STREAM if layout == "single" else ""
    inner = bench.runner(**agents)

    @asynccontextmanager
    async def open_runner(worker_id: str) -> AsyncIterator[StepRunner]:
        client = redis_async.connect(redis_url)
        steps = StepStore(ScriptRunner(client, bench.keys, 5_000, stream), STEP_LIMITS)
        there = Bench(
            client, bench.keys, bench.tasks, steps, type(bench.reader)(client, bench.keys, retry_ms_max=5_000)
        )
        runner = there.runner(**agents)
        runner.worker = worker_id
        try:
            yield runner
        finally:
            await client.aclose()

    runtime = AgentRuntime(open_runner, grace_ms=0)
    broker = RedisStreamsBroker(
        url=redis_url, namespace=bench.keys.namespace, layout=layout, lookahead=0, middleware=[runtime]
    )
    declare_agent_actors(broker, inner.executor.registry, runtime)
    at_work = dramatiq.Worker(broker, worker_threads=2, worker_timeout=100)
    await to_thread.run_sync(at_work.start)
    try:
        yield broker
    finally:
        await to_thread.run_sync(lambda: at_work.stop(timeout=60_000))
        broker.close()


@pytest.mark.parametrize("layout", ["per-queue", "single"])
async def test_a_task_with_everything_runs_in_either_layout(bench: Bench, redis_url: str, layout: str) -> None:
    """A failure, a deferral, growth and a concurrency limit on the way; at the end every queue is empty."""
    lock, seen = threading.Lock(), dict[str, int]()

    def first(key: str) -> bool:
        with lock:
            seen[key] = seen.get(key, 0) + 1
            return seen[key] == 1

    async def retriever(step: Any, ctx: Any) -> StepOutput:
        if first("retriever"):
            raise Retryable("not yet", retry_after_ms=1)
        return StepOutput(steps=[{"step_id": 1, "agent": "analyzer", "payload": "more"}])

    async def analyzer(step: Any, ctx: Any) -> StepOutput:
        if first("analyzer"):
            raise RateLimited("later", retry_after_ms=20)
        return StepOutput()

    if layout == "single":
        bench.tasks, bench.store = shared(bench)
    async with worker(bench, redis_url, layout, {"retriever": retriever, "analyzer": analyzer}):
        task = bench.task(DIAMOND, labels={"team": "a"}, concurrency=Concurrency("team", 1))
        await bench.tasks.submit(Intake(task), bench.registry)
        with anyio.fail_after(60):
            last = "0"
            while await bench.redis.zcard(bench.keys.open):
                for _, entries in await bench.redis.xread({bench.keys.events(task.task_id): last}, block=1000):
                    last = entries[-1][0]

    assert await bench.status(task.task_id) == "completed"
    types = await bench.types(task.task_id)
    assert {"step.retry_scheduled", "step.deferred", "plan.extended", "step.held"} <= set(types)
    assert "step.redelivered" not in types
    for name in ("retriever", "analyzer", "writer"):
        queue = ShardKeys(bench.keys.tag, SHARED_STREAM if layout == "single" else "").queue(name)
        assert [await bench.redis.xlen(stream) for stream in queue.streams] == [0, 0, 0]
        assert int(await bench.redis.hget(queue.depth, name) or 0) == 0
