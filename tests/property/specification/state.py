"""
What the engine knows, for `whole_tasks.py`: tasks, steps, queues, and the events that were told.

Nothing here is stored twice. What Redis keeps in counters and sets (`left`, `sinks`, `partial`, who stands in
a group's gate and who waits in its line) follows from the states of the steps.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Concatenate, NamedTuple, ParamSpec

from app.model.agents import AgentRegistry, AgentSpec
from app.model.plan import Plan, Step
from app.model.task import CancelMode, StepStatus, TaskStatus

P = ParamSpec("P")

#: States in which a step has a message that somebody will start, or runs.
UNDER_WAY = frozenset({StepStatus.QUEUED, StepStatus.RUNNING, StepStatus.RETRYING, StepStatus.DEFERRED})
SETTLED = frozenset({StepStatus.COMPLETED, StepStatus.FAILED, StepStatus.SKIPPED, StepStatus.CANCELLED})


class At(NamedTuple):
    """The moment of a transition: the server's ms, and the caller's random number in [0, 1)."""

    ms: int
    chance: float = 0.0


class Event(NamedTuple):
    """An event without its number and time; `attempt` and `worker` are those of a started step."""

    type: str
    task_id: str
    step_id: int | None
    attempt: int | None
    worker: str | None
    data: dict[str, Any]


class Message(NamedTuple):
    """A message in a queue or a delay queue: steps of one task with their dispatch numbers."""

    queue: str
    level: int
    task_id: str
    steps: tuple[tuple[int, int], ...]

    @property
    def batch_id(self) -> str:
        step_id, dispatch = self.steps[0]
        return f"{self.task_id}:{step_id}:{dispatch}"


class Gate(NamedTuple):
    """One of a task's steps comes in while fewer than `limit` steps of its group have a place."""

    group: str
    limit: int


@dataclass(slots=True)
class StepState:
    """
    A step. `open` is the number of dependencies it still waits for, `since_ms` since when it stands in line.

    `inside`: it has a place in its group. Only what is under way has one, but not all of it: what waits for a
    retry, a provider or the start of its task takes its place when it starts.
    """

    plan: Step
    spec: AgentSpec
    deps: list[int]
    children: list[int]
    open: int
    state: StepStatus = StepStatus.WAITING
    dispatch: int = 0
    delivery: int = 0
    attempt: int = 0
    failures: int = 0
    crashes: int = 0
    deferrals: int = 0
    run: int = 0
    nonce: str = ""
    worker: str = ""
    since_ms: int = 0
    inside: bool = False
    #: Under whose message it runs when it was handed over: a step and its dispatch number.
    entry: tuple[int, int] | None = None

    @property
    def timeout_ms(self) -> int:
        return self.plan.timeout_ms or self.spec.timeout_ms

    @property
    def id(self) -> int:
        return self.plan.step_id

    @property
    def token(self) -> str:
        """The fence: who holds the current one acts for the step, nobody else does."""
        return f"{self.attempt}:{self.nonce}"


@dataclass(slots=True)
class TaskState:
    """
    A task. `error` is the failure that ended it, or else the first that was final; `cancel_*` is the cancellation
    under way; `grown` the steps that have added others, and which.
    """

    task_id: str
    level: int
    gate: Gate | None
    steps: dict[int, StepState]
    next_step_id: int
    #: 0: it has none.
    deadline_ms: int = 0
    status: TaskStatus = TaskStatus.QUEUED
    started: bool = False
    rev: int = 1
    grown: dict[int, list[int]] = field(default_factory=dict)
    retries: int = 0
    tokens: int = 0
    nano_usd: int = 0
    error: str | None = None
    failed_step: int | None = None
    cancel_mode: CancelMode | None = None
    cancel_reason: str | None = None

    @property
    def left(self) -> int:
        return sum(step.state not in SETTLED for step in self.steps.values())

    @property
    def sinks(self) -> int:
        """Completed steps that nothing waits for: one of them makes the task a success."""
        return sum(step.state is StepStatus.COMPLETED and not step.children for step in self.steps.values())

    @property
    def partial(self) -> bool:
        return any(step.state in SETTLED - {StepStatus.COMPLETED} for step in self.steps.values())

    @property
    def under_way(self) -> TaskStatus:
        """What it is when nothing holds it up."""
        return TaskStatus.RUNNING if self.started else TaskStatus.QUEUED

    def below(self, roots: Iterable[int]) -> list[StepState]:
        """The named steps and all that depends on them, in the order of the plan."""
        found, front = set[int](), list(roots)
        while front:
            here = front.pop()
            if here not in found:
                found.add(here)
                front += self.steps[here].children
        return [step for step in self.steps.values() if step.id in found]


@dataclass(slots=True)
class World:
    """All tasks of a shard and everything they share."""

    agents: AgentRegistry
    cancel_grace_ms: int
    crashes_max: int
    tasks: dict[str, TaskState] = field(default_factory=dict)
    queued: list[Message] = field(default_factory=list)
    due: dict[Message, int] = field(default_factory=dict)
    dead: list[Message] = field(default_factory=list)
    deadlines: dict[str, int] = field(default_factory=dict)
    #: Until when each provider is left alone.
    providers: dict[str, int] = field(default_factory=dict)
    at: At = field(default_factory=lambda: At(0))
    events: list[Event] = field(default_factory=list)
    #: Queues that an operator has paused.
    paused: set[str] = field(default_factory=set)
    #: Events ever told, by type and agent; acts of attempts that are not current; deliveries without anything to run.
    totals: Counter[tuple[str, str]] = field(default_factory=Counter)
    fenced: int = 0
    stale: int = 0

    def tell(self, task: TaskState, kind: str, step: StepState | None = None, **data: Any) -> None:
        """An event of a task, or of one of its steps."""
        self.totals[kind, step.plan.agent if step else ""] += 1
        self.events.append(Event(kind, task.task_id, step.id if step else None, None, None, data))

    def tell_attempt(self, task: TaskState, kind: str, step: StepState, **data: Any) -> None:
        """An event of the current attempt of a step."""
        self.totals[kind, step.plan.agent] += 1
        self.events.append(Event(kind, task.task_id, step.id, step.attempt, step.worker, data))

    def busy(self, group: str) -> int:
        """How many steps of a group have a place."""
        return sum(step.inside for _, step in self._of(group))

    def line(self, group: str) -> list[tuple[TaskState, StepState]]:
        """Who waits for a place in a group: higher priority first, then first come."""
        waiting = [(task, step) for task, step in self._of(group) if step.state is StepStatus.LIMITED]
        return sorted(waiting, key=lambda pair: (pair[0].level, pair[1].since_ms, f"{pair[0].task_id}:{pair[1].id}"))

    def _of(self, group: str) -> list[tuple[TaskState, StepState]]:
        return [
            (task, step)
            for task in self.tasks.values()
            if task.gate and task.gate.group == group
            for step in task.steps.values()
        ]


class Answer(NamedTuple):
    """What a transition says to its caller, and the events it has told."""

    verdict: str
    events: list[Event]


def transition(act: Callable[Concatenate[World, P], str]) -> Callable[Concatenate[World, At, P], Answer]:
    """Makes a transition of a function: it happens at a moment, and answers with what it has told."""

    @wraps(act)
    def at_a_moment(world: World, at: At, /, *args: P.args, **kwargs: P.kwargs) -> Answer:
        world.at, world.events = at, []
        return Answer(act(world, *args, **kwargs), world.events)

    return at_a_moment


def step_states(plan: Plan, agents: AgentRegistry) -> dict[int, StepState]:
    """The steps of a new plan; each waits for all it depends on."""
    children = plan.dependents()
    return {
        step.step_id: StepState(
            step, agents[step.agent], list(step.depends_on), children[step.step_id], len(step.depends_on)
        )
        for step in plan.steps
    }
