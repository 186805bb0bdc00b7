"""What need not run again when a plan is changed."""

from collections.abc import Sequence

from app.model.plan import Plan, Step


def reusable_steps(before: Plan, after: Plan, completed: set[int], from_step: int | None = None) -> set[int]:
    """
    The steps of `after` that can take their result of `before` over.

    Not those that are new, altered or not completed, nor `from_step`, nor what depends on any of these. A
    step is the same when agent, payload and dependencies are: limits and reasons do not change a result.
    """
    known = {step.step_id: _content(step) for step in before.steps if step.step_id in completed}
    changed = {step.step_id for step in after.steps if known.get(step.step_id) != _content(step)}
    if from_step is not None:
        changed.add(from_step)
    again = {below for step_id in changed for below in after.below(step_id)}
    return {step.step_id for step in after.steps} - again


def still_grown(grown: Sequence[str], after: Plan) -> list[str]:
    """
    The steps that have added others, if any of these are in the plan `after`.

    Such a step adds nothing when it runs again: what it added runs again instead.
    """
    kept, ids = [], {step.step_id for step in after.steps}
    for entry in grown:
        parent, _, added = entry.partition(":")
        first, _, last = added.partition("-")
        if int(parent) in ids and not ids.isdisjoint(range(int(first), int(last) + 1)):
            kept.append(entry)
    return kept


def _content(step: Step) -> tuple[object, ...]:
    return step.agent, step.payload, frozenset(step.depends_on)
