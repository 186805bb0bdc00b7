"""A provider that asks for patience: nobody's failure, one pause for all workers, and a limit to it."""

from typing import Any

import pytest

from app.broker.keys import ShardKeys
from app.dispatch.attempt import StepRef
from app.dispatch.context import StepContext
from app.errors import RateLimited
from app.model.agents import StepOutput

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


async def test_a_deferred_attempt_is_no_failure_and_comes_back(bench: Bench) -> None:
    """The step waits in the delay queue for what the provider asked, and a little more; nothing is burned."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)

    assert await bench.store.defer(attempt, delay_ms=60_000, provider="retriever", deferrals_max=9)

    step = (await bench.reader.view(task_id)).steps[0]
    assert (step.status, step.failures, step.deferrals) == ("deferred", 0, 1)
    deferred = (await bench.events(task_id))[-1]
    assert (deferred.type, deferred.attempt, deferred.data["provider"]) == ("step.deferred", 1, "retriever")
    assert 60_000 <= deferred.data["delay_ms"] <= 61_000
    ((_, due),) = await bench.redis.zrange(ShardKeys(bench.keys.tag).queue("retriever").due, 0, -1, withscores=True)
    assert due == deferred.ts + deferred.data["delay_ms"]
    await bench.redis.delete(f"{bench.keys.tag}:provider:retriever")
    assert (await bench.start(task_id, 1)).number == 2


async def test_a_paused_provider_keeps_every_step_of_its_agents_out(bench: Bench) -> None:
    """Another task's step does not start, is spread behind the pause, and keeps its attempts and deferrals."""
    first, second = await bench.submit(LINE), await bench.submit(LINE)
    await bench.store.defer(await bench.start(first, 1), delay_ms=60_000, provider="retriever", deferrals_max=9)

    assert await bench.store.start(await bench.ref(second, 1), worker="w2") is None

    step = (await bench.reader.view(second)).steps[0]
    assert (step.status, step.attempts, step.deferrals) == ("deferred", 0, 0)
    deferred = (await bench.events(second))[-1]
    assert (deferred.type, deferred.attempt) == ("step.deferred", None)
    assert 59_000 <= deferred.data["delay_ms"] <= 61_000
    assert await bench.store.start(StepRef(second, 1, 1), worker="w2") is None
    await bench.redis.delete(f"{bench.keys.tag}:provider:retriever")
    await bench.finish(second, 1)


async def test_what_a_pause_puts_off_comes_back_spread(bench: Bench) -> None:
    """Twenty steps that meet one pause are due at different moments, all behind it and within a second."""
    plan = [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in range(1, 21)]
    task_id = await bench.submit(plan)
    await bench.redis.set(f"{bench.keys.tag}:provider:retriever", 1, px=60_000)
    for step_id in range(1, 21):
        assert await bench.store.start(StepRef(task_id, step_id, 1), worker="w1") is None

    due = await bench.redis.zrange(ShardKeys(bench.keys.tag).queue("retriever").due, 0, -1, withscores=True)
    moments = {score for _, score in due}
    assert len(moments) > 10
    assert max(moments) - min(moments) <= 1_100


async def test_a_longer_pause_is_not_cut_short(bench: Bench) -> None:
    """A second, shorter answer of the provider leaves the pause as it is."""
    plan = [{"step_id": n, "agent": "retriever", "payload": "x", "depends_on": []} for n in (1, 2)]
    task_id = await bench.submit(plan)
    attempts = [await bench.start(task_id, 1), await bench.start(task_id, 2)]
    for attempt, delay_ms in zip(attempts, (60_000, 5), strict=True):
        await bench.store.defer(attempt, delay_ms=delay_ms, provider="retriever", deferrals_max=9)

    assert await bench.redis.pttl(f"{bench.keys.tag}:provider:retriever") > 50_000


async def test_too_many_deferrals_become_a_failure(bench: Bench) -> None:
    """The runner settles an exhausted deferral as the failure it stands for, which may be retried."""

    async def busy(step: Any, ctx: StepContext) -> StepOutput:
        raise RateLimited("later", retry_after_ms=1, provider='o"dd')

    task_id = await bench.submit([{**LINE[0], "max_attempts": 2, "backoff_ms": 1, "backoff_ms_max": 1}])
    await bench.deliver(bench.runner(deferrals_max=3, retriever=busy), rounds=9)

    view = await bench.reader.view(task_id)
    assert (view.status, view.steps[0].deferrals, view.steps[0].failures) == ("failed", 3, 2)
    assert view.error is not None
    assert view.error["code"] == "rate_limited"
    deferred = [event for event in await bench.events(task_id) if event.type == "step.deferred"]
    assert {event.data["provider"] for event in deferred} == {'o"dd'}


async def test_a_worker_that_dies_during_a_pause_of_its_provider_counts_as_a_crash(bench: Bench) -> None:
    """The entry comes back, the provider is still paused: the attempt is given up and the step put off."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1)
    await bench.redis.set(f"{bench.keys.tag}:provider:retriever", 1, px=60_000)

    assert await bench.store.start(attempt.ref, worker="w2") is None

    step = (await bench.reader.view(task_id)).steps[0]
    assert (step.status, step.crashes) == ("deferred", 1)
    assert (await bench.types(task_id))[-2:] == ["step.released", "step.deferred"]
    await bench.redis.delete(f"{bench.keys.tag}:provider:retriever")
    await bench.finish(task_id, 1)
