"""What an agent can reach: its own step and nothing else."""

import functools
import types
from collections.abc import Iterator
from typing import Any

import pytest
import redis.asyncio

from app.dispatch.context import StepContext
from app.dispatch.progress import ProgressBuffer
from app.dispatch.reader import TaskReader
from app.dispatch.runner import StepRunner
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepStore
from app.model.agents import StepOutput
from app.model.events import EventData, StepCompleted, TaskCompleted, Totals

from .conftest import LINE, Bench

pytestmark = pytest.mark.anyio

FORBIDDEN = (redis.asyncio.Redis, TaskReader, StepStore, ScriptRunner, StepRunner, ProgressBuffer)
MEMBERS_MAX = 2_000


def neighbours(value: Any) -> Iterator[Any]:
    """What a value holds by name: attributes, members, the object of a method, the parts of a partial."""
    if isinstance(value, str | bytes | int | float | type | types.ModuleType):
        return
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple | set | frozenset):
        yield from value
    elif isinstance(value, functools.partial):
        yield from (value.func, *value.args, *value.keywords.values())
    elif isinstance(value, types.MethodType):
        yield value.__self__
    elif not isinstance(value, types.FunctionType | types.BuiltinFunctionType):
        slots = [name for kind in type(value).__mro__ for name in getattr(kind, "__slots__", ())]
        yield from (getattr(value, name, None) for name in slots)
        yield from getattr(value, "__dict__", {}).values()


def reachable(root: Any) -> list[Any]:
    """Everything that can be reached from a value by names, the private ones too."""
    seen: dict[int, Any] = {}
    front = [root]
    while front and len(seen) < MEMBERS_MAX:
        value = front.pop()
        if id(value) not in seen:
            seen[id(value)] = value
            front += neighbours(value)
    return list(seen.values())


async def test_an_agent_is_given_no_client_and_no_store(bench: Bench) -> None:
    """No attribute of the context, however private, leads to Redis, to the store or to the worker."""
    found: list[Any] = []

    async def curious(step: Any, ctx: StepContext) -> StepOutput:
        found.extend(reachable([ctx, ctx.sync]))
        return StepOutput()

    await bench.submit(LINE[:1])
    await bench.deliver(bench.runner(retriever=curious))

    assert len(found) > 20
    assert [value for value in found if isinstance(value, FORBIDDEN)] == []


@pytest.mark.parametrize(
    "forged",
    [
        TaskCompleted(duration_ms=1, partial=False, totals=Totals(steps=1, retries=0, tokens=0, usd=0)),
        StepCompleted(duration_ms=1, summary="forged", bytes=1, cached=False),
    ],
    ids=["task.completed", "step.completed"],
)
async def test_an_agent_cannot_write_the_history(bench: Bench, forged: EventData) -> None:
    """Events about a step's or a task's state are the worker's: an agent that writes one fails, and none is there."""

    async def forger(step: Any, ctx: StepContext) -> StepOutput:
        await ctx.emit(forged)
        return StepOutput()

    task_id = await bench.submit([{**LINE[0], "max_attempts": 1}])
    await bench.deliver(bench.runner(retriever=forger))

    error = (await bench.reader.view(task_id)).error
    assert error is not None
    assert error["code"] == "not_a_report"
    assert not {"task.completed", "step.completed"} & set(await bench.types(task_id))


async def test_an_agent_sees_the_outputs_of_its_dependencies_only(bench: Bench) -> None:
    """Not those of other steps, and not another task with the same ids."""
    seen: dict[str, list[Any]] = {}

    async def retriever(step: Any, ctx: StepContext) -> StepOutput:
        return StepOutput(data=step.text)

    async def analyzer(step: Any, ctx: StepContext) -> StepOutput:
        seen[step.text] = [output.data for output in ctx.inputs.values()]
        return StepOutput()

    def plan(name: str) -> list[dict[str, Any]]:
        return [
            {"step_id": 1, "agent": "retriever", "payload": f"{name}-1", "depends_on": []},
            {"step_id": 2, "agent": "retriever", "payload": f"{name}-2", "depends_on": []},
            {"step_id": 3, "agent": "analyzer", "payload": name, "depends_on": [2]},
        ]

    for name in ("mine", "yours"):
        await bench.submit(plan(name))
    await bench.deliver(bench.runner(retriever=retriever, analyzer=analyzer))

    assert seen == {"mine": ["mine-2"], "yours": ["yours-2"]}


async def test_changing_the_context_changes_nothing_but_the_agents_own_view(bench: Bench) -> None:
    """Whatever an agent writes over, its reports, its memos and its result stay those of its own step."""

    async def liar(step: Any, ctx: StepContext) -> StepOutput:
        ctx.task_id, ctx.step_id, ctx.agent, ctx.attempt = other, 2, "writer", 99
        ctx.inputs.clear()
        await ctx.progress(1, 1, "forged")
        await ctx.once("mail", lambda: "forged")
        return StepOutput(summary="forged")

    other = await bench.submit(LINE[1:])
    before = await bench.events(other)
    task_id = await bench.submit(LINE[:1])
    ref = await bench.ref(task_id, 1)
    await bench.runner(retriever=liar).run(ref)

    assert await bench.events(other) == before
    assert await bench.reader.memo(other, 2, "mail") is None
    assert await bench.reader.memo(task_id, 1, "mail") == b'"forged"'
    assert {event.step_id for event in await bench.events(task_id) if event.type == "step.progress"} == {1}
    await bench.deliver(bench.runner())
