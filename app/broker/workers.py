"""The worker processes of a shard, as they last reported themselves."""

from collections.abc import Mapping
from dataclasses import dataclass

import redis

from .keys import ShardKeys
from .scripts import load_script, run_script

WORKERS = load_script(__package__, "workers.lua")

WORKERS_MAX = 1_000
#: What every beat says; all else is what the program of the worker adds.
_OWN = frozenset({"host", "pid", "threads", "started_at", "queues", "in_flight", "seen_at"})


@dataclass(frozen=True, slots=True)
class WorkerReport:
    """
    One worker process.

    `alive` is false for one that was silent for three leases: its messages are with others by now. Of such a
    one only its id and `silent_ms` are known. `in_flight` counts what it has fetched; `about` is what the
    program added (`RedisStreamsBroker(about=…)`).
    """

    worker_id: str
    alive: bool
    seen_ms: int
    silent_ms: int
    host: str
    pid: int
    threads: int
    queues: tuple[str, ...]
    in_flight: int
    started_ms: int | None
    about: Mapping[str, str]


def read_workers(client: "redis.Redis", keys: ShardKeys) -> list[WorkerReport]:
    """At most a thousand, those seen last first."""
    now_ms, *rows = run_script(client, WORKERS, [keys.workers], [keys.worker(""), WORKERS_MAX])
    return [_report(int(now_ms), worker_id.decode(), int(float(seen)), fields) for worker_id, seen, fields in rows]


def _report(now_ms: int, worker_id: str, seen_ms: int, flat: list[bytes]) -> WorkerReport:
    texts = [part.decode(errors="replace") for part in flat]
    said = dict(zip(texts[::2], texts[1::2], strict=True))
    host, _, rest = worker_id.rpartition(":")[0].rpartition(":")
    return WorkerReport(
        worker_id=worker_id,
        alive=bool(said),
        seen_ms=seen_ms,
        silent_ms=max(0, now_ms - seen_ms),
        host=said.get("host", host),
        pid=int(said.get("pid", rest) or 0),
        threads=int(said.get("threads", 0)),
        queues=tuple(name for name in said.get("queues", "").split(",") if name),
        in_flight=int(said.get("in_flight", 0)),
        started_ms=int(said["started_at"]) if "started_at" in said else None,
        about={name: value for name, value in said.items() if name not in _OWN},
    )
