"""The independent ledger: what the agents of a soak really did, in a Redis that no fault touches."""

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from uuid import uuid4

import redis

from .evidence import Once, Run

URL_VARIABLE = "SOAK_LEDGER"
NOTES = "ledger"


@dataclass(frozen=True, slots=True)
class Ledger:
    """Written by agents, read by the judge."""

    client: "redis.Redis"

    @contextmanager
    def running(self, **what: Any) -> Iterator[str]:
        """Notes that a run begins, and how it ends; yields its id."""
        run_id = uuid4().hex[:16]
        self.write(kind="start", run=run_id, pid=os.getpid(), group=os.getpgrp(), **what)
        outcome = "stopped"
        try:
            yield run_id
            outcome = "done"
        except Exception:
            outcome = "failed"
            raise
        finally:
            self.write(kind="end", run=run_id, outcome=outcome)

    def write(self, **note: Any) -> None:
        self.client.rpush(NOTES, json.dumps(note | {"at": time.time()}))


@cache
def ledger() -> Ledger:
    """The one that the environment names; opened when an agent first runs."""
    return open_ledger(os.environ[URL_VARIABLE])


def open_ledger(url: str) -> Ledger:
    return Ledger(redis.Redis.from_url(url, protocol=2, socket_timeout=10))


def read(found: Ledger) -> tuple[list[Run], list[Once]]:
    """What the ledger holds."""
    notes = [json.loads(line) for line in found.client.lrange(NOTES, 0, -1)]
    ends = {note["run"]: note for note in notes if note["kind"] == "end"}
    runs = [_run(note, ends.get(note["run"])) for note in notes if note["kind"] == "start"]
    onces = [Once(note["task"], note["step"], note["at"]) for note in notes if note["kind"] == "once"]
    return runs, onces


def _run(start: dict[str, Any], end: dict[str, Any] | None) -> Run:
    return Run(
        run_id=start["run"],
        task_id=start["task"],
        step_id=start["step"],
        attempt=start["attempt"],
        key=start["key"],
        pid=start["pid"],
        group=start["group"],
        started_s=start["at"],
        ended_s=end["at"] if end else None,
        outcome=end["outcome"] if end else None,
        memo=start.get("memo"),
    )
