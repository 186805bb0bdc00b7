"""Events in words."""

from collections.abc import Callable, Mapping
from typing import Any

from app.cli.terminal import counted, json_line, one_line
from app.model.events import Event
from app.model.fire import FireEvent

Tell = Callable[[Mapping[str, Any]], str]


def seconds(ms: object) -> str:
    return f"{ms / 1000:.2f} s" if isinstance(ms, int | float) else "an unknown time"


def _error(found: Mapping[str, Any]) -> str:
    error = found.get("error")
    return str(error.get("message") or error.get("code")) if isinstance(error, Mapping) else "no reason given"


def taken(found: Mapping[str, Any]) -> str:
    """What language models took, with a comma before it; nothing where none was asked, or nobody knows."""
    tokens, usd = found.get("tokens"), found.get("usd")
    counted = f", {tokens:,} tokens" if isinstance(tokens, int) and tokens else ""
    return counted + (f", ${usd:.6f}".rstrip("0") if isinstance(usd, float) and usd else "")


def _asked(found: Mapping[str, Any]) -> str:
    sent, got = found.get("input_tokens"), found.get("output_tokens")
    tokens = sent + got if isinstance(sent, int) and isinstance(got, int) else None
    spent = taken({"tokens": tokens, "usd": found.get("usd")})
    return f"{found.get('model')} asked for {found.get('name')}: {seconds(found.get('ms'))}{spent}"


TASK_LINES: dict[str, Tell] = {
    "llm.usage": _asked,
    "plan.fallback": lambda d: f"planned by {d.get('planner')} instead of {d.get('instead_of')}: {d.get('reason')}",
    "plan.created": lambda d: f"plan: {counted(len(d.get('steps', [])), 'step')}, planned by {d.get('planner')}",
    "events.truncated": lambda d: f"from here on only transitions are recorded (limit {d.get('limit')})",
    "task.completed": lambda d: f"task done in {seconds(d.get('duration_ms'))}{taken(d.get('totals') or {})}",
    "task.failed": lambda d: f"task failed in step {d.get('failed_step')}: {_error(d)}",
    "task.cancelled": lambda d: f"task cancelled: {d.get('reason') or 'no reason given'}",
    "task.expired": lambda d: f"task expired: {d.get('reason')}",
    "task.cancel_requested": lambda d: f"asked to end ({d.get('mode')}) by {d.get('by')}",
    "task.paused": lambda d: f"paused by {d.get('by')}",
    "task.resumed": lambda d: f"resumed by {d.get('by')}",
    "task.retried": lambda d: f"{counted(len(d.get('steps', [])), 'step')} to run again, asked by {d.get('by')}",
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
    "llm.usage": ("", _asked),
    "citations.verified": ("", lambda d: f"{d.get('ok')} of {d.get('total')} citations hold"),
}


def event_json(event: Event | FireEvent) -> str:
    """The event as it is written: members that it does not have stay away."""
    return json_line(event.model_dump(mode="json", exclude_unset=True))


def told(event: Event | FireEvent) -> str:
    """What the event says beside its type, in one line; its data as they are where there are no words for them."""
    if event.type in TASK_LINES:
        return one_line(TASK_LINES[event.type](event.data))
    if event.type in STEP_LINES:
        return one_line(STEP_LINES[event.type][1](event.data))
    return one_line(json_line(event.data))
