"""Tasks as tables, on a terminal or in a pipe."""

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from app.cli.records import local_time, show_table, table, wide_console
from app.cli.telling import seconds, taken
from app.cli.terminal import cell
from app.model.task import TaskSummary, TaskView

#: What all columns but the last take at most; the last one has the rest.
TASK_COLUMNS, STEP_COLUMNS, AFTER_CHARS_MAX = 86, 95, 20
STYLES = {
    "completed": "green", "running": "cyan", "failed": "red", "cancelled": "dim", "skipped": "dim", "expired": "red",
    "paused": "yellow", "held": "yellow", "retrying": "yellow", "deferred": "yellow",
}  # fmt: skip


def print_tasks(tasks: Sequence[TaskSummary]) -> None:
    """One line per summary."""
    width = wide_console().width
    found = table("task", "status", "steps", "created", "what")
    for task in tasks:
        done = cell(f"{task.steps - task.steps_left}/{task.steps}")
        what, created = cell(task.task, width - TASK_COLUMNS), cell(local_time(task.created_ms))
        found.add_row(cell(task.task_id), _state(task.status), done, created, what)
    show_table(found)


def print_task(task: TaskView) -> None:
    """What there is to say about a task, then a line per step."""
    head = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(task):
        head.add_row(name, value)
    show_table(head)
    width = wide_console().width
    steps = table("step", "agent", "status", "attempts", "after", "error")
    for step in task.steps:
        after, attempts = cell(", ".join(map(str, step.depends_on)), AFTER_CHARS_MAX), cell(step.attempts)
        error = cell((step.error or {}).get("message", ""), width - STEP_COLUMNS)
        steps.add_row(cell(step.step_id), cell(step.agent), _state(step.status), attempts, after, error)
    show_table(steps)


def _facts(task: TaskView) -> Iterator[tuple[str, Text]]:
    yield "task", cell(task.task_id)
    yield "what", cell(task.task)
    yield "status", _state(task.status)
    if task.labels:
        yield "labels", cell(", ".join(f"{name}:{value}" for name, value in sorted(task.labels.items())))
    yield "created", cell(local_time(task.created_ms))
    if task.deadline_ms:
        yield "deadline", cell(local_time(task.deadline_ms))
    if task.finished_ms:
        yield "took", cell(seconds(task.finished_ms - task.created_ms - task.rested_ms))
    if spent := taken({"tokens": task.tokens, "usd": task.usd}).removeprefix(", "):
        yield "models", cell(spent)
    if task.error:
        yield "error", cell(task.error.get("message", ""))


def _state(status: str) -> Text:
    return cell(status, style=STYLES.get(status, ""))
