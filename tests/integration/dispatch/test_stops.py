"""How a running attempt learns that it is not wanted: the push, the net under it, and what it does then."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from redis.exceptions import ResponseError

from app.dispatch import stops
from app.dispatch.attempt import Attempt
from app.dispatch.context import StepContext
from app.dispatch.runner import StepRunner
from app.model.agents import StepOutput
from app.model.task import CancelMode

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


class Sleeper:
    """An agent that runs until it is interrupted, and says when it began and ended."""

    def __init__(self) -> None:
        self.began, self.ended = anyio.Event(), anyio.Event()
        self.context: StepContext | None = None

    async def __call__(self, step: Any, ctx: StepContext) -> StepOutput:
        self.context = ctx
        self.began.set()
        try:
            await anyio.sleep_forever()
        finally:
            self.ended.set()
        return StepOutput()


@asynccontextmanager
async def running(bench: Bench, runner: StepRunner, sleeper: Sleeper) -> AsyncIterator[str]:
    """A task whose first step runs; left when its batch is settled."""
    task_id = await bench.submit(LINE)
    with anyio.fail_after(60):
        async with anyio.create_task_group() as group:
            group.start_soon(runner.run_batch, task_id, "1:1")
            await sleeper.began.wait()
            yield task_id
            await sleeper.ended.wait()


def sleeping(bench: Bench) -> tuple[StepRunner, Sleeper]:
    sleeper = Sleeper()

    async def retriever(step: Any, ctx: StepContext) -> StepOutput:
        return await sleeper(step, ctx)

    return bench.runner(retriever=retriever), sleeper


async def test_the_word_to_stop_reaches_the_workers_channel(bench: Bench) -> None:
    """It names task, step and token, as soon as the cancellation is written."""
    task_id = await bench.submit(LINE)
    attempt = await bench.start(task_id, 1, worker="w7")
    pubsub = bench.redis.pubsub()
    await pubsub.ssubscribe(bench.keys.stops("w7"))
    with anyio.fail_after(60):
        while (await pubsub.get_message(timeout=1) or {}).get("type") != "ssubscribe":
            pass
        await bench.tasks.cancel(task_id, CancelMode.GRACEFUL, by="x", reason=None)
        while not (message := await pubsub.get_message(ignore_subscribe_messages=True, timeout=1)):
            pass
    await pubsub.aclose()

    assert message["data"] == f"{task_id} 1 {attempt.token}".encode()


@pytest.mark.parametrize("mode", ["graceful", "force"])
async def test_a_push_interrupts_a_running_agent(bench: Bench, monkeypatch: pytest.MonkeyPatch, mode: str) -> None:
    """Long before the net would: the task is cancelled with its last step, and says how long that took."""
    monkeypatch.setattr(stops, "CHECK_INTERVAL_S", 3600)
    runner, sleeper = sleeping(bench)
    confirmed = anyio.Event()
    look = runner.stops._look
    runner.stops._look = lambda: (look(), confirmed.set())  # type: ignore[method-assign,func-returns-value]

    with anyio.fail_after(60):
        async with runner.stops.listening():
            await confirmed.wait()
            async with running(bench, runner, sleeper) as task_id:
                await bench.tasks.cancel(task_id, CancelMode(mode), by="x", reason=None)

    assert sleeper.context is not None
    assert sleeper.context.cancelled()
    ended = (await bench.events(task_id))[-1]
    assert (ended.type, ended.data["stop_latency_ms"] < 60_000) == ("task.cancelled", True)
    assert await bench.statuses(task_id) == ["cancelled", "skipped", "skipped"]


async def test_a_lost_push_is_made_good_by_the_net(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The push goes to a channel where nobody listens; the next question finds the attempt unwanted."""
    monkeypatch.setattr(stops, "CHECK_INTERVAL_S", 0.05)
    runner, sleeper = sleeping(bench)
    runner.stops._channel = bench.keys.stops("somebody-else")

    async with runner.stops.listening(), running(bench, runner, sleeper) as task_id:
        await bench.tasks.cancel(task_id, CancelMode.GRACEFUL, by="x", reason=None)

    assert await bench.status(task_id) == "cancelled"
    assert await bench.statuses(task_id) == ["cancelled", "skipped", "skipped"]


async def test_an_attempt_that_another_worker_took_over_is_interrupted(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is fenced whatever it does: the net ends it without a trace in the log."""
    monkeypatch.setattr(stops, "CHECK_INTERVAL_S", 0.05)
    runner, sleeper = sleeping(bench)

    async with runner.stops.listening(), running(bench, runner, sleeper) as task_id:
        await bench.start(task_id, 1, worker="w2")

    assert (await bench.types(task_id))[-1] == "step.redelivered"


async def test_a_damaged_task_does_not_stop_the_others(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The question for all attempts fails while its key is wrong; nobody is interrupted and the net stays up."""
    monkeypatch.setattr(stops, "CHECK_INTERVAL_S", 0.02)
    runner, sleeper = sleeping(bench)
    asked, ask = anyio.Event(), runner.stops._unwanted

    async def unwanted(attempts: Any) -> list[Attempt]:
        if attempts and not asked.is_set():
            asked.set()
            raise ResponseError("WRONGTYPE")
        return await ask(attempts)

    runner.stops._unwanted = unwanted
    runner.stops._channel = bench.keys.stops("somebody-else")
    async with runner.stops.listening(), running(bench, runner, sleeper) as task_id:
        await asked.wait()
        assert await bench.status(task_id) == "running"
        await bench.tasks.cancel(task_id, CancelMode.GRACEFUL, by="x", reason=None)

    assert await bench.statuses(task_id) == ["cancelled", "skipped", "skipped"]


async def test_the_net_asks_for_all_attempts_at_once(bench: Bench) -> None:
    """Of five attempts the cancelled and the superseded one are unwanted; those of a finishing task are not."""
    tasks = [await bench.submit([{**LINE[0], "agent": "analyzer"}]) for _ in range(5)]
    attempts: list[Attempt] = [await bench.start(task_id, 1) for task_id in tasks]
    await bench.tasks.cancel(tasks[1], CancelMode.GRACEFUL, by="x", reason=None)
    await bench.start(tasks[3], 1, worker="w2")
    await bench.tasks.cancel(tasks[4], CancelMode.FINISH, by="x", reason=None)

    assert await bench.store.unwanted(attempts) == [attempts[1], attempts[3]]
    assert await bench.store.unwanted([]) == []
    assert re.fullmatch(r"\d+:[0-9a-f]+", attempts[0].token)
