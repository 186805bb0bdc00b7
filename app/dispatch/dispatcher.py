"""From a submission to a task that is accepted, planned and on its way."""

import hashlib
import secrets
import time
from dataclasses import dataclass, field

from app.dispatch.reader import DOCUMENTS
from app.dispatch.store import TaskStore
from app.errors import InvalidRequest, Problem
from app.model.agents import AgentRegistry
from app.model.plan import Plan, PlannerName
from app.model.task import Document, NewTask, TaskInputs, new_task_id
from app.planning.planner import Planner
from app.planning.validator import PlanLimits, validate_plan


@dataclass(frozen=True, slots=True)
class Submission:
    """What a client asks for; `plan` is raw JSON and still to be checked."""

    task: str
    plan: object | None = None
    documents: tuple[Document, ...] = ()
    collection: str | None = None
    priority: int = 5
    labels: dict[str, str] = field(default_factory=dict)
    traceparent: str | None = None


@dataclass(frozen=True, slots=True)
class SubmissionLimits:
    """How large a submission may be."""

    task_chars_max: int
    documents_max: int
    documents_bytes_max: int
    plan: PlanLimits


class Dispatcher:
    """Plans submissions and hands them to the store; it never waits for execution."""

    def __init__(
        self,
        *,
        planner: Planner,
        registry: AgentRegistry,
        store: TaskStore,
        limits: SubmissionLimits,
        collections: frozenset[str] = frozenset(),
    ) -> None:
        self._planner = planner
        self._registry = registry
        self._store = store
        self._limits = limits
        self._collections = collections

    def plan(self, submission: Submission) -> Plan:
        """The plan this submission would run; raises `InvalidRequest` with every problem found."""
        problems = self._problems(submission)
        if problems:
            raise InvalidRequest(problems)
        if submission.plan is not None:
            return self._validated(submission.plan, "client")
        return self._validated(self._planner.plan(submission.task), "rules")

    async def submit(self, submission: Submission) -> NewTask:
        """
        Accepts the task, which is returned with its id and plan: it will reach a terminal state.

        Raises `InvalidRequest`, `BacklogFull`, or `Unavailable` when Redis is away or full; then nothing
        of the task is kept.
        """
        plan = self.plan(submission)
        task_id = new_task_id(time.time_ns() // 1_000_000, secrets.randbits(74))
        blob = DOCUMENTS.dump_json(list(submission.documents)) if submission.documents else b""
        sha256 = hashlib.sha256(blob).hexdigest() if blob else None
        task = NewTask(
            task_id=task_id,
            task=submission.task,
            plan=plan,
            priority=submission.priority,
            labels=submission.labels,
            inputs=TaskInputs(collection=submission.collection, documents_sha256=sha256),
            traceparent=submission.traceparent,
        )
        await self._store.submit(task, self._registry, blob)
        return task

    def _validated(self, raw: object, planner: PlannerName) -> Plan:
        return validate_plan(raw, registry=self._registry, limits=self._limits.plan, planner=planner)

    def _problems(self, submission: Submission) -> list[Problem]:
        limits, problems = self._limits, []
        if not submission.task.strip():
            problems.append(Problem("/task", "must not be empty"))
        if len(submission.task) > limits.task_chars_max:
            problems.append(
                Problem("/task", f"has {len(submission.task)} characters; the limit is {limits.task_chars_max}")
            )
        if len(submission.documents) > limits.documents_max:
            count = len(submission.documents)
            problems.append(Problem("/inputs/documents", f"has {count} documents; the limit is {limits.documents_max}"))
        size = sum(len(document.text.encode()) for document in submission.documents)
        if size > limits.documents_bytes_max:
            problems.append(
                Problem("/inputs/documents", f"has {size} bytes; the limit is {limits.documents_bytes_max}")
            )
        if submission.collection is not None and submission.collection not in self._collections:
            known = ", ".join(sorted(self._collections)) or "none"
            problems.append(Problem("/inputs/collection", f"is not configured here; known: {known}"))
        return problems
