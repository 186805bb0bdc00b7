"""The state of a task's steps as its events tell it, for people: one line per event, or a live table."""

from dataclasses import dataclass
from typing import Any

from rich.table import Table

from app.cli.telling import STEP_LINES, TASK_LINES
from app.cli.terminal import cell, one_line
from app.model.events import Event

STYLES = {"done": "green", "running": "cyan", "failed": "red", "again soon": "yellow", "skipped": "dim"}
LABEL_CHARS_MAX = 60
#: Shown in the table only.
QUIET = frozenset({"step.queued", "step.progress"})


@dataclass(slots=True)
class Row:
    """One step; `detail` is the latest thing it said."""

    agent: str
    label: str
    state: str = "waiting"
    detail: str = ""


class Board:
    """
    Folds events into rows.

    An event that is not newer than the last one means that the log was rolled back: the board starts over.
    """

    def __init__(self) -> None:
        self._clear()

    def _clear(self) -> None:
        self.rows: dict[int, Row] = {}
        self.completed = False
        self.last_seq = 0
        self._sources = 0
        self._end = ""

    def apply(self, event: Event) -> str | None:
        """Takes the event in; returns the line that tells it, if it is worth one."""
        if event.seq <= self.last_seq:
            self._clear()
        self.last_seq = event.seq
        if event.step_id is not None:
            return self._step(event)
        tell = TASK_LINES.get(event.type)
        if event.type == "plan.created":
            self._plan(event.data.get("steps", []))
        line = one_line(tell(event.data)) if tell else None
        if event.terminal:
            self.completed = event.type == "task.completed"
            self._end = line or event.type
        return line

    @property
    def summary(self) -> str:
        done = sum(row.state == "done" for row in self.rows.values())
        counts = f"{done} of {len(self.rows)} steps done, {self._sources} passages found"
        return f"{counts}; {self._end}" if self._end else counts

    def __rich__(self) -> Table:
        return self.table()

    def table(self) -> Table:
        table = Table(box=None, show_header=False, pad_edge=False)
        for name in ("step", "agent", "state", "label", "detail"):
            table.add_column(name, no_wrap=True, overflow="ellipsis")
        for step_id, row in self.rows.items():
            state = cell(row.state, style=STYLES.get(row.state, ""))
            table.add_row(cell(step_id), cell(row.agent), state, cell(row.label), cell(row.detail, 200, "dim"))
        table.caption = cell(self.summary, 200)
        table.caption_justify = "left"
        return table

    def _plan(self, steps: list[dict[str, Any]]) -> None:
        for step in steps:
            payload = step.get("payload", "")
            text = payload.get("text", "") if isinstance(payload, dict) else payload
            label = one_line(str(text), LABEL_CHARS_MAX)
            self.rows[int(step["step_id"])] = Row(one_line(str(step.get("agent", ""))), label)

    def _step(self, event: Event) -> str | None:
        row = self.rows.setdefault(event.step_id or 0, Row(one_line(event.agent or ""), ""))
        self._sources += event.type == "source.found"
        if event.type not in STEP_LINES:
            return None
        state, tell = STEP_LINES[event.type]
        row.state = state or row.state
        row.detail = one_line(tell(event.data))
        if event.type in QUIET:
            return None
        return one_line(f"step {event.step_id} {row.agent} {row.state}: {row.detail}".removesuffix(": "))
