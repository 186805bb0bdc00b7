"""The event logs: gapless, ended once, and the same for everybody who watches."""

import json
from collections.abc import Iterator

from ..evidence import TERMINAL, Evidence, Session, Task
from .answers import REFUSING, SILENCING
from .common import near


def gapless(evidence: Evidence) -> Iterator[str]:
    """Events are numbered 1, 2, 3 and so on, and their times never go back."""
    for task in evidence.tasks.values():
        numbers = [event.seq for event in task.events]
        if numbers != list(range(1, len(numbers) + 1)):
            yield f"gap: {task.task_id} has events {numbers}"
        times = [event.ts for event in task.events]
        if times != sorted(times):
            yield f"gap: the clock of {task.task_id} goes back"


def terminal_last(evidence: Evidence) -> Iterator[str]:
    """One terminal event, last; an earlier one only where the task was retried directly behind it."""
    for task in evidence.tasks.values():
        types = [event.type for event in task.events]
        for n, kind in enumerate(types[:-1]):
            if kind in TERMINAL and types[n + 1] != "task.retried":
                yield f"terminal: {task.task_id} goes on after {kind} with {types[n + 1]}"
            if types[n + 1] == "task.retried" and kind not in TERMINAL:
                yield f"terminal: {task.task_id} was retried after {kind}"


def viewers_agree(evidence: Evidence) -> Iterator[str]:
    """Every viewer got the same bytes under the same id, and they are the log's."""
    seen: dict[tuple[str, int], tuple[str, str]] = {}
    for viewing in evidence.viewings:
        for session in viewing.sessions:
            yield from _differences(seen, viewing.task_id, session)
    for (task_id, seq), (_, body) in seen.items():
        task = evidence.tasks.get(task_id)
        if task is not None and not _is_in(task, seq, body):
            yield f"viewers: event {seq} of {task_id} is not what the log holds"


def _differences(seen: dict[tuple[str, int], tuple[str, str]], task_id: str, session: Session) -> Iterator[str]:
    for frame_id, body in session.frames:
        seq = _seq(frame_id)
        if seen.setdefault((task_id, seq), (frame_id, body)) != (frame_id, body):
            yield f"viewers: two saw different events {seq} of {task_id}"


def _is_in(task: Task, seq: int, body: str) -> bool:
    return 0 < seq <= len(task.bodies) and bool(json.loads(task.bodies[seq - 1]) == json.loads(body))


def sessions_go_on(evidence: Evidence) -> Iterator[str]:
    """A stream begins directly behind its cursor and skips nothing."""
    for viewing in evidence.viewings:
        for session in viewing.sessions:
            numbers = [_seq(frame_id) for frame_id, _ in session.frames]
            if numbers != list(range(session.after + 1, session.after + 1 + len(numbers))):
                yield f"resume: a stream of {viewing.task_id} after {session.after} had {numbers}"


def streams_end(evidence: Evidence) -> Iterator[str]:
    """A stream that is closed by the server had the last event; none is reset, for no log lost anything."""
    for viewing in evidence.viewings:
        for session in viewing.sessions:
            last = json.loads(session.frames[-1][1])["type"] if session.frames else ""
            if session.ended == "reset":
                yield f"reset: a stream of {viewing.task_id} after {session.after}"
            if session.ended == "end" and last not in TERMINAL:
                yield f"end: a stream of {viewing.task_id} was closed behind {last or 'nothing'}"
            if session.ended == "over" and not _was_terminal(evidence, viewing.task_id, session.after):
                yield f"end: {viewing.task_id} was said to be over at {session.after}"


def streams_hold(evidence: Evidence) -> Iterator[str]:
    """A stream comes to its end, breaks only with its process, and is refused only while that or Redis is away."""
    for viewing in evidence.viewings:
        for session in viewing.sessions:
            if session.ended == "stuck":
                yield f"stream: one of {viewing.task_id} after {session.after} stays open behind the end"
            silenced = near(evidence, session.ended_s, *SILENCING, after_s=evidence.terms.boot_s)
            if session.ended == "cut" and not silenced:
                yield f"stream: one of {viewing.task_id} after {session.after} broke"
            known = silenced or near(evidence, session.ended_s, *REFUSING, after_s=evidence.terms.boot_s)
            if session.ended == "refused" and not (session.status == 503 and known):
                yield f"stream: one of {viewing.task_id} after {session.after} was refused with {session.status}"


def _was_terminal(evidence: Evidence, task_id: str, seq: int) -> bool:
    task = evidence.tasks.get(task_id)
    return task is None or (0 < seq <= len(task.events) and task.events[seq - 1].type in TERMINAL)


def _seq(frame_id: str) -> int:
    return int(frame_id.partition("-")[0])
