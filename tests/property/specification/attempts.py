"""
What a worker does with a step that it runs: a part of the specification in `whole_tasks.py`.

Each function is one atomic transition with the same name as its script. An attempt acts under its token; when
that is not the step's any more, the answer is `fenced` and nothing has happened.
"""

from collections.abc import Sequence
from typing import NamedTuple

from app.model.plan import Step
from app.model.task import StepStatus, TaskStatus
from tests.property.specification.flow import (
    FRONT,
    conclude,
    crash,
    dispatch,
    end_attempt,
    extend,
    give_up,
    leave,
    resolve,
    schedule,
    send,
    settle,
    spread,
)
from tests.property.specification.starts import Time, go_on, may_go_on
from tests.property.specification.state import StepState, TaskState, World, transition

FENCED = "fenced"


class Claim(NamedTuple):
    """Which step an attempt says it runs, and under which token."""

    task_id: str
    step_id: int
    token: str


@transition
def progress(world: World, claim: Claim, kind: str, tokens: int = 0, nano_usd: int = 0) -> str:
    """Tells what a running attempt reports about itself, and adds up what language models took for it."""
    task, step = _named(world, claim)
    if not _current(step, claim):
        return _fenced(world)
    task.tokens += tokens
    task.nano_usd += nano_usd
    world.tell_attempt(task, kind, step)
    return "ok"


@transition
def complete(world: World, claim: Claim, grown: Sequence[Step] = (), time: Time | None = None) -> str:
    """
    Settles an attempt as done; `run` when its worker goes on. `grown` steps come between it and what waits for it.

    `renumber` when their ids are taken meanwhile. A task that is being ended takes no further steps, and a step
    adds steps once: what it has added before runs again when it does.
    """
    task, step = _named(world, claim)
    if step.state is StepStatus.COMPLETED and step.token == claim.token:
        return "ok"
    if not _current(step, claim):
        return _fenced(world)
    grows = bool(grown) and task.cancel_mode is None and step.id not in task.grown
    if grows and grown[0].step_id != task.next_step_id:
        return "renumber"
    if grows:
        extend(world, task, step, grown)
    settle(world, task, step, StepStatus.COMPLETED)
    world.tell_attempt(task, "step.completed", step, cached=False)
    if grows:
        world.tell(task, "plan.extended", rev=task.rev, parent=step.id, steps=[new.step_id for new in grown])
    ready = resolve(task, step)
    if time and not grows and may_go_on(world, task, step, ready, time.queues):
        go_on(world, task, step, ready[0], time.nonce)
        return "run"
    dispatch(world, task, ready)
    conclude(world, task)
    return "ok"


@transition
def fail(world: World, claim: Claim, error: str, *, retryable: bool, delay_ms: int, max_attempts: int) -> str:
    """Settles an attempt as failed: `retrying`, another one after a delay, or `failed`, the end of the step."""
    task, step = _named(world, claim)
    if step.token == claim.token and step.state in (StepStatus.RETRYING, StepStatus.FAILED):
        return str(step.state)
    if not _current(step, claim):
        return _fenced(world)
    step.failures += 1
    left = max(0, max_attempts - step.failures)
    if not retryable or left == 0 or task.status is TaskStatus.CANCELLING:
        give_up(world, task, step, error, retryable=retryable, attempts_left=left)
        return "failed"
    step.state = StepStatus.RETRYING
    schedule(world, task, step, world.at.ms + delay_ms)
    task.retries += 1
    world.tell_attempt(
        task, "step.retry_scheduled", step, next_attempt=step.attempt + 1, delay_ms=delay_ms, error=error
    )
    leave(world, task, step)
    return "retrying"


@transition
def defer(world: World, claim: Claim, *, delay_ms: int, provider: str, deferrals_max: int) -> str:
    """Puts an attempt off; nobody asks the provider until then. `exhausted`: too often already, or the task ends."""
    task, step = _named(world, claim)
    if step.state is StepStatus.DEFERRED and step.token == claim.token:
        return "ok"
    if not _current(step, claim):
        return _fenced(world)
    if step.deferrals >= deferrals_max or task.status is TaskStatus.CANCELLING:
        return "exhausted"
    world.providers[provider] = max(world.providers.get(provider, 0), world.at.ms + delay_ms)
    step.deferrals += 1
    step.state = StepStatus.DEFERRED
    schedule(world, task, step, world.at.ms + spread(world, delay_ms))
    world.tell_attempt(task, "step.deferred", step, reason="rate_limited", provider=provider)
    leave(world, task, step)
    return "ok"


@transition
def release(world: World, claim: Claim, reason: str) -> str:
    """
    A worker that stops hands the step back; the message is the same, so its dispatch number stays.

    A step that runs under the message of another one gets its own, at the front: its turn had come.
    """
    task, step = _named(world, claim)
    if step.state in (StepStatus.QUEUED, StepStatus.CANCELLED) and step.token == claim.token:
        return "ok"
    if not _current(step, claim):
        return _fenced(world)
    if task.status is TaskStatus.CANCELLING:
        end_attempt(world, task, step, reason)
        return "ok"
    step.state = StepStatus.QUEUED
    world.tell_attempt(task, "step.released", step, reason=reason)
    if step.entry:
        send(world, task, [step], FRONT)
    return "ok"


@transition
def stop(world: World, claim: Claim) -> str:
    """Settles an attempt that its worker interrupted because its task is being cancelled."""
    task, step = _named(world, claim)
    if step.state is StepStatus.CANCELLED and step.token == claim.token:
        return "ok"
    if not _current(step, claim) or task.status is not TaskStatus.CANCELLING:
        return _fenced(world)
    end_attempt(world, task, step, "cancelled")
    return "ok"


@transition
def time_out(world: World, task_id: str, step_id: int) -> str:
    """The audit takes a step from a worker that is silent for longer than an attempt may last, as from a dead one."""
    task = world.tasks[task_id]
    step = task.steps[step_id]
    if step.state is not StepStatus.RUNNING or task.status is TaskStatus.CANCELLING:
        return "none"
    if not crash(world, task, step):
        world.tell_attempt(task, "step.released", step, reason="out of time")
        send(world, task, [step], task.level)
    return "taken"


def wanted(world: World, claim: Claim) -> bool:
    """Whether a worker should go on with an attempt."""
    task, step = _named(world, claim)
    return _current(step, claim) and task.status is not TaskStatus.CANCELLING


def _named(world: World, claim: Claim) -> tuple[TaskState, StepState]:
    task = world.tasks[claim.task_id]
    return task, task.steps[claim.step_id]


def _fenced(world: World) -> str:
    world.fenced += 1
    return FENCED


def _current(step: StepState, claim: Claim) -> bool:
    return step.state is StepStatus.RUNNING and step.token == claim.token
