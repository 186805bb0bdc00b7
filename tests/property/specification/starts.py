"""
How attempts begin, by a message or without: a part of the specification in `whole_tasks.py`.

A worker that has completed a step may go on with the only one that became ready, without a message between. The
message of the first step then stands for the whole chain: it is acknowledged when the last step is settled, and
delivered again it leads to the one that was under way.
"""

from collections.abc import Collection, Sequence
from typing import NamedTuple

from app.model.task import StepStatus, TaskStatus
from tests.property.specification.flow import (
    FRONT,
    admitted,
    batch_id,
    crash,
    end_attempt,
    hold,
    leave,
    schedule,
    spread,
    tell_queued,
)
from tests.property.specification.state import UNDER_WAY, Message, StepState, TaskState, World, transition

#: Whoever waits longest must not wait for chains as well.
LOW = 2


class Time(NamedTuple):
    """A worker has time to go on with a step of these queues, under this nonce."""

    queues: Collection[str]
    nonce: str


@transition
def start(world: World, task_id: str, step_id: int, dispatch_no: int, *, nonce: str, worker: str) -> str:
    """
    Begins an attempt: `run`. `drop` when this dispatch is not wanted, or not now; its message may go.

    A step that is running already was running in a worker that died. One that has no place in its group yet takes
    it now, or stands in line. The message of a completed step leads to the one its worker has gone on to.
    """
    task = world.tasks[task_id]
    step = task.steps[step_id]
    current = not task.status.terminal and step.dispatch == dispatch_no
    step = handed_over(task, step) if current else step
    if not current or step.state not in UNDER_WAY:
        world.stale += 1
        return "drop"
    lost_worker = step.worker if step.state is StepStatus.RUNNING else None
    if lost_worker and _ends_with_its_worker(world, task, step):
        return "drop"
    if _not_now(world, task, step, lost_worker) or not admitted(world, task, step):
        return "drop"
    _begin(world, task, step, nonce, worker)
    if lost_worker:
        world.tell_attempt(task, "step.redelivered", step, from_worker=lost_worker, to_worker=worker)
    return "run"


def worthless(world: World, message: Message) -> bool:
    """Whether a message has nothing left to start, so that its worker acknowledges it."""
    task = world.tasks[message.task_id]
    current = [task.steps[i] for i, number in message.steps if task.steps[i].dispatch == number]
    return not any(handed_over(task, step).state in UNDER_WAY for step in current)


def handed_over(task: TaskState, step: StepState) -> StepState:
    """The step that runs under the message of this one: itself, or what its worker has gone on to."""
    entry = (step.id, step.dispatch)
    while step.state is StepStatus.COMPLETED:
        children = map(task.steps.__getitem__, step.children)
        following = next((child for child in children if child.entry == entry), None)
        if following is None:
            break
        step = following
    return step


def may_go_on(
    world: World, task: TaskState, step: StepState, ready: Sequence[StepState], queues: Collection[str]
) -> bool:
    """Whether the worker of `step` may run what became ready: one step, for which nobody else is kept waiting."""
    if len(ready) != 1 or task.status is not TaskStatus.RUNNING or task.gate or task.level == LOW:
        return False
    following, queue = ready[0], ready[0].spec.queue
    return (
        queue in queues
        and following.timeout_ms <= step.timeout_ms
        and queue not in world.paused
        and world.providers.get(following.spec.provider, 0) <= world.at.ms
        and (task.level == FRONT or not any((m.queue, m.level) == (queue, FRONT) for m in world.queued))
    )


def go_on(world: World, task: TaskState, step: StepState, following: StepState, nonce: str) -> None:
    """The worker of `step` begins the next one under the same message."""
    following.entry = step.entry or (step.id, step.dispatch)
    following.dispatch, following.delivery = following.dispatch + 1, 0
    tell_queued(world, task, following, batch_id(task, following))
    _begin(world, task, following, nonce, step.worker)


def _ends_with_its_worker(world: World, task: TaskState, step: StepState) -> bool:
    """A dead worker's step ends when its task is being cancelled, or when it has killed too many."""
    if task.status is TaskStatus.CANCELLING:
        end_attempt(world, task, step, "worker died")
        return True
    return crash(world, task, step)


def _not_now(world: World, task: TaskState, step: StepState, lost_worker: str | None) -> bool:
    """Whether the step must stand aside: in a pause, or while its provider is left alone. A lost attempt ends then."""
    paused = task.status is TaskStatus.PAUSED
    if not paused and world.providers.get(step.spec.provider, 0) <= world.at.ms:
        return False
    if lost_worker:
        world.tell_attempt(task, "step.released", step, reason="worker died")
    if paused:
        _stand_aside(world, task, step)
    else:
        _wait_for_provider(world, task, step)
    return True


def _stand_aside(world: World, task: TaskState, step: StepState) -> None:
    """Its turn came during a pause: somebody else of its group may go meanwhile."""
    leave(world, task, step)
    hold(world, task, step, StepStatus.HELD, "paused")


def _wait_for_provider(world: World, task: TaskState, step: StepState) -> None:
    """No attempt begins while the provider is left alone; this counts as no deferral."""
    step.state = StepStatus.DEFERRED
    schedule(world, task, step, world.at.ms + spread(world, world.providers[step.spec.provider] - world.at.ms))
    world.tell(task, "step.deferred", step, reason="rate_limited", provider=step.spec.provider)
    leave(world, task, step)


def _begin(world: World, task: TaskState, step: StepState, nonce: str, worker: str) -> None:
    step.attempt, step.delivery = step.attempt + 1, step.delivery + 1
    step.state, step.nonce, step.worker = StepStatus.RUNNING, nonce, worker
    if task.status is TaskStatus.QUEUED:
        task.status = TaskStatus.RUNNING
    if not task.started:
        task.started = True
        world.tell(task, "task.started", steps_total=len(task.steps))
    world.tell_attempt(task, "step.started", step, delivery=step.delivery)
