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
        if int(entry.partition(":")[0]) in ids and not ids.isdisjoint(_added(entry)):
            kept.append(entry)
    return kept


def as_sent(plan: Plan, grown: Sequence[str]) -> list[Step]:
    """The plan without the steps that others have added; what waited for these waits for those that added them."""
    added = {step_id for entry in grown for step_id in _added(entry)}
    return [
        step.model_copy(update={"depends_on": tuple(below for below in step.depends_on if below not in added)})
        for step in plan.steps
        if step.step_id not in added
    ]


def _added(entry: str) -> range:
    """The steps of an entry of the field `grown`, `<parent>:<first>-<last>`."""
    first, _, last = entry.partition(":")[2].partition("-")
    return range(int(first), int(last) + 1)


def _content(step: Step) -> tuple[object, ...]:
    return step.agent, step.payload, frozenset(step.depends_on)
