"""
Judges the evidence of a soak. Pure: the same evidence, the same findings.

Each property is a function in `properties/` that yields one sentence per violation, beginning with its name.
"""

from collections.abc import Callable, Iterator, Sequence

from ..faults import Findings
from .evidence import Evidence
from .properties import answers, attempts, figures, logs, outcomes, recovery, remains, results, steering, times

Property = Callable[[Evidence], Iterator[str]]

PROPERTIES: tuple[Property, ...] = (
    answers.no_loss, answers.refusals, answers.one_task_each, answers.conflicts, answers.strangers,
    logs.gapless, logs.terminal_last, logs.viewers_agree, logs.sessions_go_on, logs.streams_end, logs.streams_hold,
    attempts.numbered, attempts.ended_once, attempts.causal, attempts.bounded, attempts.run_once,
    attempts.keys_are_stable,
    results.effective, results.results_are_the_winners, results.done_once,
    recovery.duplicates, recovery.releases, recovery.overlaps, recovery.unseen, recovery.recovered,
    times.never_early, times.not_before, times.deadlines,
    steering.cancelled, steering.cancel_latency, steering.paused, steering.concurrency, steering.verbs,
    outcomes.steps, outcomes.tasks, outcomes.waste,
    figures.metrics, figures.views, figures.endings, figures.queue_waits, figures.counters,
    remains.nothing_left, remains.dead_letters,
)  # fmt: skip


def check(evidence: Evidence, troubles: Sequence[str] = ()) -> Findings:
    violations = [violation for judge in PROPERTIES for violation in judge(evidence)]
    explained, _ = recovery.attributed(evidence)
    waits = [wait.seconds for wait in recovery.waits(evidence)]
    return Findings([*violations, *troubles], explained, max(waits, default=0.0))
