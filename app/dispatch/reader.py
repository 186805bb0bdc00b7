"""Reads of tasks: the view clients get, results, and the documents that came with them."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import orjson
import redis.asyncio
from pydantic import TypeAdapter

from app.errors import TaskNotFound
from app.keys import Keys
from app.model.agents import StepOutput
from app.model.task import Document, StepView, TaskView
from app.redis_async import patient

RESULTS_PER_READ = 16
TASK_FIELDS = (
    "task", "status", "tenant", "planner", "priority", "labels", "created", "started", "finished", "seq", "error",
    "ids",
)  # fmt: skip
STEP_FIELDS = ("ag", "st", "de", "at", "fl", "cr", "er")
DOCUMENTS = TypeAdapter(list[Document])


class TaskReader:
    """Reads the tasks of one shard; raises `Unavailable` when Redis is away for `retry_ms_max`."""

    def __init__(self, client: "redis.asyncio.Redis", keys: Keys, *, retry_ms_max: int) -> None:
        self._redis = client
        self._keys = keys
        self._retry_ms_max = retry_ms_max

    async def view(self, task_id: str) -> TaskView:
        """The task and its steps as they stand; raises `TaskNotFound`."""
        fields = await self._fields(task_id, TASK_FIELDS)
        if "ids" not in fields:
            raise TaskNotFound(task_id)
        names = [f"{name}:{step_id}" for step_id in fields["ids"].split() for name in STEP_FIELDS]
        return _view(task_id, fields | await self._fields(task_id, names))

    async def _fields(self, task_id: str, names: Sequence[str]) -> dict[str, str]:
        """Those of the named fields that are set; plans and payloads, which may be large, stay where they are."""
        values = await self._patient(lambda: self._redis.hmget(self._keys.task(task_id), list(names)))
        return {name: value.decode() for name, value in zip(names, values, strict=True) if value is not None}

    async def results(self, task_id: str, step_ids: Sequence[int]) -> dict[int, StepOutput]:
        """The stored outputs of those steps that have one."""
        prefix = self._keys.results(task_id)
        found: dict[int, StepOutput] = {}
        for start in range(0, len(step_ids), RESULTS_PER_READ):
            page = step_ids[start : start + RESULTS_PER_READ]
            names = [f"{prefix}{step_id}" for step_id in page]
            values = await self._patient(partial(self._redis.mget, names))
            found |= {i: StepOutput.model_validate_json(v) for i, v in zip(page, values, strict=True) if v}
        return found

    async def outputs(self, view: TaskView) -> dict[int, StepOutput]:
        """The task's result: the outputs of the steps that nothing waits for."""
        needed = {parent for step in view.steps for parent in step.depends_on}
        return await self.results(view.task_id, [s.step_id for s in view.steps if s.step_id not in needed])

    async def documents(self, sha256: str) -> list[Document]:
        """Documents kept under their hash; raises `TaskNotFound` when they have expired."""
        raw = await self._patient(lambda: self._redis.get(self._keys.documents(sha256)))
        if raw is None:
            raise TaskNotFound(sha256)
        return DOCUMENTS.validate_json(raw)

    async def _patient(self, call: Callable[[], Any]) -> Any:
        return await patient(call, self._retry_ms_max)


def _view(task_id: str, fields: dict[str, str]) -> TaskView:
    def milliseconds(name: str) -> int | None:
        return int(fields[name]) if name in fields else None

    return TaskView.model_validate(
        {
            "task_id": task_id,
            **{name: fields[name] for name in ("task", "status", "tenant", "planner")},
            "priority": int(fields["priority"]),
            "labels": orjson.loads(fields["labels"]),
            "created_ms": int(fields["created"]),
            "started_ms": milliseconds("started"),
            "finished_ms": milliseconds("finished"),
            "last_seq": int(fields["seq"]),
            "error": orjson.loads(fields["error"]) if "error" in fields else None,
            "steps": [_step_view(step_id, fields) for step_id in fields["ids"].split()],
        }
    )


def _step_view(step_id: str, fields: dict[str, str]) -> StepView:
    depends_on = fields[f"de:{step_id}"]
    error = fields.get(f"er:{step_id}")
    return StepView.model_validate(
        {
            "step_id": int(step_id),
            "agent": fields[f"ag:{step_id}"],
            "status": fields[f"st:{step_id}"],
            "attempts": int(fields.get(f"at:{step_id}", 0)),
            "failures": int(fields.get(f"fl:{step_id}", 0)),
            "crashes": int(fields.get(f"cr:{step_id}", 0)),
            "depends_on": [int(part) for part in depends_on.split(",") if part],
            "error": orjson.loads(error) if error else None,
        }
    )
