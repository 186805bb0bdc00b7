"""Task metrics are a pure fold over the event log."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.events.log import StoredEvent
from app.metrics.task_metrics import Fold, fold, longest_chain_ms
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
    ("plan.created", 1000, None, {"steps": PLAN, "rev": 1, "planner": "client", "estimate": {"steps": 3}}),
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
    ("llm.usage", 1270, 3, {"input_tokens": 7, "output_tokens": 3, "usd": 0.5}),
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
        "submitted": 1000, "started": 1010, "finished": 1300, "wall_ms": 300, "planning_ms": 0,
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
    assert figures["llm"] == {"calls": 1, "input_tokens": 7, "output_tokens": 3, "usd": 0.5}
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


@given(st.lists(st.sampled_from(STORY), max_size=40))
def test_any_order_of_events_can_be_folded(lines: list[Line]) -> None:
    """Counts match and no figure is negative, whatever a log holds."""
    figures = fold(stored(lines))

    kinds = [kind for kind, *_ in lines]
    assert figures.events.count == len(lines)
    assert figures.steps.retries == kinds.count("step.retry_scheduled")
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
