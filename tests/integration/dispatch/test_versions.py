"""Records of the next version of this program, met by this one: both run side by side while one replaces the other."""

from typing import Any

import orjson
import pytest

from app.events.log import StoredEvent
from app.metrics.task_metrics import fold
from app.model.agents import StepOutput
from app.model.output import OutputFormat, TaskOutput
from app.model.task import TaskInputs

from .conftest import DIAMOND, Bench

pytestmark = pytest.mark.anyio

LATER = b'"of_later":{"nobody":["knows"]}'


def with_member(text: bytes) -> bytes:
    """The JSON object with a member more."""
    return text[:-1] + (b"," if len(text) > 2 else b"") + LATER + b"}"


async def as_the_next_version_writes(bench: Bench, task_id: str) -> None:
    """Lines that have grown at their ends, objects with further members, fields nobody has heard of."""
    key = bench.keys.task(task_id)
    fields = await bench.redis.hgetall(key)
    changed: dict[bytes, bytes] = {b"of_later": b"1", b"x:1": b"of later"}
    for name, value in fields.items():
        if name.startswith((b"s:", b"p:")):
            changed[name] = value + b"|later|still"
        elif name in (b"inputs", b"output") or name.startswith((b"in:", b"r:")):
            changed[name] = with_member(value)
        elif name.startswith(b"er:"):
            changed[name] = b"\n".join(with_member(line) for line in value.splitlines())
    await bench.redis.hset(key, mapping=changed)


async def test_a_task_of_the_next_version_is_worked_on(bench: Bench) -> None:
    """What this version does not know it leaves unread, and as it is."""
    ran: dict[int, Any] = {}

    async def noting(step: Any, ctx: Any) -> StepOutput:
        ran[ctx.step_id] = {step_id: output.summary for step_id, output in ctx.inputs.items()}
        if ctx.attempt == 1 and ctx.step_id == 2:
            raise OSError("once")
        return StepOutput(summary=f"by {ctx.step_id}")

    task_id = await bench.submit(
        DIAMOND, inputs=TaskInputs(urls=["http://a.example/"]), output=TaskOutput(format=OutputFormat.JSON)
    )
    await bench.finish(task_id, 1, "by 1")
    await as_the_next_version_writes(bench, task_id)

    await bench.deliver(bench.runner(analyzer=noting, writer=noting))

    assert await bench.status(task_id) == "completed"
    assert ran == {2: {1: "by 1"}, 3: {1: "by 1"}, 4: {2: "by 2", 3: "by 3"}}
    lines = await bench.redis.hmget(bench.keys.task(task_id), ["s:1", "s:2", "s:4", "p:2"])
    assert [line.decode().partition("|later")[1:] for line in lines] == [("|later", "|still")] * 4
    assert await bench.redis.hget(bench.keys.task(task_id), "x:1") == b"of later"


async def test_a_task_of_the_next_version_is_shown_and_forked(bench: Bench) -> None:
    """Its view, its plan, its results, and a new task made of it."""
    task_id = await bench.submit(DIAMOND)
    await bench.fail(task_id, 1, again_ms=1)
    for step_id in (1, 2, 3, 4):
        await bench.finish(task_id, step_id, f"by {step_id}")
    await as_the_next_version_writes(bench, task_id)

    view, plan = await bench.reader.view(task_id), await bench.reader.plan(task_id)
    results = await bench.reader.results(task_id, [1, 4])
    again = await bench.reader.origin(task_id, "0-again", plan)

    assert [step.depends_on for step in view.steps] == [[], [1], [1], [2, 3]]
    assert [error.error["code"] for error in view.steps[0].errors] == ["boom"]
    assert [step.agent for step in plan.steps] == ["retriever", "analyzer", "analyzer", "writer"]
    assert {step_id: output.summary for step_id, output in results.items()} == {1: "by 1", 4: "by 4"}
    assert (again.task, again.inputs) == ("Do it", TaskInputs())


async def test_a_plan_of_the_next_version_grows(bench: Bench) -> None:
    """The place of a step in the plan is written again when steps are added below it; its end is kept."""

    async def adding(step: Any, ctx: Any) -> StepOutput:
        return StepOutput(steps=[{"step_id": 1, "agent": "analyzer", "payload": "more"}])

    task_id = await bench.submit(DIAMOND)
    await as_the_next_version_writes(bench, task_id)

    await bench.deliver(bench.runner(retriever=adding))

    assert await bench.status(task_id) == "completed"
    assert len(await bench.statuses(task_id)) == 5
    assert (await bench.redis.hget(bench.keys.task(task_id), "p:1")).endswith(b"|later|still")


def test_a_log_of_the_next_version_is_counted() -> None:
    """Types nobody knows, members nobody knows in the envelope and in the data of known ones."""
    head = {"v": 1, "ts": 5, "task_id": "0-1", "step_id": 1, "agent": "a", "of_later": 1}
    bodies = [
        head | {"type": "task.submitted", "data": {"task": "x", "tenant": "t", "priority": 5, "labels": {}, "more": 1}},
        head | {"type": "step.pondered", "data": {"depth": 3}},
        head | {"type": "llm.usage", "data": {"model": "m", "input_tokens": 3, "output_tokens": 4, "more": 1}},
        head | {"type": "step.completed", "attempt": 1, "worker": "w", "data": {"summary": "s", "bytes": 3, "more": 1}},
        head | {"type": "task.completed", "data": {"steps": 1, "more": 1}},
    ]
    stored = [StoredEvent(seq, 7, orjson.dumps(body | {"seq": seq})) for seq, body in enumerate(bodies, start=1)]

    metrics = fold(stored)

    assert (metrics.status, metrics.events.count, metrics.llm.input_tokens) == ("completed", 5, 3)
