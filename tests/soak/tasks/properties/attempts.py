"""Steps and their attempts: numbered, ended once, in causal order, bounded, each run once."""

from collections.abc import Iterator
from itertools import pairwise

from ..evidence import ATTEMPT_ENDS, Event, Evidence, Task
from ..plans import ATTEMPTS_MAX
from .common import Steps, is_ours, rounds, steps_of

SETTLED = {"completed", "failed", "skipped", "cancelled"}


def numbered(evidence: Evidence) -> Iterator[str]:
    """Each start of a step takes the next attempt number."""
    for task, step_id, events in steps_of(evidence):
        numbers = [event.attempt for event in events if event.type == "step.started"]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"attempts: {task.task_id} step {step_id} started as {numbers}"


def ended_once(evidence: Evidence) -> Iterator[str]:
    """An attempt has one end; without one, the next start says that it took over, or the step was given up."""
    for task, step_id, events in steps_of(evidence):
        open_attempt: int | None = None
        for event, after in pairwise([*events, None]):
            assert event is not None
            if event.type == "step.started":
                redelivered = after is not None and after.type == "step.redelivered"
                if (open_attempt is not None) is not redelivered:
                    yield f"attempts: {task.task_id} step {step_id} attempt {event.attempt} began beside another"
                open_attempt = event.attempt
            elif event.type in ATTEMPT_ENDS and event.attempt is not None:
                if event.attempt != open_attempt:
                    yield f"attempts: {task.task_id} step {step_id} attempt {event.attempt} ended while it did not run"
                open_attempt = None


def causal(evidence: Evidence) -> Iterator[str]:
    """A step is queued before it starts, and only when all that it waits for is settled in a way that allows it."""
    for task in evidence.tasks.values():
        for segment in rounds(task):
            yield from _causal(task, segment)


def _causal(task: Task, segment: Steps) -> Iterator[str]:
    states = dict(segment.before)
    for event in segment.events:
        step_id = event.step
        if step_id is None:
            continue
        if event.type == "step.started" and states.get(step_id) not in {"queued", "retry_scheduled", "started"}:
            yield f"order: {task.task_id} step {step_id} started when {states.get(step_id, 'waiting')}"
        if event.type == "step.completed" and event.attempt is not None and states.get(step_id) != "started":
            yield f"order: {task.task_id} step {step_id} completed when {states.get(step_id, 'waiting')}"
        if event.type == "step.queued":
            yield from _early_child(task, step_id, states)
        states[step_id] = _state_after(event, states.get(step_id, "waiting"))


def _early_child(task: Task, step_id: int, states: dict[int, str]) -> Iterator[str]:
    for parent in task.steps.get(step_id, {}).get("depends_on", ()):
        policy = task.steps[parent].get("on_failure") or "fail"
        allowed = {"completed"} | ({"failed", "skipped", "cancelled"} if policy == "continue" else set())
        # What a retriever had not found when the task was told to finish, nobody waits for.
        allowed |= {"skipped", "cancelled"} if _finishing(task) else set()
        if states.get(parent) not in allowed:
            yield f"order: {task.task_id} step {step_id} queued while step {parent} was {states.get(parent, 'waiting')}"


def _finishing(task: Task) -> bool:
    return any(event.data.get("mode") == "finish" for event in task.of_type("task.cancel_requested"))


def _state_after(event: Event, before: str) -> str:
    """Reports do not change a step; a released, held or deferred one may start again from the queue."""
    word = event.type.removeprefix("step.")
    if word in {"released", "deferred"}:
        return "queued"
    return word if word in SETTLED | {"queued", "started", "retry_scheduled", "held"} else before


def bounded(evidence: Evidence) -> Iterator[str]:
    """A step fails as often as it may, and survives as many deaths of its worker as it may."""
    for task in evidence.tasks.values():
        for segment in rounds(task):
            for step_id, events in segment.by_step.items():
                yield from _bounded(evidence, task, step_id, events)


def _bounded(evidence: Evidence, task: Task, step_id: int, events: list[Event]) -> Iterator[str]:
    step = task.steps.get(step_id, {})
    failures = sum(event.type in {"step.retry_scheduled", "step.failed"} for event in events)
    if is_ours(step) and failures > (step.get("max_attempts") or ATTEMPTS_MAX) + _poisoned(events):
        yield f"bounds: {task.task_id} step {step_id} failed {failures} times"
    deaths = sum(event.type == "step.redelivered" for event in events)
    if deaths >= evidence.terms.crashes_max:
        yield f"bounds: {task.task_id} step {step_id} outlived {deaths} workers"


def _poisoned(events: list[Event]) -> int:
    return sum(event.data["error"]["code"] == "poison" for event in events if event.type == "step.failed")


def run_once(evidence: Evidence) -> Iterator[str]:
    """Each attempt calls the agent once, and no agent is called without an attempt."""
    started = {
        (task.task_id, event.step, event.attempt)
        for task in evidence.tasks.values()
        for event in task.of_type("step.started")
    }
    for (task_id, step_id, attempt), runs in evidence.runs_of.items():
        if len(runs) > 1:
            yield f"runs: {task_id} step {step_id} attempt {attempt} ran {len(runs)} times"
        if task_id in evidence.tasks and (task_id, step_id, attempt) not in started:
            yield f"runs: {task_id} step {step_id} attempt {attempt} ran and never started"


def keys_are_stable(evidence: Evidence) -> Iterator[str]:
    """An idempotency key is the same in all attempts, until somebody asks for the step to be done anew."""
    for task in evidence.tasks.values():
        for segment in rounds(task):
            for step_id, events in segment.by_step.items():
                yield from _unstable(evidence, task, step_id, events)


def _unstable(evidence: Evidence, task: Task, step_id: int, events: list[Event]) -> Iterator[str]:
    starts = [event for event in events if event.type == "step.started"]
    for before, after in pairwise(starts):
        one, other = evidence.run_of(task.task_id, before), evidence.run_of(task.task_id, after)
        if one and other and one.key != other.key:
            yield f"keys: {task.task_id} step {step_id} has another key in attempt {after.attempt}"
