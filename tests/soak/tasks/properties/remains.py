"""What is left after the drain: nothing but what may stay."""

from collections import Counter
from collections.abc import Iterator

from ..evidence import Evidence


def nothing_left(evidence: Evidence) -> Iterator[str]:
    """Streams, delays and open tasks are empty, every other key expires, and nothing had to be repaired."""
    remains = evidence.remains
    for name, count in remains.left.items():
        if count:
            yield f"left over: {count} {name}"
    for key in remains.immortal:
        yield f"left over: {key} never expires"
    if remains.repaired:
        yield f"repaired: {remains.repaired} steps had to be sent again"


def dead_letters(evidence: Evidence) -> Iterator[str]:
    """Each step that failed for good is a dead letter once, and nothing else is; a retried task may take its back."""
    retried = {task.task_id for task in evidence.tasks.values() if task.retries_in_place}
    failed = Counter(
        (task.task_id, event.step or 0)
        for task in evidence.tasks.values()
        for event in task.of_type("step.failed")
        if task.task_id not in retried
    )
    dead = Counter(letter for letter in evidence.remains.dead if letter[0] not in retried)
    for task_id, step_id in (failed - dead).elements():
        yield f"dead: {task_id} step {step_id} failed and is no dead letter"
    for task_id, step_id in (dead - failed).elements():
        yield f"dead: {task_id} step {step_id} is a dead letter and did not fail"
