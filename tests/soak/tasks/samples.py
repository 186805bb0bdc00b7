"""Small stories of tasks as evidence: good ones, from which the tests of the checker make bad ones."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from app.events.log import StoredEvent
from app.metrics.task_metrics import fold

from ..faults import Terms
from .evidence import ATTEMPT_ENDS, TERMINAL, Answer, Event, Evidence, Remains, Run, Session, Submission, Task, Viewing
from .features import STEERING

TASK = "0-a"
OPENED_MS = 1_000_000
WORKER = "host:42:x"
TERMS = Terms(lease_s=2, margin_s=2, held_max=4, workers=2)
ALL_FEATURES = frozenset({*STEERING, "idempotency", "deadline", "not_before", "concurrency"})

#: How runs end, by the event that ends their attempt.
OUTCOMES = {"step.completed": "done", "step.failed": "failed", "step.retry_scheduled": "failed"}


def step(step_id: int, *depends_on: int, **more: Any) -> dict[str, Any]:
    work = more.pop("work", {})
    payload = {"text": "work", **work}
    return {"step_id": step_id, "agent": "soak-work", "payload": payload, "depends_on": list(depends_on), **more}


@dataclass
class Story:
    """A log that is being told; each event comes `ms` after the one before it."""

    plan: list[dict[str, Any]] = field(default_factory=lambda: [step(1), step(2, 1, work={"fails": 1})])
    events: list[Event] = field(default_factory=list)
    now: int = OPENED_MS
    submitted: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.tell("task.submitted", task="Soak 1", priority=5, labels={"soak": "1"}, **self.submitted)
        self.tell("plan.created", steps=self.plan, rev=1, planner="client", estimate={})

    def tell(
        self, kind: str, step: int | None = None, attempt: int | None = None, *, ms: int = 10, worker: str = WORKER,
        **data: Any,
    ) -> "Story":  # fmt: skip
        self.now += ms
        name = worker if attempt else ""
        self.events.append(Event(len(self.events) + 1, kind, self.now, step, attempt, name, data))
        return self

    def queued(self, step: int) -> "Story":
        return self.tell("step.queued", step, queue="soak-work", batch_id="b", deps=[])

    def started(self, step: int, attempt: int = 1, *, wait: int = 10, delivery: int = 1, **more: Any) -> "Story":
        return self.tell("step.started", step, attempt, queue_wait_ms=wait, delivery=delivery, **more)

    def completed(self, step: int, attempt: int = 1, **more: Any) -> "Story":
        summary = f"run-{step}-{attempt}"
        return self.tell(
            "step.completed", step, attempt, duration_ms=10, summary=summary, bytes=1, cached=False, **more
        )

    def failed(self, step: int, attempt: int = 1, code: str = "retryable") -> "Story":
        error = {"type": "Retryable", "code": code, "message": "no"}
        return self.tell("step.failed", step, attempt, error=error, retryable=True, attempts_left=0)

    def retrying(self, step: int, attempt: int, delay_ms: int) -> "Story":
        return self.tell(
            "step.retry_scheduled", step, attempt, next_attempt=attempt + 1, delay_ms=delay_ms, reason="not this time"
        )

    def ended(self, how: str = "completed", *, ms: int = 10, **data: Any) -> "Story":
        retries = sum(event.type == "step.retry_scheduled" for event in self.events)
        totals = {"steps": len(self.plan), "retries": retries, "tokens": 0, "usd": 0}
        return self.tell(f"task.{how}", ms=ms, duration_ms=self.now + ms - self.events[0].ts, totals=totals, **data)


def plain() -> list[Event]:
    """Two steps, the second of which needs a second attempt."""
    story = Story().queued(1).tell("task.started", steps_total=2).started(1, wait=20).completed(1).queued(2)
    story.started(2).retrying(2, 1, 100).started(2, 2, ms=150, wait=50).completed(2, 2)
    return story.ended(partial=False).events


def evidence(events: Sequence[Event], task_id: str = TASK, **more: Any) -> Evidence:
    """Evidence that agrees with a log: view, figures, runs, viewers and all."""
    events = [replace(event, seq=n + 1) for n, event in enumerate(events)]
    task = told(events, task_id)
    answer = Answer(OPENED_MS / 1000, OPENED_MS / 1000 + 0.1, 202, {"task_id": task_id})
    frames = [(f"{event.seq}-7", body) for event, body in zip(task.events, task.bodies, strict=True)]
    sessions = [Session(0, frames[:3], "left"), Session(3, frames[3:], "end" if task.status else "left")]
    dead = [(task_id, event.step or 0) for event in events if event.type == "step.failed"]
    found = Evidence(
        terms=TERMS,
        tasks={task_id: task},
        submissions=[Submission(1, {}, "key", [answer])],
        viewings=[Viewing(task_id, sessions)],
        runs=runs(events, task_id),
        remains=Remains({"waiting": 0}, (), dead),
        features=ALL_FEATURES,
    )
    return replace(found, **more)


def told(events: Sequence[Event], task_id: str = TASK) -> Task:
    """The task whose log this is, as the API would show it."""
    bodies = [_body(event, task_id) for event in events]
    figures = fold(StoredEvent(event.seq, 7, body.encode()) for event, body in zip(events, bodies, strict=True))
    metrics = figures.model_dump(mode="json")
    status = events[-1].type.removeprefix("task.")
    labels = {name: str(value) for name, value in events[0].data["labels"].items()}
    view = {
        "labels": labels, "status": status, "last_seq": len(events), "created_ms": events[0].ts,
        "finished_ms": events[-1].ts if events[-1].type in TERMINAL else None, "steps": metrics["per_step"],
    }  # fmt: skip
    winners = {event.step: event.data["summary"] for event in events if event.type == "step.completed"}
    outputs = [_output(planned, winners) for planned in events[1].data["steps"][-1:] if planned["step_id"] in winners]
    result = Answer(0, 0, 200, {"outputs": outputs}) if status == "completed" else Answer(0, 0, 409)
    return Task(task_id, bodies, view, metrics, result)


def runs(events: Sequence[Event], task_id: str = TASK) -> list[Run]:
    """What the ledger holds when everything was as the log says."""
    ends: dict[Any, Event] = {(e.step, e.attempt): e for e in events if e.type in ATTEMPT_ENDS and e.attempt}
    return [
        _run(event, ends.get((event.step, event.attempt)), task_id) for event in events if event.type == "step.started"
    ]


def _run(start: Event, end: Event | None, task_id: str) -> Run:
    run_id = f"run-{start.step}-{start.attempt}"
    ended_s = end.ts / 1000 - 0.001 if end else None
    outcome = OUTCOMES.get(end.type, "stopped") if end else None
    return Run(
        run_id, task_id, start.step or 0, start.attempt or 0, start.ts / 1000 + 0.001, ended_s, outcome,
        key=f"key-{start.step}", pid=start.pid, group=start.pid - 1,
    )  # fmt: skip


def _output(planned: dict[str, Any], winners: dict[int | None, str]) -> dict[str, Any]:
    parents = {str(parent): winners.get(parent) for parent in planned["depends_on"]}
    return {"step_id": planned["step_id"], "data": {"run": winners[planned["step_id"]], "parents": parents}}


def _body(event: Event, task_id: str) -> str:
    members: dict[str, Any] = {"v": 1, "seq": event.seq, "type": event.type, "ts": event.ts, "task_id": task_id}
    if event.step is not None:
        members |= {"step_id": event.step, "agent": "soak-work"}
    if event.attempt is not None:
        members |= {"attempt": event.attempt, "worker": event.worker}
    return json.dumps(members | {"data": dict(event.data)}, separators=(",", ":"))
