"""From a submission to a task that is accepted, planned and on its way; and how tasks are steered."""

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass

from app.dispatch.fork import reusable_steps, still_grown
from app.dispatch.intake import Intake, Planning
from app.dispatch.reader import DOCUMENTS, TaskReader
from app.dispatch.replicas import Replicas
from app.dispatch.store import TaskStore
from app.dispatch.submission import Submission, SubmissionLimits, problems_of
from app.dispatch.traces import planning, sending
from app.errors import InvalidRequest, NotPossible, Problem
from app.model.agents import AgentRegistry
from app.model.plan import Plan, PlannerName
from app.model.task import CancelMode, NewTask, StepStatus, TaskInputs, TaskView, new_task_id
from app.planning.planners import Planned, Planners
from app.planning.validator import validate_plan
from app.tracing import names
from app.tracing.tracer import NO_TRACER, Span, Tracer


@dataclass(frozen=True, slots=True)
class Accepted:
    """A task that will reach a terminal state; `replayed` when its idempotency key had come before."""

    task_id: str
    plan: Plan
    replayed: bool = False


class Dispatcher:
    """Plans submissions and hands them to the store; it never waits for execution."""

    def __init__(  # noqa: PLR0913  # its parts, all by name
        self,
        *,
        planners: Planners,
        registry: AgentRegistry,
        store: TaskStore,
        reader: TaskReader,
        limits: SubmissionLimits,
        collections: frozenset[str] = frozenset(),
        on_deadline: Callable[[], None] = lambda: None,
        replicas: Replicas | None = None,
        tracer: Tracer = NO_TRACER,
    ) -> None:
        self._planners = planners
        self._registry = registry
        self._store = store
        self._reader = reader
        self._limits = limits
        self._collections = collections
        self._on_deadline = on_deadline
        self._replicas = replicas
        self._tracer = tracer

    async def plan(self, submission: Submission) -> Plan:
        """The plan this submission would run; raises `InvalidRequest` with every problem found."""
        self._refuse(submission)
        return (await self._planned(submission)).plan

    async def submit(self, submission: Submission) -> Accepted:
        """
        Accepts the task, which will reach a terminal state.

        Raises `InvalidRequest`, `IdempotencyConflict` or `BacklogFull`, and then nothing of the task is kept.
        `Unavailable`, when Redis is away or full, may also mean that only the answer was lost, and `NotCopied`
        that the task stands and too few replicas have it.
        """
        self._refuse(submission)
        blob = DOCUMENTS.dump_json(list(submission.documents)) if submission.documents else b""
        sha256 = hashlib.sha256(blob).hexdigest() if blob else None
        idempotency = submission.idempotency(sha256)
        if idempotency and submission.plan is None and self._planners.asks_model(submission.planner):
            known = await self._reader.accepted(submission.tenant, idempotency)
            if known is not None:
                await self._confirmed()
                return Accepted(known, await self._reader.plan(known), replayed=True)
        planned = await self._planned(submission)
        task = _new_task(submission, planned.plan, sha256)
        told = Planning(planned.events, planned.ms)
        with sending(self._tracer, task, self._registry) as span:
            sent = Intake(_below(span, task), blob, idempotency, planned=told)
            task_id = await self._store.submit(sent, self._registry)
            span.set({names.REPLAYED: task_id != task.task_id})
        if submission.deadline:
            self._on_deadline()
        await self._confirmed()
        if task_id == task.task_id:
            return Accepted(task_id, planned.plan)
        return Accepted(task_id, await self._reader.plan(task_id), replayed=True)

    async def cancel(self, task_id: str, mode: CancelMode, *, by: str, reason: str | None = None) -> bool:
        """Ends the task early; false when it had ended already. Raises `TaskNotFound`."""
        accepted = await self._store.cancel(task_id, mode, by=by, reason=reason)
        self._on_deadline()
        return accepted

    async def pause(self, task_id: str, *, by: str, reason: str | None = None) -> None:
        """Holds back what has not started; raises `TaskNotFound`, `NotPossible`."""
        await self._store.pause(task_id, by=by, reason=reason)

    async def resume(self, task_id: str, *, by: str, reason: str | None = None) -> None:
        """Goes on after a pause; raises `TaskNotFound`, `NotPossible`."""
        await self._store.resume(task_id, by=by, reason=reason)

    async def retry(self, task_id: str, *, from_step: int | None = None, by: str) -> None:
        """Runs what did not succeed again, in place; raises `TaskNotFound`, `NotPossible`, `InvalidRequest`."""
        await self._store.retry(task_id, from_step=from_step, by=by)

    async def delete(self, task_id: str) -> None:
        """Deletes a task that has ended; raises `TaskNotFound`, `NotPossible`."""
        await self._store.delete(task_id)

    async def fork(self, task_id: str, *, from_step: int | None = None, plan: object | None = None) -> Accepted:
        """
        A new task that takes over what is done of this one: all but `from_step` and what depends on it, and
        all but what the edited `plan` changes.

        Raises as `submit`, and `NotPossible` when this task has not ended or nothing would run again.
        """
        view, before = await self._reader.view(task_id), await self._reader.plan(task_id)
        if not view.status.terminal:
            raise NotPossible(f"The task cannot be forked: it is {view.status}.")
        if from_step is None and plan is None:
            raise InvalidRequest([Problem("", "say from_step, a plan, or both")])
        after = before if plan is None else self._validated(plan, "client")
        if from_step is not None and from_step not in {step.step_id for step in after.steps}:
            raise InvalidRequest([Problem("/from_step", f"there is no step {from_step}")])
        reused = reusable_steps(before, after, _completed(view), from_step)
        if len(reused) == len(after.steps):
            raise InvalidRequest([Problem("/plan", "changes nothing: no step would run")])
        task = await self._reader.origin(task_id, _new_id(), after)
        grown = still_grown(await self._reader.grown(task_id), after)
        with sending(self._tracer, task, self._registry, reused, forks=task.traceparent) as span:
            intake = Intake(_moved(span, task), source=task_id, reused=reused, grown=grown)
            forked = await self._store.fork(intake, self._registry)
        await self._confirmed()
        return Accepted(forked, after)

    async def _confirmed(self) -> None:
        if self._replicas is not None:
            await self._replicas.confirm()

    def _refuse(self, submission: Submission) -> None:
        problems = problems_of(submission, self._limits, self._collections)
        refusal = self._planners.refusal(submission.planner, has_plan=submission.plan is not None)
        if problems or refusal:
            raise InvalidRequest([*problems, *([refusal] if refusal else [])])

    async def _planned(self, submission: Submission) -> Planned:
        if submission.plan is not None:
            return Planned(self._validated(submission.plan, "client"))
        with planning(self._tracer, submission.planner or self._planners.default) as span:
            planned = await self._planners.plan(submission.task, submission.planner, self._validated)
            span.set({names.PLANNER: planned.plan.planner, names.STEPS: len(planned.plan.steps)})
            return planned

    def _validated(self, raw: object, planner: PlannerName) -> Plan:
        return validate_plan(raw, registry=self._registry, limits=self._limits.plan, planner=planner)


def _new_task(submission: Submission, plan: Plan, documents_sha256: str | None) -> NewTask:
    return NewTask(
        task_id=_new_id(),
        task=submission.task,
        plan=plan,
        tenant=submission.tenant,
        priority=submission.priority,
        labels=submission.labels,
        inputs=TaskInputs(
            collection=submission.collection,
            documents_sha256=documents_sha256,
            urls=list(submission.urls),
            web=submission.web,
        ),
        output=submission.output,
        traceparent=submission.traceparent,
        deadline=submission.deadline,
        not_before=submission.not_before,
        concurrency=submission.concurrency,
    )


def _below(span: Span, task: NewTask) -> NewTask:
    """The task as part of the trace, where there is one; what is not recorded needs no context but its caller's."""
    if span.traceparent is None or (task.traceparent and not span.recording):
        return task
    return task.model_copy(update={"traceparent": span.traceparent})


def _moved(span: Span, fork: NewTask) -> NewTask:
    """The fork in the trace of its own request, kept or not, and no longer in that of its source."""
    return fork if span.traceparent is None else fork.model_copy(update={"traceparent": span.traceparent})


def _new_id() -> str:
    return new_task_id(time.time_ns() // 1_000_000, secrets.randbits(74))


def _completed(view: TaskView) -> set[int]:
    return {step.step_id for step in view.steps if step.status is StepStatus.COMPLETED}
