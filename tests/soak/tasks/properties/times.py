"""Times: nothing early, nothing after its deadline."""

from collections.abc import Iterator

from ..evidence import Event, Evidence, Task
from .common import CLOCK_SLACK_S, near, rounds

#: A task whose deadline has passed is ended within this, where nothing was broken.
EXPIRY_S_MAX = 5.0


def never_early(evidence: Evidence) -> Iterator[str]:
    """A retry, and a step that was deferred, waits for as long as its event says: by Redis' clock and the agent's."""
    for task in evidence.tasks.values():
        for segment in rounds(task):
            for events in segment.by_step.values():
                yield from _early(evidence, task, events)


def _early(evidence: Evidence, task: Task, events: list[Event]) -> Iterator[str]:
    due = 0
    for event in events:
        if event.type in {"step.retry_scheduled", "step.deferred"}:
            due = event.ts + event.data["delay_ms"]
        if event.type == "step.started":
            run = evidence.run_of(task.task_id, event)
            ran_s = run.started_s if run else event.ts / 1000
            if event.ts < due or ran_s < due / 1000 - CLOCK_SLACK_S:
                yield f"early: {task.task_id} step {event.step} by {due - event.ts} ms"
            due = 0


def not_before(evidence: Evidence) -> Iterator[str]:
    """Nothing of a task starts before the time it was put off to."""
    for task in evidence.tasks.values():
        due = (task.events[0].data.get("not_before_ms") if task.events else None) or 0
        for event in task.of_type("step.started")[:1]:
            if event.ts < due:
                yield f"early: {task.task_id} by {due - event.ts} ms"


def deadlines(evidence: Evidence) -> Iterator[str]:
    """A task with a deadline has ended soon after it, and expires only behind it."""
    for task in evidence.tasks.values():
        deadline = task.events[0].data.get("deadline_ms") if task.events else None
        if deadline is None or task.retries_in_place:
            continue
        late_s = (task.events[-1].ts - deadline) / 1000
        if task.status == "expired" and late_s < 0:
            yield f"deadline: {task.task_id} expired {-late_s:.3f} s too early"
        if late_s > EXPIRY_S_MAX and not near(evidence, deadline / 1000):
            yield f"deadline: {task.task_id} went on for {late_s:.1f} s"
