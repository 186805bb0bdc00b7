"""Outcomes: each step ends as its plan says it must, and the task as its steps and the plan's policy say."""

from collections.abc import Iterator, Mapping
from typing import Any

from ..evidence import Evidence, Task
from ..plans import ALWAYS, ATTEMPTS_MAX
from .common import is_ours, rounds, work_of

SETTLED = {"completed", "failed", "skipped", "cancelled"}


def steps(evidence: Evidence) -> Iterator[str]:
    """What must succeed does not fail, but by the deaths of its workers; what must fail never succeeds."""
    for task in evidence.tasks.values():
        for event in task.of_type("step.completed", "step.failed"):
            step = task.steps.get(event.step or 0, {})
            fate, outcome = _fate(step), event.type.removeprefix("step.")
            crashed = outcome == "failed" and event.data["error"]["code"] == "poison"
            if is_ours(step) and fate not in {"", outcome} and not crashed:
                yield f"outcome: {task.task_id} step {event.step} {outcome}: {event.data.get('error')}"


def _fate(step: Mapping[str, Any]) -> str:
    """How the step must end; empty when it depends on how often it is started."""
    work, attempts_max = work_of(step), step.get("max_attempts") or ATTEMPTS_MAX
    if work.get("permanent") or work.get("deadly") or work.get("fails", 0) >= ALWAYS:
        return "failed"
    if (step.get("timeout_ms") or ALWAYS * ALWAYS) < work.get("work_ms", 0):
        return "failed"
    return "completed" if work.get("fails", 0) < attempts_max else ""


def tasks(evidence: Evidence) -> Iterator[str]:
    """A task ends as its steps, their policies and its clients' wishes say."""
    for task in evidence.tasks.values():
        if task.status:
            states = rounds(task)[-1].states()
            yield from _wrong_end(task, {step_id: states.get(step_id, "") for step_id in task.steps})


def _wrong_end(task: Task, states: Mapping[int, str]) -> Iterator[str]:
    ended = task.events[-1]
    if open_steps := sorted(step_id for step_id, state in states.items() if state not in SETTLED):
        yield f"outcome: {task.task_id} is {task.status} with open steps {open_steps}"
    if task.status == "cancelled" and not task.of_type("task.cancel_requested"):
        yield f"outcome: {task.task_id} was cancelled and nobody asked for it"
    if task.status == "expired" and task.events[0].data.get("deadline_ms") is None:
        yield f"outcome: {task.task_id} expired without a deadline"
    if task.status in {"completed", "failed"} and task.status != _status(task, states):
        yield f"outcome: {task.task_id} is {task.status} with steps {states}"
    if task.status == "completed" and ended.data["partial"] is all(state == "completed" for state in states.values()):
        yield f"outcome: {task.task_id} says partial={ended.data['partial']} with steps {states}"
    if task.status == "failed" and states.get(ended.data["failed_step"]) != "failed":
        yield f"outcome: {task.task_id} blames step {ended.data['failed_step']}, which is not failed"


def _status(task: Task, states: Mapping[int, str]) -> str:
    """Failed by a step that no policy spares, or when none of the last steps completed."""
    parents = {parent for step in task.steps.values() for parent in step.get("depends_on", ())}
    fatal = any(
        state == "failed" and (task.steps[step_id].get("on_failure") or "fail") == "fail"
        for step_id, state in states.items()
    )
    done = any(states[step_id] == "completed" for step_id in task.steps if step_id not in parents)
    return "failed" if fatal or not done else "completed"


def waste(evidence: Evidence) -> Iterator[str]:
    """A step is given up only where something failed, was cancelled or ran out of time."""
    for task in evidence.tasks.values():
        reasons = task.of_type("step.failed", "task.cancel_requested", "task.expired")
        given_up = task.of_type("step.skipped", "step.cancelled")
        if given_up and not reasons:
            yield f"outcome: {task.task_id} gave up step {given_up[0].step} for no reason"
