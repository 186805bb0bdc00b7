"""The plan of a comparison on a real store, with the built-in agents, when the search for one subject fails."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.bootstrap.startup import load_agents
from app.config import Settings
from app.dispatch.context import StepContext
from app.dispatch.execute import Executor
from app.dispatch.invoke import Invoker
from app.dispatch.runner import StepRunner
from app.dispatch.stops import Stops
from app.errors import Permanent
from app.model.agents import AgentRegistry, StepOutput
from app.model.task import Document
from app.planning.rules import RulePlanner

from .conftest import OPTIONS, Bench

pytestmark = pytest.mark.anyio

TASK = "Compare Redis and Kafka on jobs"
DOCUMENTS = [
    Document(name="redis.md", text="# Redis\n\nRedis keeps its jobs in memory. Redis writes a log of jobs to disk."),
    Document(name="kafka.md", text="# Kafka\n\nKafka writes its jobs to disk. Kafka deletes jobs after a week."),
]


def failing(real: Any, words: Iterable[str]) -> Any:
    """The search itself, unless it is one for one of the words: that fails for good."""

    async def search(step: Any, ctx: StepContext) -> StepOutput:
        if any(word in step.text for word in words):
            raise Permanent("the index is broken")

        async def documents() -> list[Document]:
            return DOCUMENTS

        ctx.documents = documents
        output: StepOutput = await real(step, ctx)
        return output

    return search


def with_failing_searches(words: Iterable[str]) -> AgentRegistry:
    """The built-in agents, of which the retriever fails now and then."""
    agents = AgentRegistry()
    for spec in load_agents(Settings()):
        agents.register(replace(spec, run=failing(spec.run, words)) if spec.name == "retriever" else spec)
    return agents


async def run(bench: Bench, agents: AgentRegistry, tmp_path: Path) -> str:
    """Plans the task by the rules and runs it to its end."""
    bench.registry = agents
    task_id = await bench.submit(RulePlanner().plan(TASK))
    options = replace(OPTIONS, result_bytes_max=1 << 20, cache_dir=tmp_path)
    executor = Executor(bench.store, bench.reader, agents, options, Invoker(threads_max=2))
    stops = Stops(bench.redis, bench.keys.stops("w1"), bench.store.unwanted)
    await bench.deliver(StepRunner(bench.store, executor, stops, "w1"))
    return task_id


async def test_the_report_is_written_and_names_what_is_missing(bench: Bench, tmp_path: Path) -> None:
    """One search and its analysis have failed; the task has not."""
    task_id = await run(bench, with_failing_searches(["Kafka"]), tmp_path)

    assert await bench.status(task_id) == "completed"
    statuses = await bench.statuses(task_id)
    assert statuses[:6] == ["completed", "failed", "completed", "failed", "completed", "completed"]
    # What the merge misses it looks for once more, in vain.
    assert set(statuses[6:]) <= {"failed"}
    (report,) = (await bench.reader.results(task_id, [6])).values()
    assert "keeps its jobs in memory" in (report.text or "")
    assert "**Kafka**: could not be worked on: its steps failed or did not run." in (report.text or "")
    assert (report.text or "").count("could not be worked on") == 1


async def test_a_task_of_which_every_part_failed_fails(bench: Bench, tmp_path: Path) -> None:
    """With a sentence that says which steps had to leave something."""
    task_id = await run(bench, with_failing_searches(["Redis", "Kafka"]), tmp_path)

    view = await bench.reader.view(task_id)
    assert await bench.status(task_id) == "failed"
    assert (view.error or {})["message"] == "There is nothing to work on: steps 3, 4 failed or did not run."
