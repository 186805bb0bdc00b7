"""The state of a task's steps as its events tell it, for people: one line per event, or a live table."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from rich.table import Table

from app.cli.terminal import cell, one_line
from app.model.events import Event

STYLES = {"done": "green", "running": "cyan", "failed": "red", "again soon": "yellow", "skipped": "dim"}
LABEL_CHARS_MAX = 60


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


Tell = Callable[[Mapping[str, Any]], str]


def seconds(ms: object) -> str:
    return f"{ms / 1000:.2f} s" if isinstance(ms, int | float) else "an unknown time"


def _error(found: Mapping[str, Any]) -> str:
    error = found.get("error")
    return str(error.get("message") or error.get("code")) if isinstance(error, Mapping) else "no reason given"


#: Shown in the table only.
QUIET = frozenset({"step.queued", "step.progress"})
TASK_LINES: dict[str, Tell] = {
    "plan.created": lambda d: f"plan: {len(d.get('steps', []))} steps, planned by {d.get('planner')}",
    "events.truncated": lambda d: f"from here on only transitions are recorded (limit {d.get('limit')})",
    "task.completed": lambda d: f"task done in {seconds(d.get('duration_ms'))}",
    "task.failed": lambda d: f"task failed in step {d.get('failed_step')}: {_error(d)}",
    "task.cancelled": lambda d: f"task cancelled: {d.get('reason') or 'no reason given'}",
    "task.expired": lambda d: f"task expired: {d.get('reason')}",
    "task.cancel_requested": lambda d: f"asked to end ({d.get('mode')}) by {d.get('by')}",
    "task.paused": lambda d: f"paused by {d.get('by')}",
    "task.resumed": lambda d: f"resumed by {d.get('by')}",
    "task.retried": lambda d: f"{len(d.get('steps', []))} steps run again, asked by {d.get('by')}",
}
STEP_LINES: dict[str, tuple[str, Tell]] = {
    "step.queued": ("queued", lambda _: ""),
    "step.started": ("running", lambda d: "" if d.get("delivery", 1) == 1 else f"delivery {d['delivery']}"),
    "step.progress": ("", lambda d: str(d.get("message") or f"{d.get('current')} of {d.get('total') or 'unknown'}")),
    "step.completed": ("done", lambda d: f"{seconds(d.get('duration_ms'))}, {d.get('summary', '')}".removesuffix(", ")),
    "step.failed": ("failed", _error),
    "step.retry_scheduled": ("again soon", lambda d: f"in {seconds(d.get('delay_ms'))}: {d.get('reason')}"),
    "step.redelivered": ("running", lambda d: f"again, because {d.get('from_worker')} went silent"),
    "step.held": ("held", lambda d: str(d.get("reason", ""))),
    "step.deferred": (
        "again soon",
        lambda d: f"in {seconds(d.get('delay_ms'))}, {d.get('provider')} asked for patience",
    ),
    "step.released": ("queued", lambda d: f"handed back ({d.get('reason')})"),
    "step.skipped": ("skipped", lambda d: str(d.get("reason", ""))),
    "step.cancelled": ("skipped", lambda d: str(d.get("reason", ""))),
    "citations.verified": ("", lambda d: f"{d.get('ok')} of {d.get('total')} citations hold"),
}
