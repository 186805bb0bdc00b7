"""What several properties need: the steps of all tasks, and a log cut where its task was retried."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ...faults import Fault
from ..evidence import Event, Evidence, Task, by_step

OURS = "soak-"
#: How far the clocks of two processes on one machine, read in milliseconds, may seem apart.
CLOCK_SLACK_S = 0.005


@dataclass(frozen=True, slots=True)
class Steps:
    """A part of a log in which each step is run to its end once; `before` is how steps stood when it began."""

    events: Sequence[Event]
    before: Mapping[int, str] = field(default_factory=dict)

    @property
    def by_step(self) -> dict[int, list[Event]]:
        return by_step(self.events)

    def states(self) -> dict[int, str]:
        """How each step stands at the end: the word of the event that settled it."""
        settling = {"step.completed", "step.failed", "step.skipped", "step.cancelled"}
        found = dict(self.before)
        for event in self.events:
            if event.type in settling and event.step is not None:
                found[event.step] = event.type.removeprefix("step.")
        return found


def near(evidence: Evidence, at_s: float, *kinds: Fault, after_s: float | None = None) -> bool:
    """
    Whether a fault, of these kinds if any are named, may have been at work at this time.

    Its work is over `after_s` behind its end; without that, when its victim's steps must have moved on.
    """
    lasting_s = evidence.terms.lease_s + evidence.terms.margin_s if after_s is None else after_s
    return any(
        blow.began_s - CLOCK_SLACK_S <= at_s <= blow.ended_s + lasting_s
        for blow in evidence.blows
        if not kinds or blow.fault in kinds
    )


def rounds(task: Task) -> list[Steps]:
    """The log, cut in front of each `task.retried`: the steps it names are run again, the others stand."""
    cuts = [event.seq - 1 for event in task.retries_in_place]
    pieces = []
    before: dict[int, str] = {}
    for start, stop in zip([0, *cuts], [*cuts, len(task.events)], strict=True):
        events = task.events[start:stop]
        again = set(events[0].data["steps"]) if start and events else set()
        before = {step_id: state for step_id, state in before.items() if step_id not in again}
        pieces.append(Steps(events, before))
        before = pieces[-1].states()
    return pieces


def steps_of(evidence: Evidence) -> Iterator[tuple[Task, int, list[Event]]]:
    """Every step of every task, with its events."""
    for task in evidence.tasks.values():
        for step_id, events in task.by_step.items():
            yield task, step_id, events


def is_ours(step: Mapping[str, Any]) -> bool:
    """Whether its agent writes into the ledger."""
    return str(step.get("agent", "")).startswith(OURS)


def work_of(step: Mapping[str, Any]) -> Mapping[str, Any]:
    """What the step was told to do."""
    payload = step.get("payload")
    return payload if isinstance(payload, dict) else {}
