"""Random acts of clients, workers and time on a few tasks, done to the scripts and to the model."""

from collections.abc import Callable

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from app.dispatch.attempt import Attempt, StepRef
from app.dispatch.fork import reusable_steps
from app.model.task import CancelMode, StepStatus, TaskStatus
from tests.property import dispatch_acts
from tests.property.dispatch_acts import ACTS, claim_of
from tests.property.dispatch_bench import PROVIDERS, DispatchBench
from tests.property.dispatch_plans import plans, raw_plan
from tests.property.specification import attempts, whole_tasks
from tests.property.specification.state import UNDER_WAY, TaskState

TASKS_MAX = 4
RETRIABLE = (TaskStatus.FAILED, TaskStatus.CANCELLED, TaskStatus.EXPIRED)
DRAIN_ROUNDS = 300

few = st.integers(0, 5)
#: Of the group that all tasks share; 0: the task is not in it.
limits = st.sampled_from([0, 0, 0, 1, 2, 3])
workers = st.sampled_from(["w1", "w2"])
starts = st.sampled_from(["at once", "at once", "later", "long ago", "too late"])
outcomes = st.sampled_from(list(ACTS))


class DispatchMachine(RuleBasedStateMachine):
    """Clients and workers in one thread; delays are long, so only what the test delivers becomes due."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.bench = DispatchBench(url)
        self.world = self.bench.world
        self.attempts: list[Attempt] = []
        self.agrees = True

    @initialize(twice=st.booleans(), plan=plans, limit=limits)
    def begin(self, twice: bool, plan: list[tuple[str, int, str]], limit: int) -> None:
        """In half of the runs every reply is lost once and every call is sent again."""
        self.bench.scripts.twice = twice
        self.submit(plan, limit=limit, priority=5, start="at once")

    # -- clients

    @precondition(lambda self: len(self.world.tasks) < TASKS_MAX)
    @rule(plan=plans, limit=limits, priority=st.sampled_from([5, 0, 9]), start=starts)
    def submit(self, plan: list[tuple[str, int, str]], limit: int, priority: int, start: str) -> None:
        self.agrees = False
        said, answer = self.bench.submit(raw_plan(plan), limit=limit, priority=priority, start=start)
        assert (said == "InvalidRequest") == (answer == "late")

    @precondition(lambda self: self.ended() and len(self.world.tasks) < TASKS_MAX)
    @rule(which=few, step=few)
    def fork(self, which: int, step: int) -> None:
        source = self.task(which, lambda task: task.status.terminal)
        completed = {s.id for s in source.steps.values() if s.state is StepStatus.COMPLETED}
        plan = self.bench.run(self.bench.reader.plan(source.task_id))
        reused = reusable_steps(plan, plan, completed, self.step_id(source, step))
        if len(reused) < len(plan.steps):
            said, answer = self.bench.fork(source, plan, reused)
            assert (said == "NotPossible") == (answer == "open")

    @precondition(lambda self: any(task.status in RETRIABLE for task in self.world.tasks.values()))
    @rule(which=few, step=few)
    def retry(self, which: int, step: int) -> None:
        task = self.task(which, lambda task: task.status in RETRIABLE)
        from_step = self.step_id(task, step) if step else None
        said, answer = self.bench.act(
            self.bench.tasks.retry(task.task_id, from_step=from_step, by="x"),
            lambda at, _: whole_tasks.retry(self.world, at, task.task_id, from_step, by="x"),
        )
        assert (said == "NotPossible") == (answer in ("open", "done"))

    @precondition(lambda self: self.running())
    @rule(which=few, how=st.sampled_from(["pause", "resume", *map(str, CancelMode)]))
    def steer(self, which: int, how: str) -> None:
        task_id = self.task(which, lambda task: not task.status.terminal).task_id
        if how in ("pause", "resume"):
            dispatch_acts.hold_up(self.bench, task_id, how)
        else:
            dispatch_acts.cancel(self.bench, task_id, CancelMode(how))

    # -- workers

    @precondition(lambda self: self.world.queued)
    @rule(which=few, kind=st.sampled_from(["wanted", "any"]), worker=workers)
    def start(self, which: int, kind: str, worker: str) -> None:
        """A message is delivered, perhaps although it is worth nothing any more."""
        refs = self.bench.refs(kind)
        if refs:
            self.start_one(refs[which % len(refs)], worker)

    @precondition(lambda self: self.live())
    @rule(which=few, worker=workers)
    def lose_a_worker(self, which: int, worker: str) -> None:
        """The message of a running step is delivered again: its worker seems to be dead."""
        refs = self.bench.refs("running")
        self.start_one(refs[which % len(refs)], worker)

    @precondition(lambda self: self.live())
    @rule(which=few)
    def time_out(self, which: int) -> None:
        live = self.live()
        said, answer = self.bench.time_out(live[which % len(live)])
        assert self.bench.scripts.twice or said.repaired == (answer == "taken")

    @precondition(lambda self: self.world.queued)
    @rule(count=st.integers(1, 4))
    def start_some(self, count: int) -> None:
        for ref in self.bench.refs("wanted")[:count]:
            self.start_one(ref, "w1")

    def start_one(self, ref: StepRef, worker: str) -> None:
        said = dispatch_acts.start(self.bench, ref, worker)
        if isinstance(said, Attempt):
            self.attempts.append(said)

    @precondition(lambda self: self.live())
    @rule(count=st.integers(1, 4), how=few)
    def complete_some(self, count: int, how: int) -> None:
        for attempt in self.live()[:count]:
            self.settle(attempt, "complete", how)

    @precondition(lambda self: self.live())
    @rule(queue=st.sampled_from(dispatch_acts.AGENTS))
    def complete_beside_a_paused_queue(self, queue: str) -> None:
        self.bench.pause_queue(queue)
        self.complete_some(4, 0)
        self.bench.pause_queue(queue)

    @precondition(lambda self: self.live())
    @rule(which=few, how=few)
    def fail(self, which: int, how: int) -> None:
        self.settle_one(which, "fail", how)

    @precondition(lambda self: self.live())
    @rule(which=few, how=few)
    def defer(self, which: int, how: int) -> None:
        self.settle_one(which, "defer", how)

    @precondition(lambda self: self.live())
    @rule(which=few, how=few)
    def grow(self, which: int, how: int) -> None:
        self.settle_one(which, "grow", how)

    @precondition(lambda self: self.live())
    @rule(which=few, outcome=st.sampled_from(["release", "stop", "report"]))
    def settle_one(self, which: int, outcome: str, how: int = 0) -> None:
        live = self.live()
        self.settle(live[which % len(live)], outcome, how)

    @precondition(lambda self: len(self.attempts) > len(self.live()))
    @rule(which=few, outcome=outcomes, how=few)
    def zombie(self, which: int, outcome: str, how: int) -> None:
        """A worker acts for an attempt that was settled or overtaken."""
        live = self.live()
        old = [attempt for attempt in reversed(self.attempts) if attempt not in live]
        self.settle(old[which % len(old)], outcome, how)

    def live(self) -> list[Attempt]:
        """The attempts that run."""
        return [attempt for attempt in self.attempts if self.bench.runs(attempt)]

    def settle(self, attempt: Attempt, outcome: str, how: int) -> None:
        said, answer = ACTS[outcome](self.bench, attempt, how)
        assert (said == "Fenced") == (answer == "fenced")
        if isinstance(said, Attempt):
            self.attempts.append(said)

    # -- time, and what the broker does

    @precondition(lambda self: self.world.due)
    @rule(which=few)
    def come_due(self, which: int) -> None:
        messages = sorted(self.world.due)
        self.bench.deliver(messages[which % len(messages)])

    @precondition(lambda self: self.world.providers)
    @rule(provider=st.sampled_from(PROVIDERS))
    def provider_is_back(self, provider: str) -> None:
        self.bench.recover(provider)

    @precondition(lambda self: self.world.queued)
    @rule()
    def acknowledge(self) -> None:
        self.bench.acknowledge()

    @precondition(lambda self: self.running())
    @rule(which=few, count=st.integers(1, 2))
    def expire(self, which: int, count: int) -> None:
        """The deadlines of some tasks pass, or the grace of their cancellations."""
        running = self.running()
        self.bench.let_pass((running * 2)[which % len(running) :][:count])
        said, answer = self.bench.act(self.bench.tasks.expire(), lambda at, _: whole_tasks.expire(self.world, at))
        assert str(said[0]) == answer or self.bench.scripts.twice

    # -- what must hold after each act

    @invariant()
    def both_agree(self) -> None:
        """The same everywhere; the audit finds nothing to repair; workers hear which attempts are to stop."""
        self.agrees = False
        differences, repaired, unwanted = self.bench.look(self.attempts)
        assert differences == {}
        assert repaired == 0
        assert unwanted == [a for a in self.attempts if not attempts.wanted(self.world, claim_of(a))]
        self.agrees = True

    @invariant()
    def places_are_kept(self) -> None:
        """In a group only what is under way has a place, and whatever runs has one."""
        for task in self.world.tasks.values():
            for step in task.steps.values():
                assert step.state in UNDER_WAY if step.inside else not task.gate or step.state is not StepStatus.RUNNING

    def teardown(self) -> None:
        """Workers work until nothing is left to do: then every task has ended and nothing lies around."""
        try:
            if self.agrees:
                self.drain()
        finally:
            self.bench.close()

    def drain(self) -> None:
        for provider in PROVIDERS:
            self.bench.recover(provider)
        for task_id in self.world.tasks:
            dispatch_acts.hold_up(self.bench, task_id, "resume")
        for _ in range(DRAIN_ROUNDS):
            if all(task.status.terminal for task in self.world.tasks.values()):
                break
            for message in list(self.world.due):
                self.bench.deliver(message)
            self.start_some(100)
            for attempt in self.live():
                self.settle(attempt, "complete", 0)
        self.bench.acknowledge()
        self.both_agree()
        assert self.bench.left_over() == {}

    def running(self) -> list[str]:
        return [task_id for task_id, task in self.world.tasks.items() if not task.status.terminal]

    def ended(self) -> bool:
        return len(self.running()) < len(self.world.tasks)

    def task(self, which: int, first: Callable[[TaskState], bool]) -> TaskState:
        """One of the tasks; most often one of those that come first, for which the act is allowed."""
        tasks = sorted(self.world.tasks.values(), key=lambda task: not first(task))
        return tasks[which % len(tasks)]

    @staticmethod
    def step_id(task: TaskState, which: int) -> int:
        ids = list(task.steps)
        return ids[which % len(ids)]
