"""Results: one completion counts, it is that of a run the ledger saw succeed, and it is what others were given."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from ..evidence import Event, Evidence, Task
from .common import CLOCK_SLACK_S, is_ours, near, rounds


def effective(evidence: Evidence) -> Iterator[str]:
    """A step completes once, by a run that the ledger saw come to its end before, in the process that says so."""
    for task in evidence.tasks.values():
        for segment in rounds(task):
            done = [event for event in segment.events if event.type == "step.completed"]
            for step_id, count in Counter(event.step for event in done).items():
                if count > 1:
                    yield f"completed: {task.task_id} step {step_id} {count} times"
            for event in done:
                yield from _ineffective(evidence, task, event)


def _ineffective(evidence: Evidence, task: Task, event: Event) -> Iterator[str]:
    if event.attempt is None or not is_ours(task.steps.get(event.step or 0, {})):
        return
    run = evidence.run_of(task.task_id, event)
    where = f"{task.task_id} step {event.step} attempt {event.attempt}"
    if run is None or run.outcome != "done" or run.ended_s is None:
        yield f"completed: {where} by a run that {run.outcome if run else 'never began'}"
    elif run.ended_s > event.ts / 1000 + CLOCK_SLACK_S:
        yield f"completed: {where} before its run had ended"
    elif run.run_id != event.data["summary"] or run.pid != event.pid:
        yield f"completed: {where} with the result of another run"


def results_are_the_winners(evidence: Evidence) -> Iterator[str]:
    """The outputs of a task, and what its last steps were given, are those of the runs that count."""
    for task in evidence.tasks.values():
        winners = {event.step: event.data["summary"] for event in task.of_type("step.completed")}
        for output in _outputs(task):
            where = f"{task.task_id} step {output['step_id']}"
            made = output["data"]
            if made["run"] != winners.get(output["step_id"]):
                yield f"result: {where} is of run {made['run']}"
            for parent, run_id in made["parents"].items():
                if run_id != winners.get(int(parent)):
                    yield f"result: {where} was given run {run_id} of step {parent}"


def _outputs(task: Task) -> list[dict[str, Any]]:
    if task.result is None or task.result.status != 200:
        return []
    return [output for output in task.result.body["outputs"] if is_ours(task.steps[output["step_id"]])]


def done_once(evidence: Evidence) -> Iterator[str]:
    """What is to happen once happens once, but for a crash in the middle of it, and all attempts see one outcome."""
    times: dict[tuple[str, int], list[float]] = {}
    for once in evidence.onces:
        times.setdefault((once.task_id, once.step_id), []).append(once.at_s)
    for (task_id, step_id), at_s in times.items():
        excused = [again for again in sorted(at_s)[1:] if near(evidence, again)]
        if len(at_s) - len(excused) > 1:
            yield f"once: {task_id} step {step_id} did it {len(at_s)} times"
    memos: dict[tuple[str, int, str], set[str]] = {}
    for run in evidence.runs:
        if run.memo is not None:
            memos.setdefault((run.task_id, run.step_id, run.key), set()).add(run.memo)
    for (task_id, step_id, _), found in memos.items():
        if len(found) > 1:
            yield f"once: {task_id} step {step_id} remembers {sorted(found)}"
