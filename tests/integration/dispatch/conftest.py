"""A store on a real Redis, a few agents, and helpers that read what the scripts wrote."""

import contextlib
import secrets
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import pytest
import redis.asyncio

from app import redis_async
from app.broker.errors import Release
from app.broker.keys import QueueKeys, ShardKeys
from app.dispatch.attempt import Attempt, StepRef
from app.dispatch.invoke import Invoker
from app.dispatch.reader import TaskReader
from app.dispatch.runner import RunnerOptions, StepRunner
from app.dispatch.scripts import ScriptRunner
from app.dispatch.store import StoreLimits, TaskStore
from app.keys import Keys
from app.model.agents import AgentRegistry, AgentSpec, StepOutput
from app.model.events import EVENT, Event
from app.model.plan import Plan
from app.model.task import NewTask, new_task_id
from app.planning.validator import PlanLimits, validate_plan

LIMITS = StoreLimits(events_max=50, backlog_max=100, crashes_max=3, retention_ms=60_000)
DIAMOND = [
    {"step_id": 1, "agent": "retriever", "payload": "a", "depends_on": []},
    {"step_id": 2, "agent": "analyzer", "payload": "b", "depends_on": [1]},
    {"step_id": 3, "agent": "analyzer", "payload": "c", "depends_on": [1]},
    {"step_id": 4, "agent": "writer", "payload": "d", "depends_on": [2, 3]},
]
LINE = [
    {"step_id": 1, "agent": "retriever", "payload": "Research AI agents"},
    {"step_id": 2, "agent": "analyzer", "payload": "Analyze challenges"},
    {"step_id": 3, "agent": "writer", "payload": "Write summary"},
]


def nothing(step: Any, context: Any) -> StepOutput:
    return StepOutput()


def make_registry() -> AgentRegistry:
    registry = AgentRegistry()
    for name in ("retriever", "analyzer", "writer"):
        registry.register(AgentSpec(name=name, run=nothing, batch_size_max=8))
    return registry


@dataclass
class Bench:
    """The store under test and what it is tested with."""

    redis: "redis.asyncio.Redis"
    keys: Keys
    store: TaskStore
    reader: TaskReader
    registry: AgentRegistry = field(default_factory=make_registry)

    def plan(self, raw_plan: list[dict[str, Any]]) -> Plan:
        """The plan, checked against the registered agents."""
        limits = PlanLimits(steps_max=1000, payload_bytes_max=10_000)
        return validate_plan(raw_plan, registry=self.registry, limits=limits, planner="client")

    async def submit(self, raw_plan: list[dict[str, Any]], **fields: Any) -> str:
        """Submits a task with this plan; returns its id."""
        task_id = new_task_id(1_795_000_000_000, secrets.randbits(74))
        task = NewTask(task_id=task_id, task="Do it", plan=self.plan(raw_plan), **fields)
        await self.store.submit(task, self.registry)
        return task.task_id

    async def messages(self, queue: str) -> list[dict[str, Any]]:
        """The messages waiting on a queue, whatever their priority."""
        found = []
        for stream in ShardKeys(self.keys.tag).queue(queue).streams:
            found += [orjson.loads(entry[1][b"m"]) for entry in await self.redis.xrange(stream)]
        return found

    async def refs(self, queue: str) -> list[StepRef]:
        """The steps that the waiting messages of a queue name."""
        return [ref for message in await self.messages(queue) for ref in StepRef.parse_batch(*message["args"])]

    async def start(self, task_id: str, step_id: int, worker: str = "w1") -> Attempt:
        """Starts the current dispatch of a step."""
        number = int(await self.redis.hget(self.keys.task(task_id), f"dn:{step_id}") or 0)
        attempt = await self.store.start(StepRef(task_id, step_id, number), worker=worker)
        assert attempt is not None
        return attempt

    async def finish(self, task_id: str, step_id: int, text: str = "done") -> None:
        """Starts and completes a step."""
        attempt = await self.start(task_id, step_id)
        await self.store.complete(attempt, StepOutput(summary=text).model_dump_json().encode(), text)

    def runner(self, **agents: Any) -> StepRunner:
        """A runner whose agents do what the given functions do."""
        registry = AgentRegistry()
        for name in ("retriever", "analyzer", "writer"):
            limits = {"backoff_ms": 1, "backoff_ms_max": 5, "max_attempts": 3, "timeout_ms": 2_000}
            registry.register(AgentSpec(name=name, run=agents.get(name, nothing), **limits))
        options = RunnerOptions(result_bytes_max=10_000, cache_dir=Path("unused"), collections={})
        return StepRunner(self.store, self.reader, registry, "w1", options, Invoker(threads_max=2))

    async def deliver(self, runner: StepRunner, rounds: int = 50) -> None:
        """Plays the broker: hands every waiting entry to the runner, acknowledges it unless it is released."""
        shard = ShardKeys(self.keys.tag)
        for _ in range(rounds):
            moved = await self._deliver_once(runner, [shard.queue(spec.queue) for spec in runner.registry])
            if not moved and await self.redis.zcard(self.keys.open) == 0:
                return

    async def _deliver_once(self, runner: StepRunner, queues: list[QueueKeys]) -> bool:
        moved = False
        for queue in queues:
            for member in await self.redis.zrange(queue.due, 0, -1):
                body = await self.redis.hget(queue.due_bodies, member)
                await self.redis.zrem(queue.due, member)
                await self.redis.hdel(queue.due_bodies, member)
                await self.redis.xadd(queue.stream(), {"m": body})
            for entry_id, fields in await self.redis.xrange(queue.stream()):
                moved = True
                with contextlib.suppress(Release):
                    await runner.run_batch(*orjson.loads(fields[b"m"])["args"])
                    await self.redis.xdel(queue.stream(), entry_id)
        return moved

    async def events(self, task_id: str) -> list[Event]:
        """The task's log, each entry checked against its id."""
        entries = await self.redis.xrange(self.keys.events(task_id))
        events = [EVENT.validate_json(fields[b"e"]) for _, fields in entries]
        assert [int(entry_id.split(b"-")[0]) for entry_id, _ in entries] == [event.seq for event in events]
        for event in events:
            event.parsed()
        return events

    async def types(self, task_id: str) -> list[str]:
        return [event.type for event in await self.events(task_id)]


@pytest.fixture
async def bench(redis_url: str, namespace: str) -> AsyncIterator[Bench]:
    client = redis_async.connect(redis_url)
    keys = Keys(namespace)
    store = TaskStore(ScriptRunner(client, retry_ms_max=1000), keys, LIMITS)
    yield Bench(client, keys, store, TaskReader(client, keys, retry_ms_max=1000))
    await client.aclose()
