"""
Judges the evidence of a soak. Pure: the same evidence, the same findings.

    lost          an accepted message of which an attempt never came to its end
    duplicated    a second start that no fault explains, or more of them than the faults can explain
    settled twice more entries were added than messages, retries and steps account for: somebody settled what
                  was no longer his, and its followers exist twice
    early         a start before the due time
    unknown       a run of a message that nobody sent
    left over     anything waiting, pending or delayed after the drain
    dead          dead letters that are not exactly the poison and the deadly ones, or a deadly one that killed
                  more workers than it may
"""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from ..faults import Blow, Fault, Findings, Terms, attribute
from .evidence import Evidence, Kind, Run

#: Two clocks of one machine are compared, both in whole milliseconds at worst.
CLOCK_SLACK_S = 0.005


def check(evidence: Evidence, terms: Terms) -> Findings:
    deadly = {sent.message_id for sent in evidence.sent if sent.kind is Kind.DEADLY}
    repeats = [run for run in _repeats(evidence.runs) if run.message_id not in deadly]
    explained, unexplained = attribute(repeats, [*evidence.blows, *_murders(evidence, deadly)], terms)
    violations = [
        *_lost(evidence),
        *(f"duplicated: {run.message_id} attempt {run.attempt} at {run.started_s:.3f}" for run in unexplained),
        *_settled_twice(evidence),
        *_early(evidence),
        *_unknown(evidence),
        *_left_over(evidence),
        *_dead(evidence, terms),
    ]
    return Findings(violations, explained, _recovery_s_max(evidence.runs))


def _murders(evidence: Evidence, deadly: set[str]) -> list[Blow]:
    """Each start of a deadly message is the death of a worker."""
    return [Blow(Fault.KILL, r.started_s, r.started_s) for r in evidence.runs if r.message_id in deadly]


def _by_attempt(runs: Sequence[Run]) -> dict[tuple[str, int], list[Run]]:
    found: defaultdict[tuple[str, int], list[Run]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.started_s):
        found[run.message_id, run.attempt].append(run)
    return found


def _repeats(runs: Sequence[Run]) -> list[Run]:
    """Every start of an attempt but the first."""
    return [again for starts in _by_attempt(runs).values() for again in starts[1:]]


def _recovery_s_max(runs: Sequence[Run]) -> float:
    waits = [
        later.started_s - run.started_s
        for starts in _by_attempt(runs).values()
        for run, later in itertools.pairwise(starts)
        if run.ended_s is None
    ]
    return max(waits, default=0.0)


def _lost(evidence: Evidence) -> Iterator[str]:
    ended = {(run.message_id, run.attempt) for run in evidence.runs if run.ended_s is not None}
    for sent in evidence.sent:
        # One that may not have arrived must still be run whole, or not at all; buried ones are looked at below.
        begun = sent.accepted or (sent.message_id, 0) in ended
        if not begun or sent.kind is Kind.DEADLY or _died_by_crashes(evidence, sent.message_id):
            continue
        for attempt in range(sent.attempts):
            if (sent.message_id, attempt) not in ended:
                yield f"lost: {sent.message_id} ({sent.kind.value}) attempt {attempt}"


def _settled_twice(evidence: Evidence) -> Iterator[str]:
    least = sum(sent.attempts for sent in evidence.sent if sent.accepted)
    most = sum(sent.attempts for sent in evidence.sent)
    added = evidence.remains.entries_added
    # One that died by crashes may lack its later entries, and the one of the step behind it.
    spared = 2 * sum(_died_by_crashes(evidence, message_id) for message_id in evidence.remains.dead)
    if not least - spared <= added <= most:
        yield f"settled twice: {added} entries added where {least} to {most} are accounted for"


def _early(evidence: Evidence) -> Iterator[str]:
    due = {sent.message_id: sent.due_s for sent in evidence.sent}
    for run in evidence.runs:
        if run.started_s < due.get(run.message_id, 0.0) - CLOCK_SLACK_S:
            yield f"early: {run.message_id} by {due[run.message_id] - run.started_s:.3f} s"


def _unknown(evidence: Evidence) -> Iterator[str]:
    known = {sent.message_id for sent in evidence.sent}
    for message_id in sorted({run.message_id for run in evidence.runs} - known):
        yield f"unknown: {message_id}"


def _left_over(evidence: Evidence) -> Iterator[str]:
    remains = evidence.remains
    for name in ("waiting", "pending", "due", "due_bodies"):
        if count := getattr(remains, name):
            yield f"left over: {count} {name}"


def _dead(evidence: Evidence, terms: Terms) -> Iterator[str]:
    """Who must be dead and is not, and who must not be and is."""
    dead = evidence.remains.dead
    kinds = {sent.message_id: sent.kind for sent in evidence.sent}
    starts = Counter(run.message_id for run in evidence.runs)
    for sent in evidence.sent:
        if sent.accepted and sent.kind in {Kind.POISON, Kind.DEADLY} and sent.message_id not in dead:
            yield f"dead: {sent.kind.value} {sent.message_id} is not among the dead letters"
        if sent.kind is Kind.DEADLY and starts[sent.message_id] > terms.crashes_max:
            yield f"dead: {sent.message_id} killed {starts[sent.message_id]} workers"
    for message_id, reason in dead.items():
        if kinds.get(message_id) is Kind.POISON and reason != "crashed":
            continue
        # The first worker that dies with a message leaves no mark, and may not have begun it.
        crashed = reason == "crashed" and starts[message_id] >= terms.crashes_max - 1
        if not crashed or not _deaths(evidence, kinds):
            yield f"dead: {message_id} was buried, {reason}"


def _deaths(evidence: Evidence, kinds: Mapping[str, Kind]) -> bool:
    """Whether any worker can have died, or seemed to."""
    violent = any(blow.fault in {Fault.KILL, Fault.FREEZE, Fault.RESTART} for blow in evidence.blows)
    return violent or Kind.DEADLY in kinds.values()


def _died_by_crashes(evidence: Evidence, message_id: str) -> bool:
    return evidence.remains.dead.get(message_id) == "crashed"
