"""A task: its states, its identity, and the view of it that readers get."""

import re
import uuid
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pydantic import BaseModel

from app.model.output import TaskOutput
from app.model.plan import Plan

TASK_ID_PATTERN = re.compile(r"([0-9a-z]{1,4})-([0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12})")


class TaskStatus(StrEnum):
    """Where a task stands; the last four are terminal."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    CANCELLING = "cancelling"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"

    @property
    def terminal(self) -> bool:
        return self in (TaskStatus.COMPLETED, TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED)


class ListStatus(StrEnum):
    """What a list of tasks may be narrowed to: one state, or `open`, those that have not ended, or `ended`."""

    OPEN = "open"
    ENDED = "ended"
    QUEUED = TaskStatus.QUEUED
    RUNNING = TaskStatus.RUNNING
    PAUSED = TaskStatus.PAUSED
    CANCELLING = TaskStatus.CANCELLING
    COMPLETED = TaskStatus.COMPLETED
    FAILED = TaskStatus.FAILED
    CANCELLED = TaskStatus.CANCELLED
    EXPIRED = TaskStatus.EXPIRED


class StepStatus(StrEnum):
    """
    Where a step stands; the last four are terminal.

    `waiting` for dependencies; `held` by a pause; `limited` by the concurrency of its group; `retrying` after
    a failure; `deferred` because its provider asked for patience.
    """

    WAITING = "waiting"
    QUEUED = "queued"
    HELD = "held"
    LIMITED = "limited"
    RUNNING = "running"
    RETRYING = "retrying"
    DEFERRED = "deferred"
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


def first_task_id(created_ms: int, shard: int = 0) -> str:
    """The smallest id a task of that millisecond or later can have."""
    return new_task_id(created_ms, 0, shard)


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
    """What a task works on: a named folder of the server, documents kept under their hash, pages of the web."""

    collection: str | None = None
    documents_sha256: str | None = None
    urls: list[str] = []
    #: Whether retrievers may search the web as well.
    web: bool = False


class CancelMode(StrEnum):
    """
    How a task is ended early.

    `graceful`: nothing starts any more and running steps are interrupted. `force`: it ends now, whatever
    still runs is fenced. `finish`: gathering ends, the rest works with what there is.
    """

    GRACEFUL = "graceful"
    FORCE = "force"
    FINISH = "finish"


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time: epoch milliseconds, or milliseconds from the moment the server accepts the task."""

    ms: int
    relative: bool = False

    def __str__(self) -> str:
        return f"+{self.ms}" if self.relative else str(self.ms)


@dataclass(frozen=True, slots=True)
class Concurrency:
    """At most `limit` steps are under way among tasks that share the value of the label `key`."""

    key: str
    limit: int


class NewTask(BaseModel):
    """Everything a submission writes about the task itself."""

    task_id: str
    task: str
    plan: Plan
    tenant: str = "default"
    priority: int = 5
    labels: dict[str, str] = {}
    inputs: TaskInputs = TaskInputs()
    output: TaskOutput = TaskOutput()
    traceparent: str | None = None
    deadline: Moment | None = None
    not_before: Moment | None = None
    concurrency: Concurrency | None = None
    parent_task_id: str | None = None


class AttemptError(BaseModel):
    """How one attempt of a step failed; `at` is epoch milliseconds."""

    attempt: int
    at: int
    worker: str
    error: dict[str, Any]


class StepView(BaseModel):
    """A step as readers see it; `errors` has one entry per failed attempt."""

    step_id: int
    agent: str
    status: StepStatus
    attempts: int = 0
    failures: int = 0
    crashes: int = 0
    deferrals: int = 0
    depends_on: list[int] = []
    error: dict[str, Any] | None = None
    errors: list[AttemptError] = []


class TaskView(BaseModel):
    """A task as readers see it; times are epoch milliseconds of the Redis server."""

    task_id: str
    task: str
    status: TaskStatus
    tenant: str
    priority: int
    labels: dict[str, str]
    planner: str
    parent_task_id: str | None = None
    created_ms: int
    started_ms: int | None = None
    finished_ms: int | None = None
    rested_ms: int = 0
    deadline_ms: int | None = None
    last_seq: int
    tokens: int = 0
    usd: float = 0.0
    error: dict[str, Any] | None = None
    steps: list[StepView]


class TaskSummary(BaseModel):
    """A task as lists show it."""

    task_id: str
    task: str
    status: TaskStatus
    priority: int
    labels: dict[str, str]
    created_ms: int
    finished_ms: int | None = None
    rested_ms: int = 0
    steps: int
    steps_left: int


class TaskPage(BaseModel):
    """Tasks, newest first; `next` is the cursor of the following page, `None` at the end."""

    tasks: list[TaskSummary]
    next: str | None
