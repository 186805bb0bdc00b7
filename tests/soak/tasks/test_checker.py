"""The judge of the soak is judged: good evidence passes, and for every property a bad log is found."""

from dataclasses import replace
from typing import Any

import pytest

from ..faults import Blow, Fault
from .checker import PROPERTIES, check
from .evidence import Act, Answer, Event, Evidence, Once, Remains, Run, Session, Submission, Viewing
from .samples import OPENED_MS, TASK, evidence, plain, step, told
from .stories import cancelled, expired, failed, limited, paused, put_off, retried, taken_over

OPENED_S = OPENED_MS / 1000
PLAIN = plain()
GOOD = evidence(PLAIN)
KILLED = Blow(Fault.KILL, OPENED_S + 0.06, OPENED_S + 0.06, victim=41)


def where(kind: str, nth: int = 0) -> int:
    """The place of the nth event of a kind in the plain story."""
    return [n for n, event in enumerate(PLAIN) if event.type == kind][nth]


def changed(kind: str, nth: int = 0, **fields: Any) -> Evidence:
    """The plain story with another event in one place; `data` is merged."""
    events, n = list(PLAIN), where(kind, nth)
    data = {**events[n].data, **fields.pop("data", {})}
    events[n] = replace(events[n], data=data, **fields)
    return evidence(events)


def without(kind: str, nth: int = 0) -> Evidence:
    return evidence([event for n, event in enumerate(PLAIN) if n != where(kind, nth)])


def with_task(**changes: Any) -> Evidence:
    """The plain task, of which the API says something else."""
    return replace(GOOD, tasks={TASK: replace(GOOD.tasks[TASK], **changes)})


def with_answer(status: int, at_s: float = OPENED_S) -> Evidence:
    refused = Submission(2, {}, None, [Answer(at_s, at_s + 0.1, status)])
    return replace(GOOD, submissions=[*GOOD.submissions, refused])


def with_session(session: Session) -> Evidence:
    return replace(GOOD, viewings=[*GOOD.viewings, Viewing(TASK, [session])])


def with_metrics(**changes: Any) -> Evidence:
    return with_task(metrics={**GOOD.tasks[TASK].metrics, **changes})


def with_runs(*runs: Run) -> Evidence:
    return replace(GOOD, runs=[*GOOD.runs, *runs])


def accepted(verb: str) -> list[Act]:
    return [Act(TASK, verb, Answer(OPENED_S, OPENED_S, 202))]


FAULTLESS = [
    pytest.param(GOOD, id="a step fails once"),
    pytest.param(evidence(taken_over(), blows=[KILLED]), id="a killed worker"),
    pytest.param(evidence(cancelled(), acts=accepted("cancel")), id="cancelled"),
    pytest.param(evidence(paused(), acts=accepted("pause")), id="paused"),
    pytest.param(evidence(retried(), acts=accepted("retry")), id="retried"),
    pytest.param(evidence(failed("fail")), id="a step fails"),
    pytest.param(evidence(failed("continue", how="completed")), id="a failure that is borne"),
    pytest.param(evidence(put_off()), id="put off"),
    pytest.param(evidence(expired()), id="expired"),
    pytest.param(evidence(limited(2)), id="a limit that holds"),
    pytest.param(
        replace(with_answer(503), blows=[Blow(Fault.RESTART, OPENED_S, OPENED_S)]), id="a refusal with a reason"
    ),
]

RUN = GOOD.runs[0]
OUTPUT = {"step_id": 2, "data": {"run": "run-2-2", "parents": {"1": "run-1-1"}}}
BAD = [
    ("lost", replace(GOOD, tasks={}, runs=[])),
    ("lost", evidence(PLAIN[:-1])),
    ("refused: submission 2 got 500", with_answer(500)),
    ("refused: submission 2 got 503", with_answer(503)),
    ("refused: submission 2 got 0", with_answer(0)),
    ("refused: cancel", replace(GOOD, acts=[Act(TASK, "cancel", Answer(0, 0, 500))])),
    ("idempotency: one key", replace(GOOD, submissions=[replace(GOOD.submissions[0], answers=[
        *GOOD.submissions[0].answers, Answer(0, 0, 202, {"task_id": "0-b"})])])),
    ("idempotency: submission 1 made 2", replace(GOOD, tasks={**GOOD.tasks, "0-b": told(PLAIN, "0-b")})),
    ("idempotency: submission 1 with another", replace(GOOD, submissions=[
        replace(GOOD.submissions[0], conflict=Answer(0, 0, 202))])),
    ("stranger: 0-b ran", with_runs(replace(RUN, task_id="0-b"))),
    ("stranger: 0-a has", replace(GOOD, submissions=[])),
    ("gap: 0-a has", with_task(bodies=[*GOOD.tasks[TASK].bodies[:4], *GOOD.tasks[TASK].bodies[5:]])),
    ("gap: the clock", changed("step.completed", ts=OPENED_MS)),
    ("terminal: 0-a goes on", evidence([*PLAIN, PLAIN[-1]])),
    ("terminal: 0-a was retried after", evidence(retried(directly=False), acts=accepted("retry"))),
    ("viewers: two saw", with_session(Session(0, [("1-8", GOOD.tasks[TASK].bodies[0])], "left"))),
    ("viewers: event 99", with_session(Session(98, [("99-7", GOOD.tasks[TASK].bodies[0])], "left"))),
    ("resume", with_session(Session(1, [("3-7", GOOD.tasks[TASK].bodies[2])], "left"))),
    ("reset", with_session(Session(0, [], "reset"))),
    ("end: a stream", with_session(Session(0, [("1-7", GOOD.tasks[TASK].bodies[0])], "end"))),
    ("end: 0-a was said", with_session(Session(1, [], "over"))),
    ("stream: one of 0-a after 0 stays", with_session(Session(0, [], "stuck"))),
    ("stream: one of 0-a after 0 broke", with_session(Session(0, [], "cut", OPENED_S))),
    ("stream: one of 0-a after 0 was refused", with_session(Session(0, [], "refused", OPENED_S, 503))),
    ("attempts: 0-a step 1 started as", changed("step.started", attempt=2)),
    ("attempts: 0-a step 2 attempt 2 began", without("step.retry_scheduled")),
    ("attempts: 0-a step 1 attempt 1 ended", without("step.started")),
    ("order: 0-a step 1 started when", without("step.queued")),
    ("order: 0-a step 1 completed when", without("step.started")),
    ("order: 0-a step 2 queued while", without("step.completed")),
    ("bounds: 0-a step 2 failed", evidence([
        *PLAIN[: where("step.retry_scheduled")], *[PLAIN[where("step.retry_scheduled")]] * 5, *PLAIN[-3:]])),
    ("bounds: 0-a step 1 outlived", evidence([
        *taken_over()[:-2], *[taken_over()[6]] * 2, *taken_over()[-2:]], blows=[KILLED])),
    ("runs: 0-a step 1 attempt 1 ran 2", with_runs(replace(RUN, run_id="x"))),
    ("runs: 0-a step 1 attempt 9", with_runs(replace(RUN, attempt=9))),
    ("keys", replace(GOOD, runs=[*GOOD.runs[:-1], replace(GOOD.runs[-1], key="another")])),
    ("completed: 0-a step 2 2 times", evidence([*PLAIN[:-1], PLAIN[-2], PLAIN[-1]])),
    ("completed: 0-a step 1 attempt 1 by a run that never", replace(GOOD, runs=GOOD.runs[1:])),
    ("completed: 0-a step 1 attempt 1 by a run that failed", replace(GOOD, runs=[
        replace(RUN, outcome="failed"), *GOOD.runs[1:]])),
    ("completed: 0-a step 1 attempt 1 before", replace(GOOD, runs=[
        replace(RUN, ended_s=OPENED_S + 9), *GOOD.runs[1:]])),
    ("completed: 0-a step 1 attempt 1 with", replace(GOOD, runs=[
        replace(RUN, pid=52), *GOOD.runs[1:]])),
    ("result: 0-a step 2 is of", with_task(result=Answer(0, 0, 200, {"outputs": [
        {**OUTPUT, "data": {"run": "run-2-1", "parents": {}}}]}))),
    ("result: 0-a step 2 was given", with_task(result=Answer(0, 0, 200, {"outputs": [
        {**OUTPUT, "data": {"run": "run-2-2", "parents": {"1": "run-1-0"}}}]}))),
    ("once: 0-a step 1 did", replace(GOOD, onces=[Once(TASK, 1, OPENED_S), Once(TASK, 1, OPENED_S + 1)])),
    ("once: 0-a step 1 remembers", replace(GOOD, runs=[
        replace(RUN, memo="a"), replace(RUN, memo="b", attempt=2), *GOOD.runs[1:]])),
    ("duplicate", evidence(taken_over())),
    ("duplicate", evidence(taken_over(), blows=[replace(KILLED, victim=77)])),
    ("duplicate", evidence(taken_over(), blows=[replace(KILLED, fault=Fault.CUT)])),
    ("duplicate", evidence(taken_over(9_000), blows=[KILLED])),
    ("released", evidence([*PLAIN[:-1], Event(0, "step.released", PLAIN[-1].ts, 2, 2, "host:42:x",
                                              {"reason": "shutdown"}), PLAIN[-1]])),
    ("overlap", replace(GOOD, runs=[
        *GOOD.runs[:-1], replace(GOOD.runs[-1], started_s=GOOD.runs[-2].started_s + 0.001)])),
    ("unseen", replace(GOOD, runs=GOOD.runs[1:])),
    ("recovery", evidence(taken_over(12_000), blows=[KILLED])),
    ("early: 0-a step 2", changed("step.retry_scheduled", data={"delay_ms": 151})),
    ("early: 0-a step 2", replace(GOOD, runs=[*GOOD.runs[:-1], replace(GOOD.runs[-1], started_s=OPENED_S)])),
    ("early: 0-a by", evidence(put_off(OPENED_MS + 60))),
    ("deadline: 0-a expired", evidence(expired(OPENED_MS + 500))),
    ("deadline: 0-a went on", evidence(expired(ms=6_000))),
    ("cancel: 0-a had step.started", evidence(cancelled(late=True), acts=accepted("cancel"))),
    ("cancel: 0-a took", evidence(cancelled(ms=4_000), acts=accepted("cancel"))),
    ("cancel: 0-a accepted", replace(GOOD, acts=accepted("cancel"))),
    ("cancel: 0-a did it 1 times", evidence(cancelled())),
    ("pause: 0-a step 1", evidence(paused(meanwhile=True), acts=accepted("pause"))),
    ("concurrency", evidence(limited(1))),
    ("outcome: 0-a step 1 failed", evidence(failed("fail", fails=0))),
    ("outcome: 0-a step 2 completed", changed("plan.created", data={"steps": [
        step(1), step(2, 1, work={"permanent": True})]})),
    ("outcome: 0-a is completed with open", without("step.completed")),
    ("outcome: 0-a was cancelled", evidence([e for e in cancelled() if e.type != "task.cancel_requested"])),
    ("outcome: 0-a expired", changed("task.completed", type="task.expired")),
    ("outcome: 0-a is completed with steps", evidence(failed("fail", how="completed"))),
    ("outcome: 0-a is failed with steps", evidence(failed("skip"))),
    ("outcome: 0-a says partial", changed("task.completed", data={"partial": True})),
    ("outcome: 0-a blames", evidence([replace(e, data={**e.data, "failed_step": 2}) if e.type == "task.failed" else e
                                      for e in failed("fail")])),
    ("outcome: 0-a gave up", evidence([replace(e, type="step.skipped") if e.type == "step.completed" else e
                                       for e in PLAIN])),
    ("metrics steps: 0-a says retries", with_metrics(steps={**GOOD.tasks[TASK].metrics["steps"], "retries": 7})),
    ("metrics events: 0-a says bytes", with_metrics(events={"count": 14, "last_seq": 14, "bytes": 1})),
    ("metrics: 0-a step 2 counts", replace(GOOD, runs=GOOD.runs[:-1])),
    ("view: 0-a says status", with_task(view={**GOOD.tasks[TASK].view, "status": "failed"})),
    ("result: 0-a is completed", with_task(result=Answer(0, 0, 409))),
    ("task.completed: 0-a says duration_ms", changed("task.completed", data={"duration_ms": 1})),
    ("task.completed totals: 0-a says retries", changed("task.completed", data={"totals": {"steps": 2, "retries": 0}})),
    ("times: 0-a step 1 says", changed("step.started", data={"queue_wait_ms": 1})),
    ("times: 0-a step 1 says", changed("step.started", data={"delivery": 2})),
    ("times: 0-a step 1 took", changed("step.completed", data={"duration_ms": 11})),
    ("left over: 1 waiting", replace(GOOD, remains=Remains({"waiting": 1}))),
    ("left over: key never", replace(GOOD, remains=Remains({}, ["key"]))),
    ("repaired", replace(GOOD, remains=Remains({}, (), (), 1))),
    ("counters: 2 step.failed of a are counted, the logs have 3", replace(GOOD, remains=Remains(
        written={("step.failed", "a"): 3, ("task.failed", ""): 1},
        counted={("step.failed", "a"): 2, ("task.failed", ""): 1}))),
    ("counters: 1 task.failed of tasks are", replace(GOOD, remains=Remains(counted={("task.failed", ""): 1}))),
    ("dead: 0-a step 1 failed and", evidence(failed("fail"), remains=Remains())),
    ("dead: 0-a step 1 is a dead", replace(GOOD, remains=Remains(dead=[(TASK, 1)]))),
]  # fmt: skip


@pytest.mark.parametrize("good", FAULTLESS)
def test_good_evidence_has_no_violation(good: Evidence) -> None:
    """What a sound program does under load, steering and faults is not held against it."""
    assert list(check(good).violations) == []


@pytest.mark.parametrize(("word", "bad"), [pytest.param(word, bad, id=word) for word, bad in BAD])
def test_bad_evidence_is_found(word: str, bad: Evidence) -> None:
    """Each seeded violation is named."""
    violations = check(bad).violations

    assert any(violation.startswith(word) for violation in violations), violations


@pytest.mark.parametrize("judge", [pytest.param(judge, id=judge.__name__) for judge in PROPERTIES])
def test_no_property_is_blind(judge: Any) -> None:
    """Every property finds at least one of the bad logs."""
    assert any(list(judge(bad)) for _, bad in BAD)


def test_a_killed_worker_explains_its_own_steps_only() -> None:
    """The takeover is given to the kill of the process that ran the step, and its wait is measured."""
    findings = check(evidence(taken_over(), blows=[KILLED]))

    assert findings.explained == {"kill": 1}
    assert 2.4 < findings.recovery_s_max < 2.6


def test_troubles_of_the_clients_are_violations() -> None:
    """What the soak itself met is judged as well."""
    assert check(GOOD, ["a client failed"]).violations == ["a client failed"]
