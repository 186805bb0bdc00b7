"""
The specification of the engine: every transition of tasks and steps, without Redis, workers or a clock.

A transition is a function of the world, a moment and what is asked for; it answers with a verdict and the events
it has told. The Lua scripts of `app/dispatch/lua` do the same things in the same order, and
`tests/property/test_dispatch_model.py` holds them to it. Here are the transitions of whole tasks, in
`starts.py` and `attempts.py` those of workers, in `flow.py` the rules both share, in
`state.py` the data.

The states of a step, and what leads from one to the next:

- waiting: queued when the last step it waits for is completed, failed for good with `continue`, or left out by a
  finish; limited when its group has no place then.
- limited: queued when its group has a place for it and nobody stands before it.
- queued, retrying, deferred: running at its start; held instead during a pause, deferred while its provider is
  left alone. They have a message. Queued, they have a place in their group, unless a delayed task begins with
  them; what has none takes one at its start, and is limited then if there is none.
- held: queued by resume, or limited.
- waiting, by way of queued: running at once, when the worker of the last step it waits for goes on with it.
- running: completed, retrying, deferred, queued (by release) or failed, as its worker says; when its worker died,
  what a start makes of it, or failed; cancelled when it was stopped or is dropped.
- Whatever does not run is skipped when it is dropped: by a failure, a cancellation, a deadline.
- completed, failed, skipped, cancelled: waiting by a retry of its task.
"""

from collections.abc import Collection
from dataclasses import dataclass

from app.model.plan import Plan
from app.model.task import CancelMode, StepStatus, TaskStatus
from tests.property.specification.flow import (
    FRONT,
    conclude,
    dispatch,
    drop_all,
    finish,
    resolve,
    schedule,
    tell_queued,
)
from tests.property.specification.state import (
    SETTLED,
    Gate,
    Message,
    StepState,
    TaskState,
    World,
    step_states,
    transition,
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A task as it is handed in; `reused` steps take their results over from the task `parent`."""

    task_id: str
    plan: Plan
    level: int = 1
    gate: Gate | None = None
    not_before_ms: int | None = None
    deadline_ms: int | None = None
    parent: str | None = None
    reused: Collection[int] = ()


@transition
def submit(world: World, draft: Draft) -> str:
    """Takes a task in and sends what waits for nothing; `late` when it could only start after its deadline."""
    if draft.task_id in world.tasks:
        return "ok"
    not_before_ms = draft.not_before_ms or 0
    if draft.deadline_ms is not None and draft.deadline_ms <= max(world.at.ms, not_before_ms):
        return "late"
    _accept(world, draft)
    return "ok"


@transition
def fork(world: World, draft: Draft) -> str:
    """
    A new task that takes over results of one that has ended; `open` while it has not.

    A step that has added steps adds none here, as long as the plan has any of them: these run again instead.
    """
    if draft.task_id in world.tasks:
        return "ok"
    source = world.tasks[str(draft.parent)]
    if not source.status.terminal:
        return "open"
    task = _accept(world, draft)
    task.grown = {i: added for i, added in source.grown.items() if i in task.steps and task.steps.keys() & added}
    return "ok"


@transition
def cancel(world: World, task_id: str, mode: CancelMode, *, by: str, reason: str | None) -> str:
    """Ends a task early. A stronger mode may follow a weaker one; asking again changes nothing."""
    task = world.tasks[task_id]
    if task.status.terminal:
        return "terminal"
    if task.cancel_mode in (mode, CancelMode.FORCE):
        return "ok"
    if task.cancel_mode is CancelMode.GRACEFUL and mode is CancelMode.FINISH:
        return "ok"
    world.tell(task, "task.cancel_requested", by=by, mode=str(mode), reason=reason)
    task.cancel_mode, task.cancel_reason = mode, reason
    if mode is CancelMode.FINISH:
        _finish_early(world, task, by=by, reason=reason)
    else:
        _wind_down(world, task, gracefully=mode is CancelMode.GRACEFUL)
    conclude(world, task)
    return "ok"


@transition
def pause(world: World, task_id: str, *, by: str, reason: str | None) -> str:
    """Holds back what has not started. Messages stay where they are; `start` takes aside what comes up."""
    task = world.tasks[task_id]
    if task.status.terminal or task.status is TaskStatus.CANCELLING:
        return "terminal"
    if task.status is not TaskStatus.PAUSED:
        task.status = TaskStatus.PAUSED
        world.tell(task, "task.paused", by=by, reason=reason)
    return "ok"


@transition
def resume(world: World, task_id: str, *, by: str, reason: str | None) -> str:
    """Goes on after a pause. The turn of what was held had come, so it goes to the front."""
    task = world.tasks[task_id]
    if task.status.terminal or task.status is TaskStatus.CANCELLING:
        return "terminal"
    if task.status is TaskStatus.PAUSED:
        task.status = task.under_way
        world.tell(task, "task.resumed", by=by, reason=reason)
        dispatch(world, task, [step for step in task.steps.values() if step.state is StepStatus.HELD], FRONT)
    return "ok"


@transition
def retry(world: World, task_id: str, from_step: int | None, *, by: str) -> str:
    """
    Runs what did not succeed again, and `from_step`, each with all that depends on it; nothing else. A deadline
    that lies ahead holds again.

    `open`: it has not ended, or it succeeded. `done`: all steps are completed and none is named.
    """
    task = world.tasks[task_id]
    if not task.status.terminal or task.status is TaskStatus.COMPLETED:
        return "open"
    if from_step is not None and from_step not in task.steps:
        return "no-step"
    again = task.below(s.id for s in task.steps.values() if s.state is not StepStatus.COMPLETED or s.id == from_step)
    if not again:
        return "done"
    void = {f"{task_id}:{step.id}:{step.dispatch}" for step in again if step.state is StepStatus.FAILED}
    world.dead = [letter for letter in world.dead if letter.batch_id not in void]
    for step in again:
        _as_new(step, waits_for=[other.id for other in again if other.id in step.deps])
    task.status = task.under_way
    task.error = task.failed_step = task.cancel_mode = task.cancel_reason = None
    world.tell(task, "task.retried", by=by, from_step=from_step, steps=[step.id for step in again])
    dispatch(world, task, [step for step in again if step.open == 0])
    if task.deadline_ms > world.at.ms:
        world.deadlines[task_id] = task.deadline_ms
    return "ok"


@transition
def expire(world: World) -> str:
    """Ends tasks whose deadline has passed, and cancellations whose grace is over."""
    due = sorted((ms, task_id) for task_id, ms in world.deadlines.items() if ms <= world.at.ms)
    for _, task_id in due:
        task = world.tasks[task_id]
        if task.status is TaskStatus.CANCELLING:
            drop_all(world, task, "cancelled", None)
            conclude(world, task)
        else:
            drop_all(world, task, "deadline", None)
            finish(world, task, TaskStatus.EXPIRED, reason="deadline")
    return str(len(due))


@transition
def deliver(world: World, message: Message) -> str:
    """A delayed message is due: the broker moves it into its queue."""
    del world.due[message]
    world.queued.append(message)
    return "ok"


def _accept(world: World, draft: Draft) -> TaskState:
    steps = step_states(draft.plan, world.agents)
    task = TaskState(draft.task_id, draft.level, draft.gate, steps, max(steps) + 1, draft.deadline_ms or 0)
    world.tasks[draft.task_id] = task
    if draft.deadline_ms is not None:
        world.deadlines[draft.task_id] = draft.deadline_ms
    world.tell(
        task, "task.submitted", parent_task_id=draft.parent, deadline_ms=draft.deadline_ms,
        not_before_ms=draft.not_before_ms,
    )  # fmt: skip
    world.tell(task, "plan.created", steps=list(steps), rev=1)
    for step in steps.values():
        if step.id in draft.reused:
            step.state = StepStatus.COMPLETED
            world.tell(task, "step.completed", step, cached=True)
        step.open = len(set(step.deps) - set(draft.reused))
    roots = [step for step in steps.values() if step.state is StepStatus.WAITING and step.open == 0]
    if draft.not_before_ms is None or draft.not_before_ms <= world.at.ms:
        dispatch(world, task, roots)
        return task
    for step in roots:
        step.state = StepStatus.QUEUED
        message = schedule(world, task, step, draft.not_before_ms)
        tell_queued(world, task, step, message.batch_id, not_before_ms=draft.not_before_ms)
    return task


def _finish_early(world: World, task: TaskState, *, by: str, reason: str | None) -> None:
    """Gathering ends now, and so does a pause; what works with the gathered goes on with what there is."""
    gathering = [step for step in task.steps.values() if step.spec.gathers and step.state not in SETTLED]
    held = [step for step in task.steps.values() if step.state is StepStatus.HELD and not step.spec.gathers]
    drop_all(world, task, "finish", None, lambda step: step.spec.gathers)
    if task.status is TaskStatus.PAUSED:
        task.status = task.under_way
        world.tell(task, "task.resumed", by=by, reason=reason)
        dispatch(world, task, held, FRONT)
    dispatch(world, task, [child for step in gathering for child in resolve(task, step)])


def _wind_down(world: World, task: TaskState, *, gracefully: bool) -> None:
    """Nothing starts any more. Gracefully, the running attempts are told to stop and get some time for it."""
    task.status = TaskStatus.CANCELLING
    drop_all(world, task, "cancelled", None, lambda step: not (gracefully and step.state is StepStatus.RUNNING))
    if task.left:
        grace_over_ms = world.at.ms + world.cancel_grace_ms
        world.deadlines[task.task_id] = min(grace_over_ms, world.deadlines.get(task.task_id, grace_over_ms))


def _as_new(step: StepState, waits_for: Collection[int]) -> None:
    """The step forgets how it went, but not its attempt and dispatch numbers: old ones must stay worthless."""
    step.state, step.open = StepStatus.WAITING, len(waits_for)
    step.failures = step.crashes = step.deferrals = step.delivery = 0
    step.run += 1
