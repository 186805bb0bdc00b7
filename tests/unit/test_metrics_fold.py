"""Task metrics are a pure fold over the event log."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.events.log import StoredEvent
from app.metrics.critical_path import longest_chain_ms
from app.metrics.task_metrics import Fold, fold
from app.model.task import StepStatus, TaskStatus

TASK = "0-0193a000-0000-7000-8000-000000000001"
PLAN = [
    {"step_id": 1, "agent": "retriever", "payload": "a", "depends_on": []},
    {"step_id": 2, "agent": "retriever", "payload": "b", "depends_on": []},
    {"step_id": 3, "agent": "writer", "payload": "c", "depends_on": [1, 2]},
]
TOTALS = {"steps": 3, "retries": 1, "tokens": 0, "usd": 0}
ERROR = {"type": "E", "code": "x", "message": "m"}

#: Of an event: its type, time, step and data.
Line = tuple[str, int, int | None, dict[str, Any]]

#: Step 1 fails once and is retried, step 2 loses its worker, then all is well.
STORY: list[Line] = [
    ("task.submitted", 1000, None, {"task": "t", "priority": 5, "labels": {}}),
    (
        "plan.created",
        1000,
        None,
        {"steps": PLAN, "rev": 1, "planner": "client", "estimate": {"steps": 3}, "planning_ms": 40},
    ),
    ("step.queued", 1000, 1, {"queue": "retriever", "batch_id": "b", "deps": []}),
    ("step.queued", 1000, 2, {"queue": "retriever", "batch_id": "b", "deps": []}),
    ("task.started", 1010, None, {"steps_total": 3}),
    ("step.started", 1010, 1, {"queue_wait_ms": 10, "delivery": 1}),
    ("step.started", 1015, 2, {"queue_wait_ms": 15, "delivery": 1}),
    ("source.found", 1020, 1, {"passage": {"pid": "p1", "title": "", "uri": "", "score": 1}}),
    ("step.retry_scheduled", 1030, 1, {"next_attempt": 2, "delay_ms": 5, "reason": "r"}),
    ("step.started", 1040, 1, {"queue_wait_ms": 5, "delivery": 1}),
    ("source.found", 1050, 1, {"passage": {"pid": "p1", "title": "", "uri": "", "score": 1}}),
    ("source.found", 1050, 1, {"passage": {"pid": "p2", "title": "", "uri": "", "score": 1}}),
    ("step.completed", 1140, 1, {"duration_ms": 100, "summary": "", "bytes": 1, "cached": False}),
    ("step.started", 1200, 2, {"queue_wait_ms": 15, "delivery": 2}),
    ("step.redelivered", 1200, 2, {"from_worker": "a", "to_worker": "b", "idle_ms": 100}),
    ("step.completed", 1250, 2, {"duration_ms": 50, "summary": "", "bytes": 1, "cached": False}),
    ("step.queued", 1250, 3, {"queue": "writer", "batch_id": "c", "deps": [1, 2]}),
    ("step.started", 1260, 3, {"queue_wait_ms": 10, "delivery": 1}),
    ("citations.verified", 1270, 3, {"total": 4, "ok": 3, "repaired": 1, "dropped": 0}),
    ("llm.usage", 1270, 3, {"input_tokens": 7, "output_tokens": 3, "cached_tokens": 2, "usd": 0.5}),
    ("llm.usage", 1270, 3, {"input_tokens": None, "output_tokens": None, "cached_tokens": None, "usd": None}),
    ("step.unheard_of", 1270, 3, {}),
    ("step.completed", 1290, 3, {"duration_ms": 30, "summary": "", "bytes": 1, "cached": False}),
    ("task.completed", 1300, None, {"duration_ms": 300, "partial": False, "totals": TOTALS}),
]


def stored(lines: list[Line]) -> list[StoredEvent]:
    events = []
    for seq, (kind, ts, step_id, data) in enumerate(lines, start=1):
        event: dict[str, Any] = {"v": 1, "seq": seq, "type": kind, "ts": ts, "task_id": TASK, "data": data}
        if step_id:
            event |= {"step_id": step_id, "agent": "writer" if step_id == 3 else "retriever", "attempt": 1}
        events.append(StoredEvent(seq, 7, orjson.dumps(event)))
    return events


def test_the_story_of_a_task_in_figures() -> None:
    """Waits, retries, redeliveries and lost time add up as the log tells them."""
    figures = fold(stored(STORY)).model_dump(mode="json")

    assert figures["status"] == "completed"
    assert figures["timing"] == {
        "submitted": 1000, "started": 1010, "finished": 1300, "wall_ms": 300, "rested_ms": 0, "planning_ms": 40,
        "queue_wait_ms": 10 + 15 + 5 + 15 + 10, "critical_path_ms": 120 + 30, "busy_ms": 120 + 50 + 30,
        "parallelism": 0.667,
    }  # fmt: skip
    assert figures["steps"] == {
        "total": 3, "completed": 3, "failed": 0, "skipped": 0, "retries": 1, "deferrals": 0, "redeliveries": 1,
    }  # fmt: skip
    assert figures["per_step"][1] == {
        "step_id": 2, "agent": "retriever", "status": "completed", "attempts": 2, "queue_wait_ms": 30, "busy_ms": 50,
    }  # fmt: skip
    assert figures["per_agent"]["retriever"] == {"steps": 2, "attempts": 4, "queue_wait_ms": 45, "busy_ms": 170}
    assert figures["llm"] == {
        "calls": 2, "calls_uncounted": 1, "input_tokens": 7, "output_tokens": 3, "cached_tokens": 2, "usd": 0.5,
    }  # fmt: skip
    assert figures["retrieval"] == {"queries": 2, "passages": 2}
    assert figures["citations"] == {"total": 4, "ok": 3, "repaired": 1, "dropped": 0}
    assert figures["events"]["count"] == figures["events"]["last_seq"] == len(STORY)
    assert figures["events"]["bytes"] == sum(len(event.body) for event in stored(STORY))


def test_a_failed_task_counts_what_never_ran() -> None:
    """The failure, the skipped and the cancelled steps are told apart."""
    lines = [
        *STORY[:7],
        ("step.failed", 1100, 1, {"error": ERROR, "retryable": False, "attempts_left": 0}),
        ("step.cancelled", 1100, 2, {"reason": "r", "caused_by": 1}),
        ("step.skipped", 1100, 3, {"reason": "r", "caused_by": 1}),
        ("task.failed", 1100, None, {"error": ERROR, "failed_step": 1, "duration_ms": 100, "totals": TOTALS}),
    ]

    figures = fold(stored(lines))

    assert figures.status is TaskStatus.FAILED
    assert [step.status for step in figures.per_step] == [
        StepStatus.FAILED,
        StepStatus.CANCELLED,
        StepStatus.SKIPPED,
    ]
    assert (figures.steps.failed, figures.steps.skipped, figures.timing.busy_ms) == (1, 1, 90 + 85)


def test_an_empty_log_is_a_task_of_zeros() -> None:
    """The fold of nothing is well formed."""
    assert fold([]).events.count == 0


@given(st.integers(0, len(STORY)))
def test_the_beginning_of_a_log_folds_like_the_whole(count: int) -> None:
    """Any prefix gives figures, and going on from there gives those of the whole log."""
    events = stored(STORY)
    figures = Fold()

    for event in events[:count]:
        figures.add(event)
    prefix = figures.result()
    for event in events[count:]:
        figures.add(event)

    assert prefix.events.count == count
    assert prefix == fold(events[:count])
    assert figures.result() == fold(events)


#: What steering adds: (event, status of the task, statuses of steps 1 to 3) after each line.
STEERED: list[tuple[Line, str, str]] = [
    (STORY[0], "queued", ""),
    (STORY[1], "queued", "waiting waiting waiting"),
    (("step.queued", 1000, 1, {"queue": "retriever", "batch_id": "b", "deps": []}), "queued", "queued waiting waiting"),
    (("step.held", 1000, 2, {"reason": "concurrency"}), "queued", "queued limited waiting"),
    (("task.paused", 1001, None, {"by": "api", "reason": None}), "paused", "queued limited waiting"),
    (("step.held", 1002, 1, {"reason": "paused"}), "paused", "held limited waiting"),
    (("task.resumed", 1003, None, {"by": "api", "reason": None}), "queued", "held limited waiting"),
    (STORY[2], "queued", "queued limited waiting"),
    (STORY[3], "queued", "queued queued waiting"),
    (STORY[4], "running", "queued queued waiting"),
    (STORY[5], "running", "running queued waiting"),
    (
        ("step.deferred", 1030, 1, {"delay_ms": 9, "reason": "rate_limited", "provider": "p"}),
        "running",
        "deferred queued waiting",
    ),
    (("task.paused", 1031, None, {"by": "api", "reason": None}), "paused", "deferred queued waiting"),
    (
        ("task.cancel_requested", 1032, None, {"by": "api", "mode": "finish", "reason": None}),
        "running",
        "deferred queued waiting",
    ),
    (
        ("task.cancel_requested", 1033, None, {"by": "api", "mode": "graceful", "reason": None}),
        "cancelling",
        "deferred queued waiting",
    ),
    (("step.skipped", 1033, 1, {"reason": "cancelled", "caused_by": None}), "cancelling", "skipped queued waiting"),
    (
        ("task.cancelled", 1040, None, {"reason": None, "stop_latency_ms": 7, "duration_ms": 40, "totals": TOTALS}),
        "cancelled",
        "skipped queued waiting",
    ),
    (
        ("task.retried", 1050, None, {"by": "api", "from_step": None, "steps": [1, 2, 3]}),
        "running",
        "waiting waiting waiting",
    ),
]


def test_steering_is_seen_in_the_figures() -> None:
    """After each event the states of task and steps are those of the task itself; a retry opens it again."""
    figures = Fold()

    for event, (line, task, steps) in zip(stored([line for line, *_ in STEERED]), STEERED, strict=True):
        figures.add(event)
        found = figures.result()
        assert (found.status, " ".join(step.status for step in found.per_step)) == (task, steps), line

    end = figures.result()
    assert (end.timing.finished, end.timing.wall_ms, end.timing.rested_ms, end.timing.busy_ms) == (None, 40, 10, 20)
    assert (end.steps.deferrals, end.per_step[0].attempts) == (1, 1)


def test_a_result_that_was_taken_over_took_nothing() -> None:
    """A completed step without an attempt counts as completed, and as no work."""
    data = {"duration_ms": 0, "summary": "", "bytes": 5, "cached": True}
    lines: list[Line] = [*STORY[:2], ("step.completed", 1000, 1, data)]
    events = stored(lines)
    events[-1] = StoredEvent(3, 7, events[-1].body.replace(b',"attempt":1', b""))

    figures = fold(events)

    assert (figures.steps.completed, figures.timing.busy_ms, figures.retrieval.queries) == (1, 0, 0)


def test_an_attempt_whose_worker_died_before_a_deferral_took_an_unknown_time() -> None:
    """The deferral has no attempt: it is not the end of the one before."""
    deferred: Line = ("step.deferred", 5000, 1, {"delay_ms": 9, "reason": "rate_limited", "provider": "p"})
    events = stored([*STORY[:6], deferred])
    events[-1] = StoredEvent(7, 7, events[-1].body.replace(b',"attempt":1', b""))

    assert fold(events).timing.busy_ms == 0


def test_added_steps_lengthen_the_critical_path() -> None:
    """What depends on the step that grew waits for the last of the added ones too."""
    added = [
        {"step_id": 4, "agent": "writer", "payload": "d", "depends_on": [1]},
        {"step_id": 5, "agent": "writer", "payload": "e", "depends_on": [4]},
    ]
    done = {"duration_ms": 1, "summary": "", "bytes": 1, "cached": False}
    lines: list[Line] = [*STORY[:2]]
    for number, step_id in enumerate((1, 4, 5, 3)):
        lines.append(("step.started", 1000 + 100 * number, step_id, {"queue_wait_ms": 0, "delivery": 1}))
        lines.append(("step.completed", 1100 + 100 * number, step_id, done))
        if step_id == 1:
            lines.append(("plan.extended", 1100, None, {"rev": 2, "parent": 1, "steps": added}))

    figures = fold(stored(lines))

    assert figures.steps.total == 5
    assert figures.timing.critical_path_ms == 400


@given(st.lists(st.sampled_from([*STORY, *[line for line, *_ in STEERED]]), max_size=40))
def test_any_order_of_events_can_be_folded(lines: list[Line]) -> None:
    """Counts match and no figure is negative, whatever a log holds."""
    figures = fold(stored(lines))

    kinds = [kind for kind, *_ in lines]
    assert figures.events.count == len(lines)
    assert figures.steps.retries == kinds.count("step.retry_scheduled")
    assert figures.steps.deferrals == kinds.count("step.deferred")
    assert figures.steps.redeliveries == kinds.count("step.redelivered")
    assert sum(step.attempts for step in figures.per_step) == kinds.count("step.started")
    assert sum(agent.busy_ms for agent in figures.per_agent.values()) == figures.timing.busy_ms >= 0
    assert figures.timing.critical_path_ms <= figures.timing.busy_ms


@given(st.lists(st.integers(0, 100), min_size=1, max_size=30), st.data())
def test_the_longest_chain_lies_between_its_bounds(durations: list[int], data: st.DataObject) -> None:
    """No chain is shorter than its longest step or longer than all steps together."""
    by_id = dict(enumerate(durations))
    parents = {i: data.draw(st.lists(st.integers(0, i - 1), max_size=3)) if i else [] for i in by_id}

    longest = longest_chain_ms(by_id, parents)

    assert max(durations) <= longest <= sum(durations)
    assert longest_chain_ms(by_id, {}) == max(durations)
    assert longest_chain_ms(by_id, {i: [i - 1] for i in by_id if i}) == sum(durations)
