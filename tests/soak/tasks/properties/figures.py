"""Figures: metrics, views and results say what the log says, and the log's own times fit."""

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from ..evidence import Event, Evidence, Task
from .common import is_ours, rounds


def metrics(evidence: Evidence) -> Iterator[str]:
    """`GET /metrics/{task}` equals a fold of the log that is written here anew, and the ledger."""
    for task in evidence.tasks.values():
        yield from _differences(task, "metrics", _folded(task), task.metrics)
        if not evidence.blows:
            yield from _unlike_ledger(evidence, task)


def _folded(task: Task) -> dict[str, Any]:
    states = rounds(task)[-1].states()
    counts = {word: sum(state == word for state in states.values()) for word in ("completed", "failed", "skipped")}
    return {
        "status": task.status,
        "steps": {
            "total": len(task.steps), **counts,
            "retries": len(task.of_type("step.retry_scheduled")),
            "deferrals": len(task.of_type("step.deferred")),
            "redeliveries": len(task.of_type("step.redelivered")),
        },
        "events": {"count": len(task.bodies), "last_seq": len(task.bodies), "bytes": _bytes(task)},
        "timing": {
            "submitted": task.events[0].ts,
            "finished": task.events[-1].ts,
            "wall_ms": task.events[-1].ts - task.events[0].ts - _rested_ms(task),
        },
        "per_step": {step_id: {"attempts": _starts(task, step_id), "status": states[step_id]} for step_id in states},
    }  # fmt: skip


def _rested_ms(task: Task) -> int:
    """What lay between an end and a retry, which is the next event."""
    return sum(after.ts - end.ts for end, after in pairwise(task.events) if after.type == "task.retried")


def _bytes(task: Task) -> int:
    return sum(len(body.encode()) for body in task.bodies)


def _starts(task: Task, step_id: int) -> int:
    return sum(event.type == "step.started" for event in task.by_step.get(step_id, ()))


def _unlike_ledger(evidence: Evidence, task: Task) -> Iterator[str]:
    """Without faults, the attempts that are counted are the runs that the ledger saw."""
    for row in task.metrics.get("per_step", ()):
        step_id = row["step_id"]
        unseen = len([event for event in task.by_step.get(step_id, ()) if event.type == "step.cancelled"])
        runs = sum(1 for n in range(row["attempts"]) if (task.task_id, step_id, n + 1) in evidence.runs_of)
        if is_ours(task.steps[step_id]) and not row["attempts"] - unseen <= runs <= row["attempts"]:
            yield f"metrics: {task.task_id} step {step_id} counts {row['attempts']} attempts, the ledger {runs}"


def _differences(task: Task, what: str, wanted: Mapping[str, Any], got: Mapping[str, Any]) -> Iterator[str]:
    """Every member of `wanted` that `got` has otherwise; lists of steps are compared by step id."""
    for name, value in wanted.items():
        found = got.get(name)
        if isinstance(found, list):
            found = {row["step_id"]: row for row in found}
        if isinstance(value, dict):
            yield from _differences(task, f"{what} {name}", value, found or {})
        elif value != found:
            yield f"{what}: {task.task_id} says {name}={found}, its log {value}"


def views(evidence: Evidence) -> Iterator[str]:
    """`GET /tasks/{task}` and its result say how the log ends."""
    for task in evidence.tasks.values():
        states = rounds(task)[-1].states()
        steps = {step_id: {"attempts": _starts(task, step_id), "status": state} for step_id, state in states.items()}
        wanted = {
            "status": task.status, "last_seq": len(task.bodies), "created_ms": task.events[0].ts,
            "finished_ms": task.events[-1].ts, "steps": steps,
        }  # fmt: skip
        yield from _differences(task, "view", wanted, task.view)
        status = 200 if task.status == "completed" else 409
        if task.status and task.result is not None and task.result.status != status:
            yield f"result: {task.task_id} is {task.status}, its result answers {task.result.status}"


def endings(evidence: Evidence) -> Iterator[str]:
    """The totals of the last event are those of the log."""
    for task in evidence.tasks.values():
        if not task.status or task.retries_in_place:
            continue
        ended = task.events[-1]
        wanted = {
            "duration_ms": ended.ts - task.events[0].ts,
            "totals": {"steps": len(task.steps), "retries": len(task.of_type("step.retry_scheduled"))},
        }
        yield from _differences(task, ended.type, wanted, ended.data)


def counters(evidence: Evidence) -> Iterator[str]:
    """What Prometheus is told of the events of all tasks is what the logs hold, to the last one."""
    written, counted = evidence.remains.written, evidence.remains.counted
    for kind, agent in sorted(written.keys() | counted.keys()):
        there, told = written.get((kind, agent), 0), counted.get((kind, agent), 0)
        if there != told:
            yield f"counters: {told} {kind} of {agent or 'tasks'} are counted, the logs have {there}"


def queue_waits(evidence: Evidence) -> Iterator[str]:
    """A start says how long the step waited and how often it was delivered; an end, how long it took."""
    for task in evidence.tasks.values():
        for events in task.by_step.values():
            yield from _wrong_times(task, events)


def _wrong_times(task: Task, events: list[Event]) -> Iterator[str]:
    ready: int | None = 0
    started = deliveries = 0
    for event in events:
        if event.type in {"step.queued", "step.retry_scheduled", "step.deferred", "step.held"}:
            ready, deliveries = _ready(event), 0
        elif event.type == "step.released":
            ready = event.ts
        if event.type == "step.started":
            started, deliveries = event.ts, deliveries + 1
            wait = None if ready is None else max(0, event.ts - ready)
            said = event.data["queue_wait_ms"], event.data["delivery"]
            if wait is not None and said != (wait, deliveries):
                yield f"times: {task.task_id} step {event.step} says {said} of a start that is {(wait, deliveries)}"
        took = event.ts - started
        if event.type == "step.completed" and event.attempt is not None and event.data["duration_ms"] != took:
            yield f"times: {task.task_id} step {event.step} took {took} ms, not {event.data['duration_ms']}"


def _ready(event: Event) -> int | None:
    """When the step may start; None where the log does not tell."""
    if event.type == "step.retry_scheduled":
        return event.ts + int(event.data["delay_ms"])
    return event.ts if event.type == "step.queued" and event.data.get("not_before_ms") is None else None
