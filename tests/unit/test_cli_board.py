"""What a person sees of a task's events."""

import io
from typing import Any

from rich.console import Console

from app.cli.board import Board
from app.cli.terminal import json_line, one_line, plain
from app.model.events import EVENT_TYPES, Event

PLAN = [
    {"step_id": 1, "agent": "retriever", "payload": {"text": "dramatiq retries"}},
    {"step_id": 2, "agent": "writer", "payload": "write it"},
]


def events(*rows: tuple[str, int | None, dict[str, Any]], first: int = 1) -> list[Event]:
    return [
        Event(v=1, seq=seq, type=kind, ts=1, task_id="0-x", step_id=step_id, agent=None, data=found)
        for seq, (kind, step_id, found) in enumerate(rows, start=first)
    ]


def shown(board: Board) -> str:
    stream = io.StringIO()
    Console(file=stream, width=200).print(board.table())
    return stream.getvalue()


STORY = events(
    ("task.submitted", None, {"task": "t"}),
    ("plan.created", None, {"steps": PLAN, "planner": "rules"}),
    ("step.queued", 1, {"queue": "retriever"}),
    ("step.started", 1, {"delivery": 1}),
    ("source.found", 1, {"passage": {}}),
    ("step.retry_scheduled", 1, {"delay_ms": 500, "reason": "timeout"}),
    ("step.started", 1, {"delivery": 2}),
    ("step.completed", 1, {"duration_ms": 1230, "summary": "1 passage"}),
    ("step.started", 2, {"delivery": 1}),
    ("citations.verified", 2, {"total": 3, "ok": 3}),
    ("step.completed", 2, {"duration_ms": 10, "summary": ""}),
    ("task.completed", None, {"duration_ms": 2000}),
)


def test_a_task_is_told_line_by_line() -> None:
    """Every transition has its line; queueing and progress have none."""
    board = Board()

    lines = [line for event in STORY if (line := board.apply(event))]

    assert lines == [
        "plan: 2 steps, planned by rules",
        "step 1 retriever running",
        "step 1 retriever again soon: in 0.50 s: timeout",
        "step 1 retriever running: delivery 2",
        "step 1 retriever done: 1.23 s, 1 passage",
        "step 2 writer running",
        "step 2 writer running: 3 of 3 citations hold",
        "step 2 writer done: 0.01 s",
        "task done in 2.00 s",
    ]
    assert board.completed


def test_the_table_shows_where_each_step_stands() -> None:
    """One row per step, with its task, state and latest word, and the counts below."""
    board = Board()
    for event in STORY[:8]:
        board.apply(event)

    table = shown(board)
    assert "dramatiq retries" in table
    assert "done" in table
    assert "waiting" in table
    assert "1 of 2 steps done, 1 passages found" in table


def test_a_failed_task_says_which_step_and_why() -> None:
    """The last line carries the error."""
    board = Board()
    rows = events(
        ("step.failed", 1, {"error": {"type": "X", "code": "c", "message": "no such thing"}}),
        ("step.skipped", 2, {"reason": "an earlier step failed", "caused_by": 1}),
        ("task.failed", None, {"failed_step": 1, "error": {"message": "no such thing"}, "duration_ms": 1}),
    )

    lines = [board.apply(event) for event in rows]

    assert lines[-1] == "task failed in step 1: no such thing"
    assert "no such thing; " not in shown(board)
    assert not board.completed


def test_a_rolled_back_log_starts_the_board_over() -> None:
    """After a reset the replay is not added to what was shown before."""
    board = Board()
    for event in [*STORY[:8], *STORY[:2]]:
        board.apply(event)

    assert board.summary == "0 of 2 steps done, 0 passages found"


def test_every_event_type_can_be_shown_without_its_members() -> None:
    """An event of a newer server, with other members, never breaks the display."""
    for kind in [*EVENT_TYPES, "task.cancelled", "something.new"]:
        board = Board()
        for event in events((kind, 1, {}), (kind, None, {})):
            board.apply(event)
        shown(board)


def test_no_control_character_of_an_event_reaches_the_terminal() -> None:
    """Escape sequences in a task, a summary or a report lose what makes them commands."""
    evil = "a\x1b]0;owned\x07b\x9b31mc\rd\x7fe\nf\tg"

    assert plain(evil) == "a]0;ownedb31mcde\nf\tg"
    assert one_line(evil) == "a]0;ownedb31mcde f g"
    assert json_line({"t": evil + "é"}).isprintable()
    board = Board()
    for event in events(
        ("plan.created", None, {"steps": [{"step_id": 1, "agent": evil, "payload": evil}], "planner": evil}),
        ("step.completed", 1, {"duration_ms": 1, "summary": evil}),
        ("task.failed", None, {"failed_step": 1, "error": {"message": evil}}),
    ):
        line = board.apply(event) or ""
        assert line == plain(line)
    assert "\x1b]" not in shown(board)
    assert "\x07" not in shown(board)


def test_markup_in_an_event_is_shown_as_it_is() -> None:
    """Square brackets of a task style nothing and hide nothing."""
    board = Board()
    steps = [{"step_id": 1, "agent": "writer", "payload": "[red]x[/red] [/nothing]"}]
    for event in events(("plan.created", None, {"steps": steps, "planner": "rules"})):
        board.apply(event)

    assert "[red]x[/red] [/nothing]" in shown(board)


def test_steering_is_told_too() -> None:
    """Who asked for what, and how the task ended by it; a retried task is not over."""
    board = Board()

    lines = [
        board.apply(event)
        for event in events(
            ("plan.created", None, {"steps": PLAN, "planner": "rules"}),
            ("task.paused", None, {"by": "api", "reason": None}),
            ("step.held", 1, {"reason": "paused"}),
            ("task.resumed", None, {"by": "api", "reason": None}),
            ("step.deferred", 1, {"delay_ms": 2000, "reason": "rate_limited", "provider": "library"}),
            ("task.cancel_requested", None, {"by": "api", "mode": "force", "reason": "late"}),
            ("task.cancelled", None, {"reason": "late"}),
            ("task.retried", None, {"by": "api", "from_step": None, "steps": [1, 2]}),
            ("task.expired", None, {"reason": "deadline"}),
        )
    ]

    assert lines[1:] == [
        "paused by api",
        "step 1 retriever held: paused",
        "resumed by api",
        "step 1 retriever again soon: in 2.00 s, library asked for patience",
        "asked to end (force) by api",
        "task cancelled: late",
        "2 steps to run again, asked by api",
        "task expired: deadline",
    ]
    assert not board.completed


def test_one_is_not_said_in_the_plural() -> None:
    """A plan may have a single step."""
    board = Board()

    lines = [board.apply(event) for event in events(("plan.created", None, {"steps": PLAN[:1], "planner": "client"}))]

    assert lines == ["plan: 1 step, planned by client"]
