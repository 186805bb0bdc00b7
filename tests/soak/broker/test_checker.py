"""The judge of the soak is judged: good evidence passes, and each kind of bad evidence is found."""

from dataclasses import replace

import pytest

from ..faults import Blow, Fault, Terms, attribute
from .checker import check
from .evidence import Evidence, Kind, Remains, Run, Sent

TERMS = Terms(lease_s=3, margin_s=2, held_max=2, workers=3)


def run(message_id: str, started_s: float, attempt: int = 0, *, ended: bool = True) -> Run:
    return Run(message_id, attempt, started_s, started_s + 0.1 if ended else None, "worker")


GOOD = Evidence(
    sent=[Sent("plain"), Sent("late", due_s=5.0), Sent("again", Kind.RETRIED), Sent("bad", Kind.POISON)],
    runs=[run("plain", 1), run("late", 5), run("again", 2), run("again", 3, attempt=1), run("bad", 4)],
    blows=[],
    remains=Remains(dead={"bad": "failed"}, entries_added=5),
)
KILLED = Blow(Fault.KILL, 10, 10)


def test_good_evidence_has_no_violation() -> None:
    """Every message ran as often as it must, and nothing is left."""
    findings = check(GOOD, TERMS)

    assert findings.violations == []
    assert findings.duplicates == 0


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        pytest.param(replace(GOOD, runs=GOOD.runs[1:]), "lost: plain", id="a message never ran"),
        pytest.param(replace(GOOD, runs=[run("plain", 1, ended=False), *GOOD.runs[1:]]), "lost: plain", id="no end"),
        pytest.param(
            replace(GOOD, runs=[r for r in GOOD.runs if r.attempt == 0]), "lost: again", id="a retry never ran"
        ),
        pytest.param(replace(GOOD, runs=[*GOOD.runs, run("plain", 9)]), "duplicated: plain", id="a second start"),
        pytest.param(replace(GOOD, runs=[*GOOD.runs, run("ghost", 9)]), "unknown: ghost", id="nobody sent it"),
        pytest.param(
            replace(GOOD, sent=[replace(GOOD.sent[0], due_s=1.5), *GOOD.sent[1:]]), "early: plain", id="too early"
        ),
        pytest.param(
            replace(GOOD, remains=replace(GOOD.remains, entries_added=6)), "settled twice", id="a follower twice"
        ),
        pytest.param(
            replace(GOOD, remains=replace(GOOD.remains, dead={"bad": "failed", "plain": "failed"})),
            "dead: plain",
            id="an innocent dead letter",
        ),
        pytest.param(
            replace(GOOD, remains=replace(GOOD.remains, dead={"bad": "failed", "plain": "crashed"})),
            "dead: plain",
            id="buried for crashes that were none",
        ),
        pytest.param(
            replace(GOOD, remains=replace(GOOD.remains, dead={})), "dead: poison bad", id="a dead one is gone"
        ),
        pytest.param(
            replace(GOOD, remains=replace(GOOD.remains, dead={"bad": "failed", "deadly": "crashed"})),
            "dead: deadly was buried",
            id="buried for a crash where none was",
        ),
    ],
)
def test_bad_evidence_is_found(bad: Evidence, word: str) -> None:
    """Each seeded violation is named."""
    violations = check(bad, TERMS).violations

    assert any(violation.startswith(word) for violation in violations), violations


@pytest.mark.parametrize("name", ["waiting", "pending", "due", "due_bodies"])
def test_anything_left_is_found(name: str) -> None:
    """One entry in one place is enough."""
    remains = replace(GOOD.remains, **{name: 1})

    assert check(replace(GOOD, remains=remains), TERMS).violations == [f"left over: 1 {name}"]


@pytest.mark.parametrize(("at_s", "explained"), [(9.8, False), (10.0, True), (14.9, True), (15.1, False)])
def test_a_fault_explains_what_lies_in_its_window(at_s: float, explained: bool) -> None:
    """From its beginning to a lease and a margin behind its end."""
    evidence = replace(GOOD, runs=[*GOOD.runs, run("plain", at_s)], blows=[KILLED])

    assert (check(evidence, TERMS).violations == []) is explained


def test_a_fault_explains_no_more_than_a_worker_holds() -> None:
    """Two of three second starts are explained by the death of one worker that holds two."""
    repeats = [run("a", 11), run("b", 11), run("c", 11)]

    explained, unexplained = attribute(repeats, [KILLED], TERMS)

    assert explained == {"kill": 2}
    assert [repeat.message_id for repeat in unexplained] == ["c"]


def test_faults_are_not_wasted() -> None:
    """What only the later fault explains is left to it, although the earlier one came first."""
    blows = [Blow(Fault.KILL, 14, 14), KILLED]
    repeats = [run("a", 12.5), run("b", 12.5), run("c", 16), run("d", 16)]

    assert attribute(repeats, blows, TERMS)[1] == []


@pytest.mark.parametrize("fault", [Fault.CUT, Fault.TERMINATE])
def test_a_gentle_fault_excuses_nothing(fault: Fault) -> None:
    """A cut connection and a worker that is asked to stop must not cost a second start."""
    evidence = replace(GOOD, runs=[*GOOD.runs, run("plain", 11)], blows=[Blow(fault, 10, 10)])

    assert any(v.startswith("duplicated") for v in check(evidence, TERMS).violations)


def test_a_send_that_may_have_failed_may_be_missing() -> None:
    """Not once or not at all is a violation, but half."""
    unsure = Sent("unsure", Kind.RETRIED, accepted=False)
    absent = replace(GOOD, sent=[*GOOD.sent, unsure])
    half = replace(absent, runs=[*GOOD.runs, run("unsure", 6)])

    assert check(absent, TERMS).violations == []
    assert check(half, TERMS).violations == ["lost: unsure (retried) attempt 1"]


def test_a_message_that_died_with_its_workers_is_a_rightful_dead_letter() -> None:
    """Three starts, none of which ended, and a fault for each."""
    starts = [run("plain", at_s, ended=False) for at_s in (1, 5, 9)]
    evidence = replace(
        GOOD,
        runs=[*starts, *GOOD.runs[1:]],
        blows=[Blow(Fault.KILL, at_s, at_s) for at_s in (1.5, 5.5, 9.5)],
        remains=replace(GOOD.remains, dead={"bad": "failed", "plain": "crashed"}),
    )

    assert check(evidence, TERMS).violations == []


def deadly(starts: int) -> Evidence:
    """Good evidence beside a message that killed so many workers, each of which held a plain one."""
    return replace(
        GOOD,
        sent=[*GOOD.sent, Sent("deadly", Kind.DEADLY)],
        runs=[*GOOD.runs, run("plain", 9), *(run("deadly", 8 + n, ended=False) for n in range(starts))],
        remains=Remains(dead={"bad": "failed", "deadly": "crashed"}, entries_added=6),
    )


def test_a_deadly_message_explains_what_its_victims_held() -> None:
    """It starts three times, and is a fault itself."""
    assert check(deadly(3), TERMS).violations == []


def test_a_deadly_message_may_not_kill_for_ever() -> None:
    """The fourth start is one too many."""
    assert check(deadly(4), TERMS).violations == ["dead: deadly killed 4 workers"]


def test_a_deadly_message_must_end_among_the_dead_letters() -> None:
    """Gone without a trace is lost."""
    evidence = replace(deadly(3), remains=replace(GOOD.remains, entries_added=6))

    assert check(evidence, TERMS).violations == ["dead: deadly deadly is not among the dead letters"]
