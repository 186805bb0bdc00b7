"""The scripts on a real Redis and the model beside them: each act is done to both, and their events are compared."""

from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import replace
from typing import Any
from uuid import uuid4

import orjson
import uvloop

from app import redis_async
from app.broker.keys import QueueKeys, ShardKeys
from app.dispatch.attempt import Attempt, Fenced, StepRef
from app.dispatch.fork import still_grown
from app.dispatch.intake import Intake
from app.dispatch.reader import TaskReader
from app.dispatch.record import STEP_STATE, gate_group, parse_line
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import PlanHasGrown, StepLimits, StepStore
from app.dispatch.store import TaskLimits, TaskStore
from app.errors import InvalidRequest, NotPossible
from app.keys import Keys
from app.model.plan import Plan
from app.model.task import Concurrency, Moment, NewTask, StepStatus
from tests.property import dispatch_views
from tests.property.dispatch_plans import REGISTRY, checked
from tests.property.specification import attempts, starts, whole_tasks
from tests.property.specification.state import UNDER_WAY, Answer, At, Event, Gate, Message, TaskState, World
from tests.property.specification.whole_tasks import Draft

FAR_MS = 3_600_000
FUTURE_MS = 4_000_000_000_000
CRASHES_MAX = 2
PROVIDERS = ("web", "writer")
LIMITS = TaskLimits(
    backlog_max=100_000, open_tasks_max=100, retention_ms=FAR_MS, idempotency_ttl_ms=FAR_MS, cancel_grace_ms=FAR_MS,
    crashes_max=CRASHES_MAX, audit_interval_ms=1, audit_grace_ms=0,
)  # fmt: skip


class ResendingRunner(ScriptRunner):
    """When `twice`, the first reply of every call is lost and the same call is sent again."""

    twice = False

    async def _call(self, *call: Any) -> list[Any]:
        reply = await super()._call(*call)
        return await super()._call(*call) if self.twice else reply


class DispatchBench:
    """Redis, the wrappers, and the model."""

    def __init__(self, url: str) -> None:
        self._loop = uvloop.new_event_loop()
        self.client = redis_async.connect(url)
        self.keys = Keys(f"model-{uuid4().hex[:12]}")
        self.shard = ShardKeys(self.keys.tag)
        self.scripts = ResendingRunner(self.client, self.keys, retry_ms_max=1_000)
        self.tasks = TaskStore(self.scripts, LIMITS)
        self.steps = StepStore(self.scripts, StepLimits(events_max=1_000_000, crashes_max=CRASHES_MAX))
        self.reader = TaskReader(self.client, self.keys, retry_ms_max=1_000)
        self.world = World(REGISTRY, cancel_grace_ms=LIMITS.cancel_grace_ms, crashes_max=CRASHES_MAX)
        self._seen: dict[str, int] = {}
        self.reports = 0

    def run(self, call: Awaitable[Any]) -> Any:
        return self._loop.run_until_complete(call)

    def act(self, call: Awaitable[Any], spec: Callable[[At, Any], Answer]) -> tuple[Any, str]:
        """Does it to the server, then at the same moment to the model; what each answers."""
        said = self.run(_said(call))
        at, written = self.run(self._new_events())
        answer = spec(at, said)
        told: dict[str, list[Event]] = {}
        for event in answer.events:
            told.setdefault(event.task_id, []).append(event)
        assert written == told, _both(written, told)
        return said, answer.verdict

    async def _new_events(self) -> tuple[At, dict[str, list[Event]]]:
        """What was written since the last time, by task, and when."""
        names = [*self.world.tasks, f"t{len(self.world.tasks) + 1}"]
        async with self.client.pipeline(transaction=False) as pipe:
            pipe.time()
            for name in names:
                pipe.xrange(self.keys.events(name), f"{self._seen.get(name, 0) + 1}-0")
            (seconds, micros), *logs = await pipe.execute()
        moments, written = [], {}
        for name, entries in zip(names, logs, strict=True):
            at, events = dispatch_views.read_log(entries, self._seen.get(name, 0))
            if at:
                moments.append(at)
                written[name] = events
                self._seen[name] = self._seen.get(name, 0) + len(events)
        assert len(set(moments)) <= 1, "one transition, one moment"
        return (moments or [At(seconds * 1000 + micros // 1000)])[0], written

    # -- tasks

    def submit(self, raw: list[dict[str, Any]], *, limit: int, priority: int, start: str) -> tuple[Any, str]:
        plan, task_id = checked(raw), f"t{len(self.world.tasks) + 1}"
        not_before = {"later": FUTURE_MS, "long ago": 1}.get(start)
        deadline = {"later": FUTURE_MS + 1, "too late": 1}.get(start)
        task = NewTask(
            task_id=task_id, task="Do it", plan=plan, priority=priority, labels={"team": "a"},
            not_before=Moment(not_before) if not_before else None, deadline=Moment(deadline) if deadline else None,
            concurrency=Concurrency("team", limit) if limit else None,
        )  # fmt: skip
        gate = Gate(gate_group(task), limit) if limit else None
        level = int(QueueKeys.level(priority))
        draft = Draft(task_id, plan, level, gate, not_before, deadline)
        return self.act(
            self.tasks.submit(Intake(task), REGISTRY), lambda at, _: whole_tasks.submit(self.world, at, draft)
        )

    def fork(self, source: TaskState, plan: Plan, reused: Collection[int]) -> tuple[Any, str]:
        task_id = f"t{len(self.world.tasks) + 1}"
        task = self.run(self.reader.origin(source.task_id, task_id, plan))
        draft = Draft(task_id, plan, source.level, source.gate, parent=source.task_id, reused=reused)
        grown = still_grown(self.run(self.reader.grown(source.task_id)), plan)
        intake = Intake(task, source=source.task_id, reused=reused, grown=grown)
        return self.act(self.tasks.fork(intake, REGISTRY), lambda at, _: whole_tasks.fork(self.world, at, draft))

    def let_pass(self, task_ids: Sequence[str]) -> None:
        """The time by which these tasks must have ended is over."""
        for place, task_id in enumerate(task_ids, start=1):
            self.run(self.client.zadd(self.keys.deadlines, {task_id: place}))
            self.world.deadlines[task_id] = place

    # -- attempts

    def time_out(self, attempt: Attempt) -> tuple[Any, str]:
        """The attempt has lasted too long, and the audit comes by. It leaves alone what was sent a moment ago."""
        ref, key = attempt.ref, self.keys.task(attempt.ref.task_id)
        state = parse_line(STEP_STATE, self.run(self.client.hget(key, f"s:{ref.step_id}")).decode())
        line = "|".join((state | {"started": "1"}).values())
        self.run(self.client.hset(key, f"s:{ref.step_id}", line))
        self.run(self.client.delete(f"{self.keys.tag}:audit:lock"))
        audit = TaskStore(self.scripts, replace(LIMITS, audit_grace_ms=FAR_MS)).audit()
        return self.act(audit, lambda at, _: attempts.time_out(self.world, at, ref.task_id, ref.step_id))

    def runs(self, attempt: Attempt) -> bool:
        step = self.world.tasks[attempt.ref.task_id].steps[attempt.ref.step_id]
        return step.state is StepStatus.RUNNING and step.token == attempt.token

    def refs(self, kind: str) -> list[StepRef]:
        """What the messages in the queues name: all, what is running, or what waits for its start."""
        found = []
        for message in self.world.queued:
            for step_id, dispatch in message.steps:
                task = self.world.tasks[message.task_id]
                step = starts.handed_over(task, task.steps[step_id])
                current = task.steps[step_id].dispatch == dispatch and step.state in UNDER_WAY
                running = step.state is StepStatus.RUNNING
                if kind == "any" or (current and running == (kind == "running")):
                    found.append(StepRef(message.task_id, step_id, dispatch))
        return found

    # -- time and the broker

    def deliver(self, message: Message) -> None:
        """Moves a delayed message into its queue, whatever its time."""
        queue = self.shard.queue(message.queue)
        member = queue.due_member(message.level, message.batch_id, message.steps[0][1])
        body = self.run(self.client.hget(queue.due_bodies, member))
        self.run(self.client.zrem(queue.due, member))
        self.run(self.client.hdel(queue.due_bodies, member))
        self.run(self.client.xadd(queue.stream(message.level), {"m": body}))
        whole_tasks.deliver(self.world, At(0), message)

    def recover(self, provider: str) -> None:
        self.run(self.client.delete(f"{self.keys.tag}:provider:{provider}"))
        self.world.providers.pop(provider, None)

    def pause_queue(self, name: str) -> None:
        """An operator pauses a queue, or lets it go on."""
        self.world.paused ^= {name}
        change = self.client.sadd if name in self.world.paused else self.client.srem
        self.run(change(self.shard.paused, name))

    def acknowledge(self) -> None:
        """Takes out every message that has nothing left to start."""
        gone = [message for message in self.world.queued if starts.worthless(self.world, message)]
        ids = {message.batch_id for message in gone}
        for stream in {self.shard.queue(m.queue).stream(m.level) for m in gone}:
            for entry_id, fields in self.run(self.client.xrange(stream)):
                if orjson.loads(fields[b"m"])["message_id"] in ids:
                    self.run(self.client.xdel(stream, entry_id))
        self.world.queued = [message for message in self.world.queued if message not in gone]

    # -- looking

    def look(self, attempts: Sequence[Attempt]) -> tuple[dict[str, Any], int, list[Attempt]]:
        """Where Redis and the model differ, how much the audit repairs, which attempts are to stop."""

        async def look() -> tuple[dict[str, Any], int, list[Attempt]]:
            real = await dispatch_views.of_redis(self.client, self.keys, self.world)
            audited = await self.tasks.audit()
            repaired = audited.repaired if audited else 0
            return real, repaired, await self.steps.unwanted(attempts)

        real, repaired, unwanted = self.run(look())
        if self.scripts.twice:
            # A call that is sent again is refused again, and so counted again.
            real["refused"] = {"fenced": real["refused"]["fenced"] // 2, "stale": self.world.stale}
        return dispatch_views.differences(real, dispatch_views.of_model(self.world)), repaired, unwanted

    def left_over(self) -> dict[str, Any]:
        """What a drained engine still holds and should not."""
        view = self.run(dispatch_views.of_redis(self.client, self.keys, self.world))
        kept = ("task", "step", "dead", "totals", "refused")
        return {name: what for name, what in view.items() if what and not name.startswith(kept)}

    def close(self) -> None:
        async def clean() -> None:
            async for key in self.client.scan_iter(match=f"{self.keys.tag}:*", count=1_000):
                await self.client.delete(key)
            await self.client.aclose()

        self.run(clean())
        self._loop.close()


def _both(written: dict[str, list[Event]], told: dict[str, list[Event]]) -> str:
    """What Redis has written and what the model tells, where they differ."""
    lines = []
    for task_id in sorted(written.keys() | told.keys()):
        if written.get(task_id) != told.get(task_id):
            lines += ["Redis:", *map(repr, written.get(task_id, [])), "model:", *map(repr, told.get(task_id, []))]
    return "\n".join(lines)


async def _said(call: Awaitable[Any]) -> Any:
    """What the wrapper returns; an error by its name, unless it holds an answer."""
    try:
        return await call
    except PlanHasGrown as grown:
        return grown
    except (Fenced, NotPossible, InvalidRequest) as error:
        return type(error).__name__
