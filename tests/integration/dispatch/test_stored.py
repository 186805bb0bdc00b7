"""
What each released version has kept, read by this one: `stored/<version>.json` is a namespace with a task under way.

A file is made by that version when it is released (`record.py`), and never changed. One that can no longer be
read stops a rolling deploy: see docs/operations.md.
"""

import json
from importlib.metadata import version
from typing import Any

import pytest

from app.events.log import StoredEvent
from app.keys import Keys
from app.metrics.task_metrics import fold
from app.model.agents import StepOutput

from .conftest import Bench
from .record import FOLDER, NAMESPACE

STORED = {path.stem: path.read_text() for path in sorted(FOLDER.glob("*.json"))}


async def restore(bench: Bench, text: str) -> str:
    """Puts the keys into the bench's namespace; returns the task's id."""
    stored = json.loads(text.replace(Keys(NAMESPACE).tag, bench.keys.tag))
    for key, record in stored["keys"].items():
        await _put(bench, key, record["type"], record["value"])
    return str(stored["task_id"])


async def _put(bench: Bench, key: str, kind: str, value: Any) -> None:
    if kind == "hash":
        await bench.redis.hset(key, mapping=value)
    elif kind == "zset":
        await bench.redis.zadd(key, dict(value))
    elif kind == "set":
        await bench.redis.sadd(key, *value)
    elif kind == "stream":
        for entry_id, fields in value:
            await bench.redis.xadd(key, fields, id=entry_id)
    else:
        await bench.redis.set(key, value)


@pytest.mark.anyio
@pytest.mark.parametrize("release", STORED)
async def test_a_task_that_a_version_has_left_is_finished(bench: Bench, release: str) -> None:
    """One step has ended, one waits for its next attempt, one was running, others wait: all end."""
    ran: dict[int, dict[int, str]] = {}

    async def noting(step: Any, ctx: Any) -> StepOutput:
        ran[ctx.step_id] = {step_id: output.summary for step_id, output in ctx.inputs.items()}
        return StepOutput(summary=f"by {ctx.step_id}")

    task_id = await restore(bench, STORED[release])
    before = await bench.reader.view(task_id)
    await bench.deliver(bench.runner(analyzer=noting, writer=noting))

    assert (before.status, before.labels, before.steps[1].failures) == ("running", {"team": "a"}, 1)
    assert (await bench.inputs(task_id)).urls == ["http://a.example/"]
    assert await bench.status(task_id) == "completed"
    assert ran == {2: {1: "by 1"}, 3: {1: "by 1"}, 4: {2: "by 2", 3: "by 3"}, 5: {1: "by 1"}}
    events = await bench.events(task_id)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert [event.step_id for event in events if event.type == "step.redelivered"] == [3]


@pytest.mark.parametrize("release", STORED)
def test_a_log_that_a_version_has_written_is_counted(release: str) -> None:
    """By the fold behind the metrics of a task."""
    stored = json.loads(STORED[release])
    rows = stored["keys"][Keys(NAMESPACE).events(stored["task_id"])]["value"]
    metrics = fold(StoredEvent.of(entry_id.encode(), fields["e"].encode()) for entry_id, fields in rows)

    assert (metrics.status, metrics.steps.completed) == ("running", 1)


def test_there_is_one_of_this_version() -> None:
    """So that the next one is held to it."""
    assert version("stepstream") in STORED
