"""
What a task cost: a fold over its event log.

Nothing is counted anywhere else, so the figures equal the log by construction. A log that is still
growing gives the figures so far: running attempts count once they have ended. A task that is retried goes
on from its terminal event: what it took before still counts, what lay between does not.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from app.events.log import StoredEvent
from app.metrics.critical_path import longest_chain_ms
from app.metrics.figures import (
    AgentMetrics,
    CitationMetrics,
    LlmMetrics,
    LogMetrics,
    RetrievalMetrics,
    StepCounts,
    StepMetrics,
    TaskMetrics,
    Timing,
)
from app.model.events import EVENT, TERMINAL_TYPES, Event
from app.model.task import StepStatus, TaskStatus

RETRIEVER = "retriever"

#: What a step is after an event of this type.
STATUS_AFTER = {
    "step.completed": StepStatus.COMPLETED,
    "step.failed": StepStatus.FAILED,
    "step.retry_scheduled": StepStatus.RETRYING,
    "step.released": StepStatus.QUEUED,
    "step.cancelled": StepStatus.CANCELLED,
    "step.deferred": StepStatus.DEFERRED,
    "step.queued": StepStatus.QUEUED,
    "step.started": StepStatus.RUNNING,
    "step.skipped": StepStatus.SKIPPED,
}
ATTEMPT_ENDS = frozenset(
    {"step.completed", "step.failed", "step.retry_scheduled", "step.released", "step.cancelled", "step.deferred"}
)


def fold(events: Iterable[StoredEvent]) -> TaskMetrics:
    """The figures of a log, or of its beginning."""
    figures = Fold()
    for event in events:
        figures.add(event)
    return figures.result()


@dataclass(slots=True)
class Fold:
    """A fold under way: add events in the order of the log, ask for the result at any time."""

    _status: TaskStatus = TaskStatus.QUEUED
    _timing: Timing = field(default_factory=Timing)
    _counts: StepCounts = field(default_factory=StepCounts)
    _llm: LlmMetrics = field(default_factory=LlmMetrics)
    _citations: CitationMetrics = field(default_factory=CitationMetrics)
    _log: LogMetrics = field(default_factory=LogMetrics)
    _steps: dict[int, StepMetrics] = field(default_factory=dict)
    _parents: dict[int, list[int]] = field(default_factory=dict)
    _running_since: dict[int, int] = field(default_factory=dict)
    _retrieving: set[int] = field(default_factory=set)
    _passages: set[str] = field(default_factory=set)

    @property
    def count(self) -> int:
        return self._log.count

    def add(self, stored: StoredEvent) -> None:
        event = EVENT.validate_json(stored.body, extra="ignore")
        self._log.count += 1
        self._log.last_seq = event.seq
        self._log.bytes += len(stored.body)
        if self._timing.submitted is None:
            self._timing.submitted = event.ts
        if event.type == "task.retried":
            self._timing.rested_ms += event.ts - (self._timing.finished or event.ts)
        self._timing.wall_ms = event.ts - self._timing.submitted - self._timing.rested_ms
        if event.step_id is not None:
            self._add_step_event(event, self._step(event.step_id, event.agent))
        if event.type in TERMINAL_TYPES:
            self._status = TaskStatus(event.type.removeprefix("task."))
            self._timing.finished = event.ts
        if reader := READERS.get(event.type):
            reader(self, event)

    def result(self) -> TaskMetrics:
        steps = [step.model_copy() for step in self._steps.values()]
        retrievers = {step.step_id for step in steps if step.agent == RETRIEVER and step.attempts}
        return TaskMetrics(
            status=self._status,
            timing=self._timing_of(steps),
            steps=self._counts_of(steps),
            per_step=steps,
            per_agent=_by_agent(steps),
            llm=self._llm.model_copy(),
            retrieval=RetrievalMetrics(queries=len(self._retrieving | retrievers), passages=len(self._passages)),
            citations=self._citations.model_copy(),
            events=self._log.model_copy(),
        )

    def _step(self, step_id: int, agent: str | None) -> StepMetrics:
        return self._steps.setdefault(step_id, StepMetrics(step_id=step_id, agent=agent or ""))

    def _add_step_event(self, event: Event, step: StepMetrics) -> None:
        status = STATUS_AFTER.get(event.type)
        if event.type == "step.held":
            status = StepStatus.HELD if event.data["reason"] == "paused" else StepStatus.LIMITED
        if status is None:
            return
        step.status = status
        # An attempt whose worker died has no end: its time is unknown and not counted.
        since = self._running_since.pop(step.step_id, event.ts)
        if event.type in ATTEMPT_ENDS and event.attempt is not None:
            step.busy_ms += max(0, event.ts - since)

    def _plan_created(self, event: Event) -> None:
        self._timing.planning_ms = event.data.get("planning_ms", 0)
        for planned in event.data["steps"]:
            self._step(planned["step_id"], planned["agent"])
            self._parents[planned["step_id"]] = list(planned.get("depends_on", ()))

    def _plan_extended(self, event: Event) -> None:
        added = {planned["step_id"]: list(planned.get("depends_on", ())) for planned in event.data["steps"]}
        waited_for = {parent for parents in added.values() for parent in parents}
        for parents in self._parents.values():
            if event.data["parent"] in parents:
                parents += [step_id for step_id in added if step_id not in waited_for]
        for planned in event.data["steps"]:
            self._step(planned["step_id"], planned["agent"])
        self._parents |= added

    def _task_started(self, event: Event) -> None:
        self._status = TaskStatus.RUNNING
        self._timing.started = event.ts

    def _paused(self, _: Event) -> None:
        self._status = TaskStatus.PAUSED

    def _goes_on(self, _: Event) -> None:
        self._status = TaskStatus.QUEUED if self._timing.started is None else TaskStatus.RUNNING

    def _cancel_requested(self, event: Event) -> None:
        if event.data["mode"] != "finish":
            self._status = TaskStatus.CANCELLING
        elif self._status is TaskStatus.PAUSED:
            self._goes_on(event)

    def _retried_as_a_whole(self, event: Event) -> None:
        self._goes_on(event)
        self._timing.finished = None
        for step_id in event.data["steps"]:
            self._step(step_id, None).status = StepStatus.WAITING

    def _step_started(self, event: Event) -> None:
        step = self._step(event.step_id or 0, event.agent)
        step.attempts += 1
        step.queue_wait_ms += event.data["queue_wait_ms"]
        self._running_since[step.step_id] = event.ts

    def _retried(self, _: Event) -> None:
        self._counts.retries += 1

    def _deferred(self, _: Event) -> None:
        self._counts.deferrals += 1

    def _redelivered(self, _: Event) -> None:
        self._counts.redeliveries += 1

    def _source_found(self, event: Event) -> None:
        self._retrieving.add(event.step_id or 0)
        self._passages.add(event.data["passage"]["pid"])

    def _llm_used(self, event: Event) -> None:
        self._llm.calls += 1
        self._llm.calls_uncounted += event.data.get("output_tokens") is None
        for name in ("input_tokens", "output_tokens", "cached_tokens", "usd"):
            setattr(self._llm, name, getattr(self._llm, name) + (event.data.get(name) or 0))

    def _citations_verified(self, event: Event) -> None:
        for name in CitationMetrics.model_fields:
            setattr(self._citations, name, getattr(self._citations, name) + event.data[name])

    def _timing_of(self, steps: list[StepMetrics]) -> Timing:
        busy_ms = sum(step.busy_ms for step in steps)
        wall_ms = self._timing.wall_ms
        return self._timing.model_copy(
            update={
                "queue_wait_ms": sum(step.queue_wait_ms for step in steps),
                "critical_path_ms": longest_chain_ms({s.step_id: s.busy_ms for s in steps}, self._parents),
                "busy_ms": busy_ms,
                "parallelism": round(busy_ms / wall_ms, 3) if wall_ms else 0.0,
            }
        )

    def _counts_of(self, steps: list[StepMetrics]) -> StepCounts:
        states = [step.status for step in steps]
        return self._counts.model_copy(
            update={
                "total": len(steps),
                "completed": states.count(StepStatus.COMPLETED),
                "failed": states.count(StepStatus.FAILED),
                "skipped": states.count(StepStatus.SKIPPED),
            }
        )


READERS: dict[str, Callable[[Fold, Event], None]] = {
    "plan.created": Fold._plan_created,
    "plan.extended": Fold._plan_extended,
    "task.paused": Fold._paused,
    "task.resumed": Fold._goes_on,
    "task.cancel_requested": Fold._cancel_requested,
    "task.retried": Fold._retried_as_a_whole,
    "task.started": Fold._task_started,
    "step.started": Fold._step_started,
    "step.retry_scheduled": Fold._retried,
    "step.deferred": Fold._deferred,
    "step.redelivered": Fold._redelivered,
    "source.found": Fold._source_found,
    "llm.usage": Fold._llm_used,
    "citations.verified": Fold._citations_verified,
}


def _by_agent(steps: list[StepMetrics]) -> dict[str, AgentMetrics]:
    agents: dict[str, AgentMetrics] = {}
    for step in steps:
        agent = agents.setdefault(step.agent, AgentMetrics())
        agent.steps += 1
        agent.attempts += step.attempts
        agent.queue_wait_ms += step.queue_wait_ms
        agent.busy_ms += step.busy_ms
    return agents
