"""Reads of tasks: the view clients get, plans, results, and the documents that came with them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson
import redis.asyncio
from pydantic import TypeAdapter

from app.dispatch.intake import Idempotency
from app.dispatch.record import STEP_PLACE, STEP_STATE, parse_line
from app.dispatch.usage import NANO
from app.errors import IdempotencyConflict, TaskNotFound
from app.keys import Keys
from app.model.agents import StepOutput
from app.model.output import TaskOutput
from app.model.plan import Plan, Step
from app.model.stored import from_json, from_members
from app.model.task import Concurrency, Document, NewTask, StepView, TaskInputs, TaskView
from app.redis_async import patient, untold

RESULTS_PER_READ = 16
TASK_FIELDS = (
    "task", "status", "tenant", "planner", "priority", "labels", "parent", "created", "started", "finished", "rested",
    "deadline", "seq", "error", "ids", "tokens", "nano_usd",
)  # fmt: skip
DOCUMENTS = TypeAdapter(list[Document])


class TaskReader:
    """Reads the tasks of one shard; raises `Unavailable` when Redis is away for `retry_ms_max`."""

    def __init__(
        self,
        client: "redis.asyncio.Redis",
        keys: Keys,
        *,
        retry_ms_max: int,
        on_retry: Callable[[], None] = untold,
    ) -> None:
        self._redis = client
        self._keys = keys
        self._retry_ms_max = retry_ms_max
        self._on_retry = on_retry

    async def view(self, task_id: str) -> TaskView:
        """The task and its steps as they stand; raises `TaskNotFound`."""
        fields = await self._fields(task_id, TASK_FIELDS)
        if "ids" not in fields:
            raise TaskNotFound(task_id)
        names = [f"{name}:{step_id}" for step_id in fields["ids"].split() for name in ("s", "p", "er")]
        steps = await self._fields(task_id, names)
        if not steps:
            raise TaskNotFound(task_id)
        return _view(task_id, fields | steps)

    async def plan(self, task_id: str) -> Plan:
        """The plan as it stands, with the steps that were added to it; raises `TaskNotFound`."""
        fields = await self._fields(task_id, ("planner", "ids"))
        if "ids" not in fields:
            raise TaskNotFound(task_id)
        ids = fields["ids"].split()
        found = await self._fields(task_id, [f"{name}:{step_id}" for step_id in ids for name in ("p", "in")])
        if not found:
            raise TaskNotFound(task_id)
        steps = tuple(_step(found[f"in:{step_id}"], found[f"p:{step_id}"]) for step_id in ids)
        return Plan.model_validate({"planner": fields["planner"], "steps": steps})

    async def origin(self, task_id: str, new_task_id: str, plan: Plan) -> NewTask:
        """A new task that asks for the same as this one, under another id and with this plan."""
        names = ("task", "tenant", "priority", "labels", "inputs", "output", "trace", "gate", "gate_key")
        fields = await self._fields(task_id, names)
        if "task" not in fields:
            raise TaskNotFound(task_id)
        return NewTask(
            task_id=new_task_id,
            task=fields["task"],
            plan=plan,
            tenant=fields["tenant"],
            priority=int(fields["priority"]),
            labels=orjson.loads(fields["labels"]),
            inputs=from_json(TaskInputs, fields["inputs"]),
            output=from_json(TaskOutput, fields.get("output", "{}")),
            traceparent=fields.get("trace"),
            concurrency=_concurrency(fields),
            parent_task_id=task_id,
        )

    async def accepted(self, tenant: str, idempotency: Idempotency) -> str | None:
        """
        The task that came with the same key and request, if there is one; raises `IdempotencyConflict` for another.

        What a submission does with the key is for its script to say. This spares work that would be for nothing.
        """
        key = self._keys.idempotency(tenant, idempotency.key_sha256)
        value = await self._patient(lambda: self._redis.get(key))
        if value is None:
            return None
        body_sha256, _, task_id = value.decode().partition(" ")
        if body_sha256 != idempotency.body_sha256:
            raise IdempotencyConflict(f"The idempotency key belongs to another request, task {task_id}.")
        return str(task_id)

    async def grown(self, task_id: str) -> list[str]:
        """Which steps have added which others: the entries of the field `grown`."""
        return (await self._fields(task_id, ("grown",))).get("grown", "").split()

    async def results(self, task_id: str, step_ids: Sequence[int]) -> dict[int, StepOutput]:
        """The stored outputs of those steps that have one."""
        key = self._keys.task(task_id)
        found: dict[int, StepOutput] = {}
        for start in range(0, len(step_ids), RESULTS_PER_READ):
            page = step_ids[start : start + RESULTS_PER_READ]
            values = await self._patient(partial(self._redis.hmget, key, [f"r:{step_id}" for step_id in page]))
            found |= {i: from_json(StepOutput, v) for i, v in zip(page, values, strict=True) if v}
        return found

    async def outputs(self, view: TaskView) -> dict[int, StepOutput]:
        """The task's result: the outputs of the steps that nothing waits for."""
        needed = {parent for step in view.steps for parent in step.depends_on}
        return await self.results(view.task_id, [s.step_id for s in view.steps if s.step_id not in needed])

    async def memo(self, task_id: str, step_id: int, name: str) -> bytes | None:
        """What a side effect of a step returned when it was done, or `None` when it was not."""
        value = await self._patient(lambda: self._redis.hget(self._keys.task(task_id), f"m:{step_id}:{name}"))
        return value if value is None else bytes(value)

    async def documents(self, sha256: str) -> list[Document]:
        """Documents kept under their hash; raises `TaskNotFound` when they have expired."""
        raw = await self._patient(lambda: self._redis.get(self._keys.documents(sha256)))
        if raw is None:
            raise TaskNotFound(sha256)
        return DOCUMENTS.validate_json(raw)

    async def _fields(self, task_id: str, names: Sequence[str]) -> dict[str, str]:
        """Those of the named fields that are set; plans and payloads, which may be large, stay where they are."""
        values = await self._patient(lambda: self._redis.hmget(self._keys.task(task_id), list(names)))
        return {name: value.decode() for name, value in zip(names, values, strict=True) if value is not None}

    async def _patient(self, call: Callable[[], Any]) -> Any:
        return await patient(call, self._retry_ms_max, self._on_retry)


def _view(task_id: str, fields: dict[str, str]) -> TaskView:
    def milliseconds(name: str) -> int | None:
        return int(fields[name]) if name in fields else None

    return from_members(
        TaskView,
        {
            "task_id": task_id,
            **{name: fields[name] for name in ("task", "status", "tenant", "planner")},
            "priority": int(fields["priority"]),
            "labels": orjson.loads(fields["labels"]),
            "parent_task_id": fields.get("parent"),
            "created_ms": int(fields["created"]),
            "started_ms": milliseconds("started"),
            "finished_ms": milliseconds("finished"),
            "rested_ms": milliseconds("rested") or 0,
            "deadline_ms": milliseconds("deadline"),
            "last_seq": int(fields["seq"]),
            "tokens": int(fields.get("tokens", 0)),
            "usd": int(fields.get("nano_usd", 0)) / NANO,
            "error": orjson.loads(fields["error"]) if "error" in fields else None,
            "steps": [_step_view(step_id, fields) for step_id in fields["ids"].split()],
        },
    )


def _concurrency(fields: dict[str, str]) -> Concurrency | None:
    return Concurrency(fields["gate_key"], int(fields["gate"].partition("|")[2])) if "gate" in fields else None


def _step_view(step_id: str, fields: dict[str, str]) -> StepView:
    state, place = parse_line(STEP_STATE, fields[f"s:{step_id}"]), parse_line(STEP_PLACE, fields[f"p:{step_id}"])
    errors = [orjson.loads(line) for line in fields.get(f"er:{step_id}", "").splitlines()]
    return from_members(
        StepView,
        {
            "step_id": int(step_id),
            "agent": place["agent"],
            "status": state["state"],
            "attempts": int(state["attempt"]),
            "failures": int(state["failures"]),
            "crashes": int(state["crashes"]),
            "deferrals": int(state["deferrals"]),
            "depends_on": _ids(place["deps"]),
            "error": errors[-1]["error"] if errors else None,
            "errors": errors,
        },
    )


def _step(content: str, place: str) -> Step:
    return from_members(Step, orjson.loads(content) | {"depends_on": _ids(parse_line(STEP_PLACE, place)["deps"])})


def _ids(text: str) -> list[int]:
    return [int(part) for part in text.split(",") if part]
