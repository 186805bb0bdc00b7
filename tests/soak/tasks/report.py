"""What is told of a soak: its scorecard, and in a file all that is known of the tasks with a violation."""

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

from ..faults import by_kind
from ..scorecard import counts
from .soak import Outcome, Plan


def rows(outcome: Outcome, plan: Plan) -> dict[str, str]:
    """The scorecard."""
    evidence, findings = outcome.evidence, outcome.findings
    tasks = evidence.tasks.values()
    answers = Counter(answer.status for sent in evidence.submissions for answer in sent.answers)
    sessions = [session for viewing in evidence.viewings for session in viewing.sessions]
    frames = sum(len(session.frames) for session in sessions)
    acts = Counter(f"{act.verb} {act.answer.status or 'unanswered'}" for act in evidence.acts)
    events = Counter(event.type for task in tasks for event in task.events)
    return {
        "seed": str(plan.seed),
        "seconds": f"{plan.seconds:.0f} and {outcome.drained_s:.1f} to drain",
        "features": ", ".join(sorted(evidence.features)) or "none",
        "submissions by answer": counts({str(status or "none"): count for status, count in answers.items()}),
        "tasks": f"{len(evidence.tasks)}: {counts(Counter(task.status or 'open' for task in tasks))}",
        "steps, runs in the ledger": f"{sum(len(task.steps) for task in tasks)}, {len(evidence.runs)}",
        "events": str(sum(events.values())),
        "retried, deferred, released": ", ".join(
            str(events[f"step.{word}"]) for word in ("retry_scheduled", "deferred", "released")
        ),
        "streams": f"{len(sessions)} with {frames} events, {counts(Counter(session.ended for session in sessions))}",
        "steering": counts(acts),
        "faults": f"{len(evidence.blows)}: {counts(by_kind(evidence.blows))}",
        "taken over from a silent worker": f"{findings.duplicates} explained: {counts(findings.explained)}",
        "a dead worker's step starts": f"after {findings.recovery_s_max:.1f} s at most",
        "lease, longest step": f"{plan.size.lease_ms / 1000:.1f} s, {plan.long_ms / 1000:.1f} s",
        "lost": str(sum(violation.startswith("lost") for violation in findings.violations)),
    }


def keep(outcome: Outcome, file: Path) -> None:
    """Writes the violations, the faults, and for each task that a violation names its log and its runs."""
    evidence, violations = outcome.evidence, outcome.findings.violations
    named = {task_id for task_id in evidence.tasks if any(task_id in violation for violation in violations)}
    kept = {
        "violations": list(violations),
        "faults": [asdict(blow) for blow in evidence.blows],
        "tasks": {
            task_id: {
                "events": [json.loads(body) for body in evidence.tasks[task_id].bodies],
                "runs": [asdict(run) for run in evidence.runs if run.task_id == task_id],
                "acts": [asdict(act) for act in evidence.acts if act.task_id == task_id],
                "view": evidence.tasks[task_id].view,
            }
            for task_id in sorted(named)
        },
    }
    file.write_text(json.dumps(kept, indent=1))
