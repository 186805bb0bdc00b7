"""Steering: a cancelled task stops, a paused one waits, a limit holds, and what was answered has happened."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from ..evidence import ATTEMPT_ENDS, TERMINAL, Event, Evidence, Task
from .common import near
from .recovery import BUSY_S, SWEEP_S

STOP_S = 1.0
#: Two processors for everything.
STOP_SLACK_S = 2.0
#: What each verb writes into the log.
WRITES = {"cancel": "task.cancel_requested", "retry": "task.retried", "pause": "task.paused"}


def cancelled(evidence: Evidence) -> Iterator[str]:
    """Behind a wish to cancel nothing starts any more, unless the task is retried."""
    for task in evidence.tasks.values():
        stopping = False
        for event in task.events:
            if event.type == "task.cancel_requested":
                stopping = event.data["mode"] != "finish"
            elif event.type == "task.retried":
                stopping = False
            elif stopping and event.type in {"step.started", "step.queued", "step.retry_scheduled"}:
                yield f"cancel: {task.task_id} had {event.type} of step {event.step} afterwards"


def cancel_latency(evidence: Evidence) -> Iterator[str]:
    """It has stopped within a second; where a worker was broken, within the time that finds that out."""
    for task in evidence.tasks.values():
        for event in task.of_type("task.cancel_requested"):
            if event.data["mode"] == "finish":
                continue
            ended = next((later for later in task.events[event.seq :] if later.type in TERMINAL), None)
            took_s = (ended.ts - event.ts) / 1000 if ended else 0.0
            allowed_s = STOP_S + STOP_SLACK_S
            if near(evidence, event.ts / 1000):
                allowed_s += 2 * evidence.terms.lease_s + SWEEP_S + BUSY_S
            if took_s > allowed_s:
                yield f"cancel: {task.task_id} took {took_s:.1f} s to stop ({event.data['mode']})"


def paused(evidence: Evidence) -> Iterator[str]:
    """Between its pause and its resumption nothing of a task starts."""
    for task in evidence.tasks.values():
        pausing = False
        for event in task.events:
            if event.type in {"task.paused", "task.resumed"} or event.type in TERMINAL:
                pausing = event.type == "task.paused"
            elif pausing and event.type == "step.started":
                yield f"pause: {task.task_id} step {event.step} started meanwhile"


def concurrency(evidence: Evidence) -> Iterator[str]:
    """At most so many steps under one label are queued or running at once."""
    groups: defaultdict[tuple[str, str], list[Task]] = defaultdict(list)
    for task in evidence.tasks.values():
        limit = task.events[0].data.get("concurrency") if task.events else None
        if limit:
            groups[limit["key"], task.view["labels"][limit["key"]]].append(task)
    for (key, value), tasks in groups.items():
        limit = max(task.events[0].data["concurrency"]["limit"] for task in tasks)
        if (most := _most_at_once(tasks)) > limit:
            yield f"concurrency: {most} steps of {key}={value} at once, {limit} are allowed"


def _most_at_once(tasks: Sequence[Task]) -> int:
    changes = sorted(change for task in tasks for change in _changes(task))
    now = most = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most


def _changes(task: Task) -> Iterator[tuple[int, int]]:
    """When a step takes a place, and when it gives it back; at one moment the latter comes first."""
    holding: set[int] = set()
    for event in task.events:
        step_id = event.step or 0
        if _takes(event) and step_id not in holding:
            holding.add(step_id)
            yield event.ts, 1
        elif _gives(event) and step_id in holding:
            holding.discard(step_id)
            yield event.ts, -1


def _takes(event: Event) -> bool:
    return (event.type == "step.queued" and event.data.get("not_before_ms") is None) or event.type == "step.started"


def _gives(event: Event) -> bool:
    return event.type in (ATTEMPT_ENDS - {"step.released"}) | {"step.held", "step.skipped"}


def verbs(evidence: Evidence) -> Iterator[str]:
    """What was accepted is in the log; what is in the log was asked for."""
    sure: Counter[tuple[str, str]] = Counter()
    asked: Counter[tuple[str, str]] = Counter()
    for act in evidence.acts:
        sure[act.task_id, act.verb] += act.answer.status == 202
        asked[act.task_id, act.verb] += act.answer.status in {202, 503, 0}
    for task in evidence.tasks.values():
        for verb, kind in WRITES.items():
            written = len(task.of_type(kind))
            if sure[task.task_id, verb] and not written:
                yield f"{verb}: {task.task_id} accepted it and did nothing"
            if written > asked[task.task_id, verb]:
                yield f"{verb}: {task.task_id} did it {written} times, asked {asked[task.task_id, verb]} times"
