"""Tasks as tables, on a terminal or in a pipe."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from app.cli.board import seconds
from app.cli.terminal import consoles, one_line
from app.model.task import TaskSummary, TaskView

#: A table in a pipe, and the narrowest one: on a smaller terminal its lines run over, but no column is lost.
PIPE_WIDTH, WIDTH_MIN = 200, 120
#: What all columns but the last take at most; the last one has the rest.
TASK_COLUMNS, STEP_COLUMNS, AFTER_CHARS_MAX = 86, 95, 20
STYLES = {
    "completed": "green", "running": "cyan", "failed": "red", "cancelled": "dim", "skipped": "dim", "expired": "red",
    "paused": "yellow", "held": "yellow", "retrying": "yellow", "deferred": "yellow",
}  # fmt: skip


def print_tasks(tasks: Sequence[TaskSummary]) -> None:
    """One line per summary."""
    out = _console()
    table = _table("task", "status", "steps", "created", "what")
    for task in tasks:
        done = f"{task.steps - task.steps_left}/{task.steps}"
        what, created = _text(task.task, out.width - TASK_COLUMNS), _time(task.created_ms)
        table.add_row(_text(task.task_id), _state(task.status), done, created, what)
    out.print(table)


def print_task(task: TaskView) -> None:
    """What there is to say about a task, then a line per step."""
    out = _console()
    head = Table(box=None, show_header=False, pad_edge=False)
    for name, value in _facts(task):
        head.add_row(name, value)
    out.print(head)
    table = _table("step", "agent", "status", "attempts", "after", "error")
    for step in task.steps:
        after, attempts = _text(", ".join(map(str, step.depends_on)), AFTER_CHARS_MAX), str(step.attempts)
        error = _text((step.error or {}).get("message", ""), out.width - STEP_COLUMNS)
        table.add_row(str(step.step_id), _text(step.agent), _state(step.status), attempts, after, error)
    out.print(table)


def _facts(task: TaskView) -> Iterator[tuple[str, Text]]:
    yield "task", _text(task.task_id)
    yield "what", _text(task.task)
    yield "status", _state(task.status)
    if task.labels:
        yield "labels", _text(", ".join(f"{name}:{value}" for name, value in sorted(task.labels.items())))
    yield "created", Text(_time(task.created_ms))
    if task.deadline_ms:
        yield "deadline", Text(_time(task.deadline_ms))
    if task.finished_ms:
        yield "took", Text(seconds(task.finished_ms - task.created_ms))
    if task.error:
        yield "error", _text(task.error.get("message", ""))


def _table(*names: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in names:
        table.add_column(name, no_wrap=True, overflow="ellipsis")
    return table


def _console() -> Console:
    out, _ = consoles()
    width = max(out.width, WIDTH_MIN) if out.is_terminal else PIPE_WIDTH
    return Console(highlight=False, markup=False, width=width)


def _text(text: str, chars_max: int = 100) -> Text:
    """Text, not str: what comes from a task is never read as markup."""
    return Text(one_line(text, chars_max))


def _state(status: str) -> Text:
    return Text(one_line(status), style=STYLES.get(status, ""))


def _time(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000).astimezone().strftime("%Y-%m-%d %H:%M:%S")
