"""What clients were told: an accepted task ends, a refusal has a reason, the same key is the same task."""

from collections import Counter
from collections.abc import Iterator

from ...faults import Fault
from ..evidence import NUMBER_LABEL, Answer, Evidence
from .common import near

#: Faults after which no answer may come at all.
SILENCING = (Fault.API_KILL, Fault.API_FREEZE, Fault.API_TERMINATE)
#: Faults that make an API say 503. A cut connection is not among them: the call is repeated.
REFUSING = (Fault.RESTART, Fault.FULL, *SILENCING)
#: What a task that may have ended meanwhile, or never failed, answers to being steered.
STEERED = frozenset({200, 202, 409, 422})


def no_loss(evidence: Evidence) -> Iterator[str]:
    """Every accepted task is known and has reached its end."""
    accepted = {task_id for submission in evidence.submissions for task_id in submission.task_ids}
    accepted |= {act.answer.task_id for act in evidence.acts if act.verb == "fork" and act.answer.task_id}
    for task_id in sorted(accepted):
        if task_id not in evidence.tasks:
            yield f"lost: {task_id} was accepted and is not known"
    for task in evidence.tasks.values():
        if not task.status:
            yield f"lost: {task.task_id} has not ended"


def refusals(evidence: Evidence) -> Iterator[str]:
    """An answer is one of those that are promised, and a refusal or a silence has its fault."""
    for submission in evidence.submissions:
        for answer in submission.answers:
            if answer.status != 202:
                yield from _refusal(evidence, answer, f"submission {submission.number}")
    for act in evidence.acts:
        if act.answer.status not in STEERED:
            yield from _refusal(evidence, act.answer, f"{act.verb} of {act.task_id}")


def _refusal(evidence: Evidence, answer: Answer, what: str) -> Iterator[str]:
    kinds = {0: SILENCING, 503: REFUSING}.get(answer.status)
    if kinds is None:
        yield f"refused: {what} got {answer.status}: {answer.body.get('detail')}"
    elif not (answer.impatient or _near(evidence, answer, kinds)):
        yield f"refused: {what} got {answer.status} although nothing was broken: {answer.body.get('detail')}"


def _near(evidence: Evidence, answer: Answer, kinds: tuple[Fault, ...]) -> bool:
    return any(near(evidence, at_s, *kinds, after_s=evidence.terms.boot_s) for at_s in (answer.sent_s, answer.at_s))


def one_task_each(evidence: Evidence) -> Iterator[str]:
    """A submission makes one task at most, however often it was sent with its key; an accepted one exactly one."""
    made = Counter(
        task.number for task in evidence.tasks.values() if task.number is not None and not _is_fork(task.events[0].data)
    )
    for submission in evidence.submissions:
        if len(submission.task_ids) > 1:
            yield f"idempotency: one key, tasks {sorted(submission.task_ids)}"
        if made[submission.number] > 1:
            yield f"idempotency: submission {submission.number} made {made[submission.number]} tasks"


def _is_fork(submitted: object) -> bool:
    return isinstance(submitted, dict) and bool(submitted.get("parent_task_id"))


def conflicts(evidence: Evidence) -> Iterator[str]:
    """The same key with another body is refused."""
    for submission in evidence.submissions:
        conflict = submission.conflict
        if conflict is not None and conflict.status not in {0, 422, 503}:
            yield f"idempotency: submission {submission.number} with another body got {conflict.status}"


def strangers(evidence: Evidence) -> Iterator[str]:
    """Nothing ran that nobody submitted, and every task says which submission it is."""
    numbers = {submission.number for submission in evidence.submissions}
    for task_id in sorted({run.task_id for run in evidence.runs} - set(evidence.tasks)):
        yield f"stranger: {task_id} ran and is not known"
    for task in evidence.tasks.values():
        if task.number not in numbers:
            yield f"stranger: {task.task_id} has the {NUMBER_LABEL} label {task.number}"
