"""
The default planner: deterministic, offline, well below a millisecond for a usual task.

    one part        retriever ─► analyzer ─► writer
    several parts   retriever ─► analyzer ─┐
                    retriever ─► analyzer ─┼─► analyzer (merge) ─► writer
                    retriever ─► analyzer ─┘

A part of several that fails does not end the task: its search and its analysis go on without output, the merge says
what is missing. Where nothing is left to work on, the merge fails, and so does a task of one part.
"""

from collections.abc import Sequence
from typing import Any

from app.model.plan import Intent, OnFailure, PlannerName
from app.planning import reasons
from app.planning.branches import Branch
from app.planning.planner import RawStep
from app.planning.reading import EVERYTHING, Reading, read

GOAL_CHARS_MAX = 4_000
#: A summary of everything needs more than the passages that answer a question.
SUMMARY_PASSAGES = 24
NOTHING_ASKED = "(nothing was asked)"


class RulePlanner:
    """Reads the task's wording; see `reading` for what it recognises."""

    name: PlannerName = "rules"

    def plan(self, goal: str) -> list[RawStep]:
        """Steps for the agents `retriever`, `analyzer` and `writer`; any text gives a valid plan."""
        goal = goal.encode("utf-8", "replace").decode().strip() or NOTHING_ASKED
        reading = read(goal)
        steps = _searches(reading) + _analyses(reading)
        if len(reading.branches) > 1:
            steps.append(_merge(reading))
        steps.append(_report(reading, goal[:GOAL_CHARS_MAX], len(steps)))
        return steps


def _searches(reading: Reading) -> list[RawStep]:
    return [
        _step(index, "retriever", _search(branch), [], reasons.search(reading, branch)) | _policy(reading)
        for index, branch in enumerate(reading.branches, start=1)
    ]


def _search(branch: Branch) -> dict[str, Any]:
    """A question by itself is searched for as it stands: its small words and their order help to rank."""
    more = {"passages_max": SUMMARY_PASSAGES} if branch.query == EVERYTHING else {}
    return {"text": branch.sought or branch.query, **more}


def _analyses(reading: Reading) -> list[RawStep]:
    count = len(reading.branches)
    return [
        _step(count + index, "analyzer", _asked(branch, count > 1), [index], reasons.analysis(branch))
        | _policy(reading)
        for index, branch in enumerate(reading.branches, start=1)
    ]


def _asked(branch: Branch, merged: bool) -> dict[str, Any]:
    """What is missing is searched for again by the merge alone, which sees all parts: so the plan stays bounded."""
    once = {"follow_ups": 0} if merged else {}
    return _payload(branch.question, branch.intent, (), branch.aspects) | once


def _policy(reading: Reading) -> dict[str, Any]:
    return {"on_failure": str(OnFailure.CONTINUE)} if len(reading.branches) > 1 else {}


def _merge(reading: Reading) -> RawStep:
    count = len(reading.branches)
    payload = _payload(reading.question, reading.intent, _subjects(reading), reading.aspects)
    return _step(2 * count + 1, "analyzer", payload, list(range(count + 1, 2 * count + 1)), reasons.merge(reading))


def _report(reading: Reading, goal: str, before: int) -> RawStep:
    payload = _payload(goal, reading.intent, _subjects(reading), reading.aspects)
    return _step(before + 1, "writer", payload, [before], reasons.report(reading))


def _subjects(reading: Reading) -> Sequence[str]:
    return [branch.subject for branch in reading.branches] if len(reading.branches) > 1 else []


def _payload(text: str, intent: Intent, subjects: Sequence[str], aspects: Sequence[str]) -> dict[str, Any]:
    """Without what the agents take for granted."""
    lists = {name: list(value) for name, value in (("subjects", subjects), ("aspects", aspects)) if value}
    return {"text": text, "intent": str(intent), **lists}


def _step(step_id: int, agent: str, payload: dict[str, Any], depends_on: list[int], reason: str) -> RawStep:
    return {"step_id": step_id, "agent": agent, "payload": payload, "depends_on": depends_on, "reason": reason}
