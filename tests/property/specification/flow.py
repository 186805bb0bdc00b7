"""
How steps get into queues and how their ends move a task on; the rules behind `whole_tasks.py`.

Sending: `dispatch`, `send`, `schedule`. The gate of a group: `admitted`, `leave`. Growth: `extend`. Ends:
`settle`, `drop`, `give_up`, `conclude`. Every way a step can end comes through `settle`, so a task has one way to
end: when no step is left.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from app.model.plan import OnFailure, Step
from app.model.task import StepStatus, TaskStatus
from tests.property.specification.state import SETTLED, Message, StepState, TaskState, World

#: Resumed steps go to the front: their turn had come before.
FRONT = 0
#: Spreads what waited for the same moment.
SPREAD_MS_MAX = 1000


def dispatch(world: World, task: TaskState, ready: Iterable[StepState], level: int | None = None) -> None:
    """Steps of one agent that became ready in one transition share messages, as large as the agent allows."""
    batches: list[list[StepState]] = []
    latest: dict[str, list[StepState]] = {}
    for step in [step for step in ready if admitted(world, task, step)]:
        batch = latest.get(step.plan.agent)
        if batch is None or len(batch) >= step.spec.batch_size_max:
            batch = latest[step.plan.agent] = []
            batches.append(batch)
        batch.append(step)
    for batch in batches:
        send(world, task, batch, task.level if level is None else level)


def send(world: World, task: TaskState, steps: list[StepState], level: int) -> None:
    """Ready steps of one agent go into one message. A new dispatch number makes older messages worthless."""
    for step in steps:
        step.state, step.dispatch, step.delivery, step.entry = StepStatus.QUEUED, step.dispatch + 1, 0, None
    message = _message(task, steps, level)
    for step in steps:
        tell_queued(world, task, step, message.batch_id)
    if len(steps) > 1:
        world.tell(
            task, "batch.dispatched", batch_id=message.batch_id, agent=steps[0].plan.agent, size=len(steps),
            step_ids=[step.id for step in steps],
        )  # fmt: skip
    world.queued.append(message)


def schedule(world: World, task: TaskState, step: StepState, due_ms: int) -> Message:
    """A message that must wait lies alone in the delay queue, so that it can be taken out again."""
    step.dispatch, step.delivery, step.entry = step.dispatch + 1, 0, None
    message = _message(task, [step], task.level)
    world.due[message] = due_ms
    return message


def tell_queued(world: World, task: TaskState, step: StepState, batch_id: str, **more: int) -> None:
    """The step has a message, or its turn without one."""
    queue, deps = step.spec.queue, list(step.deps)
    world.tell(task, "step.queued", step, queue=queue, batch_id=batch_id, deps=deps, **more)


def batch_id(task: TaskState, step: StepState) -> str:
    """What a message with this step alone is called."""
    return _message(task, [step], task.level).batch_id


def spread(world: World, delay_ms: int) -> int:
    """The delay and a little more, another little for each."""
    return delay_ms + int(world.at.chance * min(SPREAD_MS_MAX, delay_ms / 4))


def admitted(world: World, task: TaskState, step: StepState) -> bool:
    """Whether the step has its place, or takes one now; else it stands in line. Nobody overtakes the line."""
    gate = task.gate
    if not gate or step.inside:
        return True
    if world.line(gate.group) or world.busy(gate.group) >= gate.limit:
        step.since_ms = world.at.ms
        hold(world, task, step, StepStatus.LIMITED, "concurrency")
        return False
    step.inside = True
    return True


def hold(world: World, task: TaskState, step: StepState, state: StepStatus, reason: str) -> None:
    """The step is ready but stands aside."""
    step.state = state
    world.tell(task, "step.held", step, reason=reason)


def leave(world: World, task: TaskState, step: StepState) -> None:
    """The step gives up its place, if it has one."""
    if step.inside:
        step.inside = False
        fill(world, task)


def fill(world: World, task: TaskState) -> None:
    """The first in line of the task's group come in, of whatever task they are, as far as there is room for them."""
    if not task.gate:
        return
    while line := world.line(task.gate.group):
        owner, first = line[0]
        if not owner.gate or world.busy(owner.gate.group) >= owner.gate.limit:
            return
        first.inside = True
        send(world, owner, [first], owner.level)


def settle(world: World, task: TaskState, step: StepState, state: StepStatus) -> None:
    """The step is over, whatever it came to."""
    step.state = state
    leave(world, task, step)


def resolve(task: TaskState, step: StepState) -> list[StepState]:
    """Dependents need not wait for the step any more; returns those that are ready now."""
    ready = []
    for child in map(task.steps.__getitem__, step.children):
        child.open -= 1
        if child.open == 0 and child.state is StepStatus.WAITING:
            ready.append(child)
    return ready


def extend(world: World, task: TaskState, step: StepState, grown: Sequence[Step]) -> None:
    """Without dependents of their own, the new steps are what the dependents of `step` wait for as well."""
    added = {new.step_id: StepState(new, world.agents[new.agent], list(new.depends_on), [], 0) for new in grown}
    for new in added.values():
        new.open = len(new.deps)
        for parent in new.deps:
            if parent in added:
                added[parent].children.append(new.id)
    last = [new for new in added.values() if not new.children]
    for child in map(task.steps.__getitem__, step.children):
        child.open += len(last)
        child.deps += [new.id for new in last]
    for new in last:
        new.children = list(step.children)
    step.children += [new.id for new in added.values() if new.deps == [step.id]]
    task.steps |= added
    task.next_step_id += len(added)
    task.rev += 1
    task.grown[step.id] = list(added)


def drop(world: World, task: TaskState, step: StepState, reason: str, cause: int | None) -> None:
    """Ends a step that will not be run, or not to its end."""
    if step.state is StepStatus.RUNNING:
        settle(world, task, step, StepStatus.CANCELLED)
        world.tell_attempt(task, "step.cancelled", step, reason=reason, caused_by=cause)
        return
    world.due.pop(_message(task, [step], task.level), None)
    settle(world, task, step, StepStatus.SKIPPED)
    world.tell(task, "step.skipped", step, reason=reason, caused_by=cause)


def drop_all(
    world: World, task: TaskState, reason: str, cause: int | None, which: Callable[[StepState], bool] = lambda _: True
) -> None:
    """
    What stands in line goes first: it must not be let in by those that leave behind it.

    Whoever stood behind it may have a larger limit, and comes in now.
    """
    going = [step for step in task.steps.values() if step.state not in SETTLED and which(step)]
    stood_in_line = any(step.state is StepStatus.LIMITED for step in going)
    for step in sorted(going, key=lambda step: step.state is not StepStatus.LIMITED):
        drop(world, task, step, reason, cause)
    if stood_in_line:
        fill(world, task)


def skip_below(world: World, task: TaskState, step: StepState) -> None:
    """Everything that depends on a failed step is skipped."""
    front = [step]
    while front:
        for child in map(task.steps.__getitem__, front.pop().children):
            if child.state is StepStatus.WAITING:
                drop(world, task, child, f"step {step.id} failed", step.id)
                front.append(child)


def give_up(world: World, task: TaskState, step: StepState, error: str, *, retryable: bool, attempts_left: int) -> None:
    """The step has failed for good; its plan says what that means for the others."""
    settle(world, task, step, StepStatus.FAILED)
    world.tell_attempt(task, "step.failed", step, error=error, retryable=retryable, attempts_left=attempts_left)
    ends_task = step.plan.on_failure is OnFailure.FAIL and task.status is not TaskStatus.CANCELLING
    if ends_task or task.error is None:
        task.error, task.failed_step = error, step.id
    if task.status is not TaskStatus.CANCELLING:
        world.dead.append(_message(task, [step], task.level))
        if ends_task:
            drop_all(world, task, f"step {step.id} failed", step.id)
            finish(world, task, TaskStatus.FAILED, error=error, failed_step=step.id)
            return
        if step.plan.on_failure is OnFailure.SKIP:
            skip_below(world, task, step)
        else:
            dispatch(world, task, resolve(task, step))
    conclude(world, task)


def crash(world: World, task: TaskState, step: StepState) -> bool:
    """The attempt ended because its worker died; true when that was once too often."""
    step.crashes += 1
    if step.crashes < world.crashes_max:
        return False
    give_up(world, task, step, "poison", retryable=False, attempts_left=0)
    return True


def end_attempt(world: World, task: TaskState, step: StepState, reason: str) -> None:
    """The last attempt of a task that is being cancelled ends the task."""
    settle(world, task, step, StepStatus.CANCELLED)
    world.tell_attempt(task, "step.cancelled", step, reason=reason, caused_by=None)
    conclude(world, task)


def conclude(world: World, task: TaskState) -> None:
    """When no step is left the task is over. It is a success if one of its last steps is."""
    if task.left or task.status.terminal:
        return
    if task.status is TaskStatus.CANCELLING or not (task.sinks or task.error):
        finish(world, task, TaskStatus.CANCELLED, reason=task.cancel_reason)
    elif task.sinks:
        finish(world, task, TaskStatus.COMPLETED, partial=task.partial)
    else:
        finish(world, task, TaskStatus.FAILED, error=task.error, failed_step=task.failed_step)


def finish(world: World, task: TaskState, status: TaskStatus, **data: Any) -> None:
    """The one terminal event, always last."""
    task.status = status
    world.deadlines.pop(task.task_id, None)
    totals = {"steps": len(task.steps), "retries": task.retries, "tokens": task.tokens, "usd": task.nano_usd / 1e9}
    world.tell(task, f"task.{status}", **data, totals=totals)


def _message(task: TaskState, steps: list[StepState], level: int) -> Message:
    return Message(steps[0].spec.queue, level, task.task_id, tuple((step.id, step.dispatch) for step in steps))
