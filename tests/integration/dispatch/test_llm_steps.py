"""Steps that ask a language model, on a real store: what they pay, what they remember, when they are put off."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any, Literal

import pytest
from pydantic import BaseModel

from app.dispatch.context import StepContext
from app.dispatch.runner import StepRunner
from app.errors import Retryable
from app.llm.door import LlmDoor, opened
from app.llm.options import LlmOptions, Price
from app.model.agents import StepOutput
from app.model.llm import Message
from app.model.task import TaskStatus
from tests.llm_script import asked, refuses, writes
from tests.unit.scripted_server import ScriptedServer, serving

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio


class Verdict(BaseModel):
    """A form."""

    verdict: Literal["yes", "no"]


SAID = [Message(role="user", content="Say it.")]
ONE = [LINE[0]]


@pytest.fixture(scope="module")
def model() -> Iterator[ScriptedServer]:
    with serving() as server:
        yield server


@pytest.fixture
async def door(model: ScriptedServer) -> AsyncIterator[LlmDoor]:
    model.answers, model.asked = [writes("It is said.")], []
    options = LlmOptions(f"{model.url}/v1", "small", prices={"small": Price(1_000.0, 1_000.0, 1_000.0)})
    async with opened(options) as door:
        assert door is not None
        yield door


def runner(bench: Bench, door: LlmDoor, agent: Any) -> StepRunner:
    made = bench.runner(retriever=agent)
    made.executor = replace(made.executor, llm=door)
    return made


async def test_what_a_step_asked_is_told_and_summed_up(bench: Bench, door: LlmDoor) -> None:
    """The event stands before those that settle the step; totals and view have the sum."""

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        assert ctx.llm is not None
        async for piece in ctx.llm.stream(SAID, name="draft", tokens_max=9):
            await ctx.delta(piece)
        return StepOutput(summary=(await ctx.llm.complete(SAID, name="again", tokens_max=9)).text)

    task_id = await bench.submit(ONE)
    await bench.deliver(runner(bench, door, agent))

    events = await bench.events(task_id)
    used = [event for event in events if event.type == "llm.usage"]
    assert [(event.step_id, event.attempt, event.data["name"]) for event in used] == [(1, 1, "draft"), (1, 1, "again")]
    assert events[-2].data["summary"] == "It is said."
    totals = events[-1].data["totals"]
    assert (totals["tokens"], totals["usd"]) == (34, pytest.approx(0.034))
    view = await bench.reader.view(task_id)
    assert (view.tokens, view.usd) == (34, pytest.approx(0.034))


async def test_a_step_that_runs_again_pays_once(bench: Bench, door: LlmDoor, model: ScriptedServer) -> None:
    """A failure behind the answer costs an attempt and no second call; pieces come from memory."""
    texts: list[str] = []

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        assert ctx.llm is not None
        texts.append("".join([piece async for piece in ctx.llm.stream(SAID, name="draft", tokens_max=9)]))
        if ctx.attempt == 1:
            raise Retryable("lost it")
        return StepOutput()

    task_id = await bench.submit(ONE)
    await bench.deliver(runner(bench, door, agent))

    assert texts == ["It is said."] * 2
    assert len(asked(model)) == 1
    assert (await bench.events(task_id))[-1].data["totals"]["tokens"] == 17


async def test_a_server_that_asks_for_patience_puts_the_step_off(
    bench: Bench, door: LlmDoor, model: ScriptedServer
) -> None:
    """No attempt is burned: the step waits, and its agent is left alone by all workers."""
    model.answers = [refuses(429, "slow down", Retry_After="0.001"), writes("It is said.")]

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        assert ctx.llm is not None
        await ctx.llm.complete(SAID, name="draft", tokens_max=9)
        return StepOutput()

    task_id = await bench.submit(ONE)
    await bench.deliver(runner(bench, door, agent))

    view = await bench.reader.view(task_id)
    assert (view.status, view.steps[0].failures) == (TaskStatus.COMPLETED, 0)
    deferred = [event for event in await bench.events(task_id) if event.type == "step.deferred"]
    assert deferred[0].data["reason"] == "rate_limited"
    assert view.steps[0].deferrals >= 1


async def test_an_agent_knows_its_last_attempt(bench: Bench, door: LlmDoor, model: ScriptedServer) -> None:
    """A server that stays away costs a report the model's words and not itself: what else can be done is done then."""
    model.answers = [refuses(503, "busy"), refuses(503, "busy"), refuses(503, "busy")]
    last: list[bool] = []

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        assert ctx.llm is not None
        last.append(ctx.last_attempt)
        try:
            await ctx.llm.complete(SAID, name="draft", tokens_max=9)
        except Retryable:
            if not ctx.last_attempt:
                raise
        return StepOutput(summary="without it")

    task_id = await bench.submit([{**ONE[0], "max_attempts": 3, "backoff_ms": 1}])
    await bench.deliver(runner(bench, door, agent))

    view = await bench.reader.view(task_id)
    assert last == [False, False, True]
    assert (view.status, view.steps[0].failures) == (TaskStatus.COMPLETED, 2)


async def test_a_person_who_retries_a_step_gets_other_answers(
    bench: Bench, door: LlmDoor, model: ScriptedServer
) -> None:
    """Two unusable answers fail it at once, since another attempt would get the same; asked anew it may do better."""
    model.answers = [writes("no"), writes("no"), writes('{"verdict": "yes"}')]

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        assert ctx.llm is not None
        return StepOutput(summary=(await ctx.llm.complete_json(SAID, Verdict, name="judge", tokens_max=9)).verdict)

    task_id = await bench.submit(ONE)
    at_work = runner(bench, door, agent)
    await bench.deliver(at_work)
    failed = await bench.reader.view(task_id)
    await bench.tasks.retry(task_id, from_step=None, by="test")
    await bench.deliver(at_work)

    assert (failed.status, failed.steps[0].attempts) == (TaskStatus.FAILED, 1)
    assert failed.error is not None
    assert failed.error["code"] == "llm_unusable"
    assert (await bench.reader.view(task_id)).status is TaskStatus.COMPLETED
    assert (await bench.events(task_id))[-1].data["totals"]["tokens"] == 3 * 17


async def test_a_stream_that_an_agent_leaves_open_is_closed_behind_it(
    bench: Bench, door: LlmDoor, model: ScriptedServer
) -> None:
    """Its place is free again, and what it took until then is told."""

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        assert ctx.llm is not None
        await anext(ctx.llm.stream(SAID, name="draft", tokens_max=9))
        return StepOutput()

    task_id = await bench.submit(ONE)
    await bench.deliver(runner(bench, door, agent))

    assert "llm.usage" in await bench.types(task_id)
    assert door.client.places_free == door.client.options.concurrency_max


async def test_an_agent_cannot_reach_the_key(bench: Bench, door: LlmDoor) -> None:
    """What it is given holds no client as an attribute, however deep it looks."""

    async def agent(step: Any, ctx: StepContext) -> StepOutput:
        found = [vars(ctx.llm)]
        assert not any(isinstance(value, type(door.client) | LlmOptions) for held in found for value in held.values())
        return StepOutput()

    task_id = await bench.submit(ONE)
    await bench.deliver(runner(bench, door, agent))

    assert (await bench.reader.view(task_id)).status is TaskStatus.COMPLETED
