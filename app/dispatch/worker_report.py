"""What a worker process reports of its program and its running attempts, written and read."""

import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pydantic import TypeAdapter, ValidationError

from app.dispatch.stops import Running
from app.model.fleet import RunningAttempt
from app.version import VERSION

RUNNING_MAX = 100
#: What the exporter of a supervisor calls itself, see `app/bootstrap/exporter.py`.
METRICS_URL = re.compile(r"http://([A-Za-z0-9._-]{1,253}|\[[0-9A-Fa-f:.]{2,45}\]):[0-9]{1,5}/metrics")

_ATTEMPTS = TypeAdapter(list[RunningAttempt])


def report(running: Sequence[Running]) -> dict[str, str]:
    """The fields that go with each sign of life; of the attempts the hundred oldest."""
    now_s = time.monotonic()
    attempts = [
        RunningAttempt(
            task_id=one.attempt.ref.task_id,
            step_id=one.attempt.ref.step_id,
            agent=one.attempt.step.agent,
            attempt=one.attempt.number,
            running_ms=int((now_s - one.since_s) * 1000),
        )
        for one in running[:RUNNING_MAX]
    ]
    return {"version": VERSION, "running": _ATTEMPTS.dump_json(attempts).decode()}


@dataclass(frozen=True, slots=True)
class Told:
    """What a worker process says of itself; of a program that reports otherwise, nothing."""

    version: str | None
    running: list[RunningAttempt]
    metrics_url: str | None


def read_report(about: Mapping[str, str]) -> Told:
    url = about.get("metrics_url", "")
    try:
        running = _ATTEMPTS.validate_json(about.get("running", "[]"))
    except ValidationError:
        running = []
    return Told(about.get("version"), running, url if METRICS_URL.fullmatch(url) else None)
