"""What faults cost: no second start without one, none too many, and not too late."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from ...faults import Blow, Fault, attribute
from ..evidence import Event, Evidence, Run, Task
from .common import is_ours, near, work_of

#: A dead worker's step starts elsewhere within a lease and this, by the design.
SWEEP_S = 3.0
#: A worker that is asked to stop has handed back what it ran within this; its grace is a second.
STOP_S = 8.0
#: Everything runs on two processors, new workers have to boot, and all threads may be busy with long steps.
BUSY_S = 4.0
#: What keeps others from taking over at once.
DISTURBING = frozenset({Fault.KILL, Fault.FREEZE, Fault.TERMINATE, Fault.RESTART, Fault.FULL})


@dataclass(frozen=True, slots=True)
class Repeat:
    """A step whose worker went silent is started by another, or given up; `group` is the silent one's, 0 unknown."""

    task_id: str
    step_id: int
    started_s: float
    group: int = 0


@dataclass(frozen=True, slots=True)
class Wait:
    """How long a step whose worker was killed waited for the next start, and how long it may."""

    task_id: str
    step_id: int
    seconds: float
    seconds_max: float


def attributed(evidence: Evidence) -> tuple[Counter[str], list[Repeat]]:
    """Each takeover, given to the fault that explains it; and those that none explains."""
    deadly, groups = _deadly(evidence), {run.pid: run.group for run in evidence.runs}
    repeats = [
        Repeat(task.task_id, event.step or 0, event.ts / 1000, groups.get(_silent(event), 0))
        for task in evidence.tasks.values()
        for event in task.of_type("step.redelivered", "step.failed")
        if (task.task_id, event.step) not in deadly and _by_crash(event)
    ]
    return attribute(repeats, [*evidence.blows, *_murders(evidence, deadly)], evidence.terms, _fits)


def _fits(blow: Blow, repeat: Repeat) -> bool:
    """Whoever was killed or frozen is the one that went silent; Redis away silences all."""
    return blow.fault is Fault.RESTART or repeat.group in {0, blow.victim}


def _silent(event: Event) -> int:
    """The process that went silent."""
    name = event.data["from_worker"] if event.type == "step.redelivered" else event.worker
    return int(name.split(":")[1])


def duplicates(evidence: Evidence) -> Iterator[str]:
    """No step changes its worker without a fault, and no fault explains more than a worker holds."""
    for repeat in attributed(evidence)[1]:
        yield f"duplicate: {repeat.task_id} step {repeat.step_id} was taken over at {repeat.started_s:.3f}"


def _by_crash(event: Event) -> bool:
    return event.type == "step.redelivered" or event.data["error"]["code"] == "poison"


def _deadly(evidence: Evidence) -> set[tuple[str, int]]:
    return {
        (task.task_id, step_id)
        for task in evidence.tasks.values()
        for step_id, step in task.steps.items()
        if work_of(step).get("deadly")
    }


def _murders(evidence: Evidence, deadly: set[tuple[str, int]]) -> list[Blow]:
    """Each run of a deadly step is the death of a worker."""
    runs = [run for run in evidence.runs if (run.task_id, run.step_id) in deadly]
    return [Blow(Fault.KILL, run.started_s, run.started_s, run.group) for run in runs]


def releases(evidence: Evidence) -> Iterator[str]:
    """A step is handed back only by a worker that was asked to stop."""
    for task in evidence.tasks.values():
        for event in task.of_type("step.released"):
            stopped = near(evidence, event.ts / 1000, Fault.TERMINATE, after_s=STOP_S)
            if event.data["reason"] == "shutdown" and not stopped:
                yield f"released: {task.task_id} step {event.step} although nobody stopped its worker"


def overlaps(evidence: Evidence) -> Iterator[str]:
    """No two runs of a step at one time, but where a worker was frozen or cut off from Redis."""
    for task in evidence.tasks.values():
        for step_id, step in task.steps.items():
            if is_ours(step) and not task.retries_in_place:
                yield from _overlaps(evidence, task, step_id)


def _overlaps(evidence: Evidence, task: Task, step_id: int) -> Iterator[str]:
    step = task.steps[step_id]
    excuses = {Fault.FREEZE, Fault.RESTART}
    # A thread cannot be stopped: it goes on after its time is over, or while its process ends.
    excuses |= {Fault.TERMINATE} if step["agent"] == "soak-plain" else set()
    if step["agent"] == "soak-plain" and step.get("timeout_ms"):
        return
    for one, other in pairwise(_runs(evidence, task, step_id)):
        overlapping = one.ended_s is not None and one.ended_s > other.started_s
        if overlapping and not near(evidence, other.started_s, *excuses):
            yield f"overlap: {task.task_id} step {step_id} attempts {one.attempt} and {other.attempt}"


def _runs(evidence: Evidence, task: Task, step_id: int) -> list[Run]:
    starts = [event for event in task.by_step.get(step_id, ()) if event.type == "step.started"]
    found = [run for event in starts if (run := evidence.run_of(task.task_id, event))]
    return sorted(found, key=lambda run: run.started_s)


def unseen(evidence: Evidence) -> Iterator[str]:
    """An attempt that started runs, unless a fault or the end of its task came between."""
    for task in evidence.tasks.values():
        ended = {(event.step, event.attempt) for event in task.of_type("step.cancelled")}
        for event in task.of_type("step.started"):
            ours = is_ours(task.steps.get(event.step or 0, {})) and (event.step, event.attempt) not in ended
            if ours and not evidence.run_of(task.task_id, event) and not _disturbed(evidence, event):
                yield f"unseen: {task.task_id} step {event.step} attempt {event.attempt} started and never ran"


def _disturbed(evidence: Evidence, event: Event) -> bool:
    murders = _murders(evidence, _deadly(evidence))
    return near(replace(evidence, blows=[*evidence.blows, *murders]), event.ts / 1000)


def recovered(evidence: Evidence) -> Iterator[str]:
    """A step whose worker was killed starts elsewhere within a lease and three seconds, and named slack."""
    for wait in waits(evidence):
        if wait.seconds > wait.seconds_max:
            yield (
                f"recovery: {wait.task_id} step {wait.step_id} waited {wait.seconds:.1f} s, "
                f"at most {wait.seconds_max:.1f} s are explained"
            )


def waits(evidence: Evidence) -> Iterator[Wait]:
    """Of every step that was running when its worker was killed, and started again."""
    killed = {blow.victim: blow for blow in evidence.blows if blow.fault is Fault.KILL}
    others = [*evidence.blows, *_murders(evidence, _deadly(evidence))]
    for run in evidence.runs:
        blow = killed.get(run.group)
        task = evidence.tasks.get(run.task_id)
        if blow is None or task is None or run.ended_s is not None or run.started_s > blow.ended_s:
            continue
        if again := _next_start(task, run):
            seconds = again.ts / 1000 - blow.ended_s
            yield Wait(run.task_id, run.step_id, seconds, _allowed_s(evidence, others, blow, again.ts / 1000))


def _next_start(task: Task, run: Run) -> Event | None:
    starts = [event for event in task.by_step.get(run.step_id, ()) if event.type == "step.started"]
    return next((event for event in starts if event.attempt == run.attempt + 1), None)


def _allowed_s(evidence: Evidence, others: Sequence[Blow], blow: Blow, until_s: float) -> float:
    """A lease and a sweep; and for every other fault meanwhile its own length and another lease."""
    lease_s = evidence.terms.lease_s
    meanwhile = [
        other for other in others if other is not blow and other.fault in DISTURBING
        and other.ended_s >= blow.began_s and other.began_s <= until_s
    ]  # fmt: skip
    return lease_s + SWEEP_S + BUSY_S + sum(other.ended_s - other.began_s + lease_s for other in meanwhile)
