"""
The reply of the k-th request of a task's whole life is swallowed on the wire, for every k.

Goal: what an API or a worker does about a reply it never saw is right for every request, whether the connection
closes or hangs half open. Method: the client goes through a proxy that lets the request pass and keeps the reply.
"""

from typing import Any

import anyio
import pytest
import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepStore
from app.dispatch.store import TaskStore
from tests.integration.dispatch.checks import assert_sound
from tests.integration.dispatch.conftest import DIAMOND, LIMITS, STEP_LIMITS, Bench, bench

from .broker_proxy import SwallowingProxy
from .test_dispatch_commands import reporting

__all__ = ["bench"]

pytestmark = pytest.mark.anyio

REQUESTS_MAX = 200


def through(proxy: SwallowingProxy, socket_timeout_s: float) -> "redis.asyncio.Redis":
    client: redis.asyncio.Redis = redis.asyncio.Redis.from_url(
        proxy.url, protocol=2, socket_timeout=socket_timeout_s, retry=Retry(NoBackoff(), 0)
    )
    return client


@pytest.mark.parametrize(("hangs", "every"), [(False, 1), (True, 7)], ids=["closes", "hangs"])
async def test_no_lost_reply_changes_what_a_diamond_comes_to(
    bench: Bench, redis_url: str, hangs: bool, every: int
) -> None:
    """One effect per step, results intact, a sound log; the requests are counted by an undisturbed run."""
    struck = 0
    for k in range(every, REQUESTS_MAX, every):
        proxy = SwallowingProxy(redis_url, hangs=hangs)
        client = through(proxy, 0.3)
        try:
            proxy.arm(k)
            with anyio.fail_after(120):
                task_id = await _run(bench, client)
        finally:
            await client.aclose()
            proxy.close()
        await _check(bench, task_id, k)
        if not proxy.swallowed.is_set():
            break
        struck += 1
    assert struck >= (15 if every == 1 else 2)
    assert struck < REQUESTS_MAX // every - 1


async def _run(bench: Bench, client: "redis.asyncio.Redis") -> str:
    scripts = ScriptRunner(client, bench.keys, 60_000)
    reader = type(bench.reader)(client, bench.keys, retry_ms_max=60_000)
    there = Bench(client, bench.keys, TaskStore(scripts, LIMITS), StepStore(scripts, STEP_LIMITS), reader)
    agents: Any = dict.fromkeys(("retriever", "analyzer", "writer"), reporting)
    runner = there.runner(**agents)
    task_id = await there.submit(DIAMOND)
    there.redis = bench.redis
    await there.deliver(runner)
    return task_id


async def _check(bench: Bench, task_id: str, k: int) -> None:
    events = await bench.events(task_id)
    assert_sound(events)
    assert events[-1].type == "task.completed", k
    completed = [event.step_id for event in events if event.type == "step.completed"]
    assert sorted(completed, key=int) == [1, 2, 3, 4], k
    assert "step.redelivered" not in [event.type for event in events], k
    outputs = await bench.reader.outputs(await bench.reader.view(task_id))
    assert outputs[4].data == 5, k
