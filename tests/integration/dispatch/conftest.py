"""A store on a real Redis, a few agents, and helpers that read what the scripts wrote."""

import contextlib
import secrets
from collections.abc import AsyncIterator, Iterator
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
from app.dispatch.execute import Executor, ExecutorOptions
from app.dispatch.growth import GrowthLimits
from app.dispatch.intake import Intake
from app.dispatch.invoke import Invoker
from app.dispatch.reader import TaskReader
from app.dispatch.record import STEP_STATE, parse_line
from app.dispatch.runner import StepRunner
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepLimits, StepStore
from app.dispatch.stops import Stops
from app.dispatch.store import TaskLimits, TaskStore
from app.keys import Keys
from app.model.agents import AgentRegistry, AgentSpec, StepOutput
from app.model.events import EVENT, ErrorInfo, Event
from app.model.plan import Plan
from app.model.task import NewTask, TaskInputs, new_task_id
from app.planning.validator import PlanLimits, validate_plan
from tests.redis_users import as_user

from .checks import check_all

STEP_LIMITS = StepLimits(events_max=50, crashes_max=3)
LIMITS = TaskLimits(
    backlog_max=100,
    open_tasks_max=1_000,
    retention_ms=60_000,
    idempotency_ttl_ms=60_000,
    cancel_grace_ms=60_000,
    crashes_max=3,
    audit_interval_ms=1,
    audit_grace_ms=0,
)
OPTIONS = ExecutorOptions(
    result_bytes_max=10_000,
    cache_dir=Path("unused"),
    collections={},
    growth=GrowthLimits(added_max=20, steps_max=200, payload_bytes_max=10_000),
)
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
        registry.register(AgentSpec(name=name, run=nothing, batch_size_max=8, gathers=name == "retriever"))
    return registry


@dataclass
class Bench:
    """The store under test and what it is tested with."""

    redis: "redis.asyncio.Redis"
    keys: Keys
    tasks: TaskStore
    store: StepStore
    reader: TaskReader
    registry: AgentRegistry = field(default_factory=make_registry)
    #: Set by tests that harm keys on purpose: what they leave is not looked at.
    damaged: bool = False
    made: int = 0

    def plan(self, raw_plan: list[dict[str, Any]]) -> Plan:
        """The plan, checked against the registered agents."""
        limits = PlanLimits(steps_max=1000, payload_bytes_max=10_000)
        return validate_plan(raw_plan, registry=self.registry, limits=limits, planner="client")

    def task(self, raw_plan: list[dict[str, Any]], **fields: Any) -> NewTask:
        """A task with this plan that nobody has submitted yet; ids grow with the order of the calls."""
        self.made += 1
        task_id = new_task_id(1_795_000_000_000 + self.made, secrets.randbits(74))
        return NewTask(task_id=task_id, task="Do it", plan=self.plan(raw_plan), **fields)

    async def submit(self, raw_plan: list[dict[str, Any]], **fields: Any) -> str:
        """Submits a task with this plan; returns its id."""
        return await self.tasks.submit(Intake(self.task(raw_plan, **fields)), self.registry)

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
        """Starts the current dispatch of a step, whatever it waits for in the delay queue."""
        await self.move()
        attempt = await self.store.start(await self.ref(task_id, step_id), worker=worker)
        assert attempt is not None
        return attempt

    async def move(self) -> None:
        """Plays the mover of the broker, for which no time is too early."""
        for queue in map(ShardKeys(self.keys.tag).queue, self.registry.names):
            for member in await self.redis.zrange(queue.due, 0, -1):
                body = await self.redis.hget(queue.due_bodies, member)
                await self.redis.zrem(queue.due, member)
                await self.redis.hdel(queue.due_bodies, member)
                await self.redis.xadd(queue.stream(int(member[:1])), {"m": body})

    async def ref(self, task_id: str, step_id: int) -> StepRef:
        """The current dispatch of a step."""
        return StepRef(task_id, step_id, int((await self.state(task_id, step_id))["dispatch"]))

    async def state(self, task_id: str, step_id: int) -> dict[str, str]:
        """What the task's hash holds of a step's state."""
        line = await self.redis.hget(self.keys.task(task_id), f"s:{step_id}")
        return parse_line(STEP_STATE, (line or b"").decode())

    async def finish(self, task_id: str, step_id: int, text: str = "done") -> None:
        """Starts and completes a step."""
        attempt = await self.start(task_id, step_id)
        await self.store.complete(attempt, StepOutput(summary=text).model_dump_json().encode(), text)

    async def fail(self, task_id: str, step_id: int, *, code: str = "boom", again_ms: int | None = None) -> None:
        """Starts a step and lets it fail, for good or until another attempt in `again_ms`."""
        error = ErrorInfo(type="Boom", code=code, message='it said "no"')
        attempt, retryable = await self.start(task_id, step_id), again_ms is not None
        await self.store.fail(attempt, error, retryable=retryable, delay_ms=again_ms or 0, max_attempts=9)

    async def statuses(self, task_id: str) -> list[str]:
        """The states of the steps in the order of the plan."""
        return [str(step.status) for step in (await self.reader.view(task_id)).steps]

    async def status(self, task_id: str) -> str:
        return str((await self.reader.view(task_id)).status)

    async def inputs(self, task_id: str) -> TaskInputs:
        """What the task works on."""
        return TaskInputs.model_validate_json(await self.redis.hget(self.keys.task(task_id), "inputs") or "{}")

    def runner(self, options: ExecutorOptions = OPTIONS, deferrals_max: int = 100, **agents: Any) -> StepRunner:
        """A runner whose agents do what the given functions do."""
        registry = AgentRegistry()
        for name in ("retriever", "analyzer", "writer"):
            limits = {"backoff_ms": 1, "backoff_ms_max": 5, "max_attempts": 3, "timeout_ms": 120_000}
            limits["deferrals_max"] = deferrals_max
            registry.register(AgentSpec(name=name, run=agents.get(name, nothing), **limits))
        executor = Executor(self.store, self.reader, registry, options, Invoker(threads_max=2))
        return StepRunner(self.store, executor, Stops(self.redis, self.keys.stops("w1"), self.store.unwanted), "w1")

    async def deliver(self, runner: StepRunner, rounds: int = 50) -> None:
        """Plays the broker: hands every waiting entry to the runner, acknowledges it unless it is released."""
        shard = ShardKeys(self.keys.tag)
        for _ in range(rounds):
            moved = await self._deliver_once(runner, [shard.queue(spec.queue) for spec in runner.executor.registry])
            if not moved and await self.redis.zcard(self.keys.open) == 0:
                return

    async def _deliver_once(self, runner: StepRunner, queues: list[QueueKeys]) -> bool:
        moved = False
        await self.move()
        for queue in queues:
            for stream in queue.streams:
                moved |= await self._run_entries(runner, stream)
        return moved

    async def _run_entries(self, runner: StepRunner, stream: str) -> bool:
        entries = await self.redis.xrange(stream)
        for entry_id, fields in entries:
            with contextlib.suppress(Release):
                await runner.run_batch(*orjson.loads(fields[b"m"])["args"])
                await self.redis.xdel(stream, entry_id)
        return bool(entries)

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


@pytest.fixture(autouse=True)
def _in_time() -> Iterator[None]:
    """A worker goes on with a chain for a quarter of a second; a machine that stands still for so long cuts none."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StepRunner.run, "__kwdefaults__", {"go_on_s": 600.0})
        yield


@pytest.fixture
async def bench(redis_url: str, namespace: str) -> AsyncIterator[Bench]:
    client = redis_async.connect(redis_url)
    # As whom an API process and a worker come, where the Redis of the tests has users.
    api, worker = (redis_async.connect(as_user(redis_url, user)) for user in ("api", "worker"))
    keys = Keys(namespace)
    tasks = TaskStore(ScriptRunner(api, keys, retry_ms_max=1000), LIMITS)
    steps = StepStore(ScriptRunner(worker, keys, retry_ms_max=1000), STEP_LIMITS)
    bench = Bench(client, keys, tasks, steps, TaskReader(api, keys, retry_ms_max=1000))
    try:
        yield bench
        await check_all(bench)
    finally:
        for each in (client, api, worker):
            await each.aclose()
