"""What a soak leaves behind, as clients and the ledger saw it."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from ..faults import Blow, Terms

TERMINAL = frozenset({"task.completed", "task.failed", "task.cancelled", "task.expired", "task.rejected"})
ATTEMPT_ENDS = frozenset(
    {"step.completed", "step.failed", "step.retry_scheduled", "step.deferred", "step.released", "step.cancelled"}
)
#: The label that says which submission a task comes from.
NUMBER_LABEL = "soak"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a log."""

    seq: int
    type: str
    ts: int
    step: int | None = None
    attempt: int | None = None
    worker: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def parse(cls, body: str) -> "Event":
        raw = json.loads(body)
        return cls(
            raw["seq"], raw["type"], raw["ts"], raw.get("step_id"), raw.get("attempt"), raw.get("worker") or "",
            raw["data"],
        )  # fmt: skip

    @property
    def pid(self) -> int:
        """The process of a worker named `host:pid:…`."""
        return int(self.worker.split(":")[1])


@dataclass(frozen=True, slots=True)
class Run:
    """One call of an agent. `ended_s` is None when its worker did not live to see the end."""

    run_id: str
    task_id: str
    step_id: int
    attempt: int
    started_s: float
    ended_s: float | None
    outcome: str | None = "done"
    key: str = ""
    pid: int = 0
    group: int = 0
    memo: str | None = None


@dataclass(frozen=True, slots=True)
class Once:
    """One execution of what an agent asked to be done once."""

    task_id: str
    step_id: int
    at_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back over HTTP; status 0 when nothing did."""

    sent_s: float
    at_s: float
    status: int
    body: Mapping[str, Any] = field(default_factory=dict)
    #: The client meant to lose the answer.
    impatient: bool = False

    @property
    def task_id(self) -> str | None:
        return self.body.get("task_id") if self.status == 202 else None


@dataclass(slots=True)
class Submission:
    """One task that a client wanted, and the answers to each time it asked."""

    number: int
    body: Mapping[str, Any]
    key: str | None = None
    answers: list[Answer] = field(default_factory=list)
    #: The answer to the same key with another body, where that was tried.
    conflict: Answer | None = None

    @property
    def task_ids(self) -> set[str]:
        return {answer.task_id for answer in self.answers if answer.task_id}


@dataclass(frozen=True, slots=True)
class Act:
    """One attempt to steer a task."""

    task_id: str
    verb: str
    answer: Answer
    body: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class Session:
    """One connection of a follower: where it asked to go on, and what came."""

    after: int
    frames: list[tuple[str, str]] = field(default_factory=list)
    #: `end`, `left` by the follower, `cut`, `stuck` (open behind the end of its task), `over` (there is nothing
    #: more), `reset`, `refused`.
    ended: str = "cut"
    ended_s: float = 0.0
    status: int = 0


@dataclass(slots=True)
class Viewing:
    """One follower of one task."""

    task_id: str
    sessions: list[Session] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """What the API says of a task after the drain."""

    task_id: str
    bodies: Sequence[str]
    view: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    result: Answer | None = None

    @cached_property
    def events(self) -> list[Event]:
        return [Event.parse(body) for body in self.bodies]

    @cached_property
    def by_step(self) -> dict[int, list[Event]]:
        """The events of each step, in order."""
        return by_step(self.events)

    @cached_property
    def steps(self) -> dict[int, Mapping[str, Any]]:
        """The plan, with what was added later."""
        planned = (event for event in self.events if event.type in {"plan.created", "plan.extended"})
        return {step["step_id"]: step for event in planned for step in event.data["steps"]}

    @property
    def number(self) -> int | None:
        number = self.view.get("labels", {}).get(NUMBER_LABEL)
        return int(number) if number is not None else None

    @property
    def status(self) -> str:
        """The last word of its log."""
        last = self.events[-1].type if self.events else ""
        return last.removeprefix("task.") if last in TERMINAL else ""

    def of_type(self, *types: str) -> list[Event]:
        return [event for event in self.events if event.type in types]

    @cached_property
    def retries_in_place(self) -> list[Event]:
        return self.of_type("task.retried")


@dataclass(frozen=True, slots=True)
class Remains:
    """What is left in Redis after the drain."""

    #: Counts that must be zero, by name: waiting, pending, due, open tasks ...
    left: Mapping[str, int] = field(default_factory=dict)
    #: Keys that neither expire nor are on the list of those that may stay.
    immortal: Sequence[str] = ()
    #: Dead letters, as (task, step).
    dead: Sequence[tuple[str, int]] = ()
    repaired: int = 0
    #: Events by type and agent: in all logs, of tasks that no client knows as well, and as a scrape counts them.
    written: Mapping[tuple[str, str], int] = field(default_factory=dict)
    counted: Mapping[tuple[str, str], int] = field(default_factory=dict)


@dataclass(frozen=True)
class Evidence:
    """All of it, and what it is measured by."""

    terms: Terms
    tasks: Mapping[str, Task] = field(default_factory=dict)
    submissions: Sequence[Submission] = ()
    acts: Sequence[Act] = ()
    viewings: Sequence[Viewing] = ()
    runs: Sequence[Run] = ()
    onces: Sequence[Once] = ()
    blows: Sequence[Blow] = ()
    remains: Remains = Remains()
    #: What the program under test can do; see `features.py`.
    features: frozenset[str] = frozenset()

    @cached_property
    def runs_of(self) -> dict[tuple[str, int, int], list[Run]]:
        """The runs of each attempt."""
        found: dict[tuple[str, int, int], list[Run]] = {}
        for run in self.runs:
            found.setdefault((run.task_id, run.step_id, run.attempt), []).append(run)
        return found

    def run_of(self, task_id: str, event: Event) -> Run | None:
        """The run of an event's attempt."""
        runs = self.runs_of.get((task_id, event.step or 0, event.attempt or 0))
        return runs[0] if runs else None


def by_step(events: Iterable[Event]) -> dict[int, list[Event]]:
    """The events of each step, in order."""
    found: dict[int, list[Event]] = {}
    for event in events:
        if event.step is not None:
            found.setdefault(event.step, []).append(event)
    return found
