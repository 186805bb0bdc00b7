"""
The state of tasks: one typed method per transition script.

Every write of a task goes through here. A method that acts for an attempt raises `Fenced` when that
attempt is no longer the current one; all raise `Unavailable` when Redis stays away.
"""

import random
import secrets
from collections.abc import Sequence
from dataclasses import dataclass

from app.broker.keys import ShardKeys
from app.broker.scripts import Script
from app.dispatch.attempt import Attempt, Fenced, StepRef, json_text
from app.dispatch.record import record
from app.dispatch.scripts import Argument, ScriptRunner, transition
from app.errors import BacklogFull
from app.keys import Keys
from app.model.agents import AgentRegistry
from app.model.events import ErrorInfo, EventData
from app.model.task import NewTask

SUBMIT = transition("submit")
START = transition("start")
PROGRESS = transition("progress")
COMPLETE = transition("complete")
FAIL = transition("fail")
RELEASE = transition("release")

BUSY_RETRY_AFTER_S = 5


@dataclass(frozen=True, slots=True)
class StoreLimits:
    """The bounds the scripts enforce."""

    events_max: int
    backlog_max: int
    crashes_max: int
    retention_ms: int


class TaskStore:
    """Moves tasks and steps from state to state; each method is one atomic act in Redis."""

    def __init__(self, scripts: ScriptRunner, keys: Keys, limits: StoreLimits) -> None:
        self._scripts = scripts
        self._keys = keys
        self._limits = limits

    async def submit(self, task: NewTask, registry: AgentRegistry, documents: bytes = b"") -> None:
        """
        Accepts a task: state, documents, first events and first entries. A second call with the same id
        changes nothing.

        Raises `BacklogFull` when its queues hold `backlog_max` entries already.
        """
        queues = sorted({registry[step.agent].queue for step in task.plan.steps})
        shard = ShardKeys(self._keys.tag)
        streams = [stream for queue in queues for stream in shard.queue(queue).streams]
        fields = record(task, registry, self._keys, self._limits.retention_ms)
        documents_key = self._keys.documents(task.inputs.documents_sha256 or "none")
        roots = " ".join(str(step.step_id) for step in task.plan.steps if not step.depends_on)
        submitted = {"task": task.task, "priority": task.priority, "labels": task.labels}
        created = {
            "steps": [step.model_dump(mode="json", exclude_none=True) for step in task.plan.steps],
            "rev": 1,
            "planner": task.plan.planner,
            "estimate": {"steps": len(task.plan.steps)},
        }
        reply = await self._scripts(
            SUBMIT,
            [*self._keys_of(task.task_id), shard.queues, documents_key, *streams],
            [
                *self._args_of(task.task_id), self._limits.backlog_max, " ".join(queues),
                json_text(submitted), json_text(created), roots, documents, *fields,
            ],
        )  # fmt: skip
        if reply[0] == b"busy":
            raise BacklogFull(f"{reply[1]} messages are waiting already.", retry_after_s=BUSY_RETRY_AFTER_S)

    async def start(self, ref: StepRef, *, worker: str) -> Attempt | None:
        """Begins an attempt; `None` when this dispatch of the step is no longer wanted."""
        nonce = secrets.token_hex(8)
        reply = await self._call(START, ref, ref.dispatch_no, nonce, worker, self._limits.crashes_max)
        return Attempt.from_reply(ref, reply[1:]) if reply[0] == b"run" else None

    async def progress(self, attempt: Attempt, number: int, events: Sequence[EventData]) -> None:
        """Appends what the attempt reports; `number` counts its reports from 1."""
        pairs: list[Argument] = []
        for event in events:
            pairs += [event.type, event.model_dump_json()]
        await self._act(PROGRESS, attempt, number, self._limits.events_max, *pairs)

    async def complete(self, attempt: Attempt, result: bytes, summary: str) -> None:
        """Stores the result, tells of it, and sends whatever became ready."""
        members = json_text({"summary": summary, "bytes": len(result), "cached": False})[1:-1]
        await self._act(COMPLETE, attempt, result, members)

    async def fail(
        self, attempt: Attempt, error: ErrorInfo, *, retryable: bool, delay_ms: int, max_attempts: int
    ) -> bool:
        """Settles a failed attempt; true when another one follows after `delay_ms`."""
        reply = await self._act(
            FAIL, attempt, error.model_dump_json(), int(retryable), delay_ms, max_attempts,
            json_text(f"{error.type}: {error.message}"),
        )  # fmt: skip
        return bool(reply[1] == b"retrying")

    async def release(self, attempt: Attempt, reason: str) -> None:
        """Hands the step back unfinished; it costs no attempt."""
        await self._act(RELEASE, attempt, json_text(reason))

    def _keys_of(self, task_id: str) -> list[str]:
        keys = self._keys
        return [keys.task(task_id), keys.events(task_id), keys.fire, keys.open, keys.results(task_id)]

    def _args_of(self, task_id: str) -> list[Argument]:
        return [task_id, random.getrandbits(16)]

    async def _act(self, script: Script, attempt: Attempt, *args: Argument) -> list[object]:
        reply = await self._call(script, attempt.ref, attempt.token, *args)
        if reply[0] == b"fenced":
            raise Fenced(f"Attempt {attempt.number} of step {attempt.ref.step_id} is superseded.")
        return reply

    async def _call(self, script: Script, ref: StepRef, *args: Argument) -> list[object]:
        return await self._scripts(
            script, self._keys_of(ref.task_id), [*self._args_of(ref.task_id), ref.step_id, *args]
        )
