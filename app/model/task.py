"""A task: its states, its identity, and the view of it that readers get."""

import re
import uuid
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from app.model.plan import Plan

TASK_ID_PATTERN = re.compile(r"([0-9a-z]{1,4})-([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})")


class TaskStatus(StrEnum):
    """Where a task stands; the last four are terminal."""

    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self not in (TaskStatus.QUEUED, TaskStatus.RUNNING)


class StepStatus(StrEnum):
    """Where a step stands; the last four are terminal."""

    WAITING = "waiting"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


def new_task_id(now_ms: int, random_bits: int, shard: int = 0) -> str:
    """
    A task id that sorts by time: `<shard>-<uuid7>` (RFC 9562, section 5.7).

    `random_bits` supplies the 74 random bits of the uuid.
    """
    value = (now_ms & (1 << 48) - 1) << 80 | 7 << 76
    value |= (random_bits >> 62 & 0xFFF) << 64 | 2 << 62 | random_bits & (1 << 62) - 1
    return f"{_base36(shard)}-{uuid.UUID(int=value)}"


def is_task_id(text: str) -> bool:
    return TASK_ID_PATTERN.fullmatch(text) is not None


def created_ms(task_id: str) -> int:
    """When the id was made, from its uuid7 half."""
    return uuid.UUID(task_id.partition("-")[2]).int >> 80


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
        if not number:
            return digits


class Document(BaseModel):
    """A text that came with a task; `name` is what citations call it."""

    name: str
    text: str


class TaskInputs(BaseModel):
    """What a task works on: a named folder of the server, or documents kept under their hash."""

    collection: str | None = None
    documents_sha256: str | None = None


class NewTask(BaseModel):
    """Everything a submission writes about the task itself."""

    task_id: str
    task: str
    plan: Plan
    tenant: str = "default"
    priority: int = 5
    labels: dict[str, str] = {}
    inputs: TaskInputs = TaskInputs()
    traceparent: str | None = None


class StepView(BaseModel):
    """A step as readers see it."""

    step_id: int
    agent: str
    status: StepStatus
    attempts: int = 0
    failures: int = 0
    crashes: int = 0
    depends_on: list[int] = []
    error: dict[str, Any] | None = None


class TaskView(BaseModel):
    """A task as readers see it; times are epoch milliseconds of the Redis server."""

    task_id: str
    task: str
    status: TaskStatus
    tenant: str
    priority: int
    labels: dict[str, str]
    planner: str
    created_ms: int
    started_ms: int | None = None
    finished_ms: int | None = None
    last_seq: int
    error: dict[str, Any] | None = None
    steps: list[StepView]
