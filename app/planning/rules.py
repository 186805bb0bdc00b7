"""
The default planner: deterministic, offline, well below a millisecond for a usual task.

    one part        retriever ─► analyzer ─► writer
    several parts   retriever ─► analyzer ─┐
                    retriever ─► analyzer ─┼─► analyzer (merge) ─► writer
                    retriever ─► analyzer ─┘
"""

from app.model.plan import PlannerName
from app.planning.planner import RawStep
from app.planning.reading import Branch, Reading, read

GOAL_CHARS_MAX = 4_000
REASON_CHARS_MAX = 300
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
    several = len(reading.branches) > 1
    why = "Search for {} by itself; the searches run side by side." if several else "Search for {}."
    return [
        _step(index, "retriever", {"text": branch.query}, [], why.format(branch.subject))
        for index, branch in enumerate(reading.branches, start=1)
    ]


def _analyses(reading: Reading) -> list[RawStep]:
    count = len(reading.branches)
    return [
        _step(count + index, "analyzer", {"text": branch.question}, [index], _why(branch))
        for index, branch in enumerate(reading.branches, start=1)
    ]


def _why(branch: Branch) -> str:
    return f"Work out what the passages say about {branch.subject}."


def _merge(reading: Reading) -> RawStep:
    count = len(reading.branches)
    why = "Set the subjects side by side." if reading.compares else "Bring the parts together."
    payload = {"text": reading.question, "subjects": [branch.subject for branch in reading.branches]}
    return _step(2 * count + 1, "analyzer", payload, list(range(count + 1, 2 * count + 1)), why)


def _report(reading: Reading, goal: str, before: int) -> RawStep:
    subjects = [branch.subject for branch in reading.branches] if len(reading.branches) > 1 else []
    payload = {"text": goal, "subjects": subjects}
    return _step(before + 1, "writer", payload, [before], "Write the report and check its citations.")


def _step(step_id: int, agent: str, payload: RawStep, depends_on: list[int], reason: str) -> RawStep:
    return {
        "step_id": step_id,
        "agent": agent,
        "payload": payload,
        "depends_on": depends_on,
        "reason": reason if len(reason) <= REASON_CHARS_MAX else reason[: REASON_CHARS_MAX - 1] + "…",
    }
