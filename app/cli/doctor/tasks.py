"""Tasks: does every open one get on?"""

from collections.abc import Iterator

from app.cli.doctor.place import Place, Words, text
from app.cli.records import age
from app.dispatch.record import STEP_PLACE, STEP_STATE, parse_line
from app.preflight.finding import Findings, fail, number, ok, warn

OPEN_MAX = 500
NAMED_MAX = 5
MARGIN_MS = 120_000
LEASES_MAX = 3
OVERDUE_MS_MAX = 60_000
RETENTION_LATE_MS_MAX = 2 * 3_600_000
#: A step in one of these will be looked at by somebody.
UNDER_WAY = frozenset({"queued", "held", "limited", "running", "retrying", "deferred"})
LOOK = "`stepstream tasks show {}`; the audit mends it within a minute where an API or a worker runs"


def open_tasks(place: Place) -> Findings:
    """Is there an open task that nothing will move?"""
    count = int(place.ask("ZCARD", place.keys.open))
    ids = [text(task_id) for task_id in place.ask("ZRANGE", place.keys.open, 0, OPEN_MAX - 1)]
    stuck = dict(_stuck(place, ids))
    for task_id, why in list(stuck.items())[:NAMED_MAX]:
        yield fail("tasks", f"{task_id}: {why}", LOOK.format(task_id))
    if len(stuck) > NAMED_MAX:
        yield fail("tasks", f"{len(stuck) - NAMED_MAX:,} more are stuck", "see those above")
    if not stuck:
        looked = "" if count <= OPEN_MAX else f", the oldest {OPEN_MAX} were looked at"
        yield ok("tasks", f"{count} open, none is stuck{looked}")


def _stuck(place: Place, ids: list[str]) -> Iterator[tuple[str, str]]:
    """(task, why it will not move)"""
    heads = place.ask_all([("HMGET", place.keys.task(i), "status", "ids") for i in ids])
    step_ids = [text(head[1]).split() if isinstance(head, list) else [] for head in heads]
    wanted: list[Words] = [
        ("HMGET", place.keys.task(i), *(f"{part}:{step}" for step in steps for part in "sp")) if steps else ("PING",)
        for i, steps in zip(ids, step_ids, strict=True)
    ]
    alive = {worker.worker_id for worker in place.workers if worker.alive}
    for task_id, head, steps, lines in zip(ids, heads, step_ids, place.ask_all(wanted), strict=True):
        if not isinstance(head, list) or head[0] is None:
            yield task_id, "it is listed as open and does not exist"
        elif steps and isinstance(lines, list):
            why = _why(place, steps, [text(line) for line in lines], alive)
            if why and text(head[0]) != "paused":
                yield task_id, why


def _why(place: Place, steps: list[str], lines: list[str], alive: set[str]) -> str:
    """Why a task will not move, if it will not."""
    states = set()
    for step, state_line, place_line in zip(steps, lines[::2], lines[1::2], strict=True):
        state, where = parse_line(STEP_STATE, state_line), parse_line(STEP_PLACE, place_line)
        states.add(state["state"])
        why = _step_stuck(place, state, where, alive)
        if why:
            return f"step {step} {why}"
    return "" if states & UNDER_WAY else "none of its steps is under way"


def _step_stuck(place: Place, state: dict[str, str], where: dict[str, str], alive: set[str]) -> str:
    """Why nobody will go on with a step, if that is so."""
    if state["state"] == "queued":
        waited_ms, queue = place.now_ms - int(state["queued"]), where["queue"]
        empty = queue not in place.queues or not place.queues[queue].unfinished
        return f"is queued for {age(waited_ms)}, and {queue} is empty" if empty and waited_ms > MARGIN_MS else ""
    ran_ms, time_ms = place.now_ms - int(state["started"]), int(where["timeout"])
    if state["state"] != "running":
        return ""
    if ran_ms > time_ms + MARGIN_MS:
        return f"runs for {age(ran_ms)}, and its time was {age(time_ms)}"
    silent = state["worker"] not in alive and ran_ms > LEASES_MAX * place.settings.lease_ms + MARGIN_MS
    return f"runs on {state['worker']}, which does not report itself" if silent else ""


def audit(place: Place) -> Findings:
    """Did anything have to be mended?"""
    repaired = int(place.ask("HGET", place.keys.audit, "repaired") or 0)
    if repaired:
        advice = "find what else writes to these keys, or evicts them; the logs say `tasks_repaired`"
        yield warn("audit", f"{number(repaired, 'repair was', 'repairs were')} needed so far", advice)
        return
    yield ok("audit", "nothing ever had to be repaired")


def terms(place: Place) -> Findings:
    """Do deadlines and retention hold?"""
    advice = "every API and worker process sees to it: is one running?"
    late = int(place.ask("ZCOUNT", place.keys.deadlines, "-inf", place.now_ms - OVERDUE_MS_MAX))
    kept = int(place.ask("ZCOUNT", place.keys.expiry, "-inf", place.now_ms - RETENTION_LATE_MS_MAX))
    if late:
        yield fail("terms", f"{number(late, 'task is', 'tasks are')} past the deadline and still open", advice)
    if kept:
        yield warn("terms", f"{number(kept, 'task is', 'tasks are')} kept beyond the retention", advice)
    if not late and not kept:
        yield ok("terms", "deadlines and retention hold")
