"""What a worker process reports of its program and its running attempts, written and read."""

import time
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from pydantic import TypeAdapter, ValidationError

from app.dispatch.stops import Running
from app.model.fleet import RunningAttempt

RUNNING_MAX = 100

_VERSION = version("stepstream")
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
    return {"version": _VERSION, "running": _ATTEMPTS.dump_json(attempts).decode()}


def read_report(about: Mapping[str, str]) -> tuple[str | None, list[RunningAttempt]]:
    """The version and the attempts; of a program that reports otherwise, nothing."""
    try:
        return about.get("version"), _ATTEMPTS.validate_json(about.get("running", "[]"))
    except ValidationError:
        return about.get("version"), []
