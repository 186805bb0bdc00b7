"""
A Redis server that a killed `up` or `run` has left running: who comes next uses it, and ends it at its own end.

Who left it behind stands in the state file that only a killed holder leaves there (`app/cli/claim.py`).
"""

import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from app import local_redis
from app.cli.redis_access import connect
from app.local_redis import LocalServer

STOP_TIMEOUT_S = 10.0
POLL_S = 0.02


def is_orphan(server: LocalServer, before: Mapping[str, Any]) -> bool:
    """Whether the server belonged to the holder before, which did not live to end it."""
    pids = before.get("pids")
    return not server.owned and isinstance(pids, Mapping) and pids.get("redis") == server.pid


def end(server: LocalServer, data_dir: Path) -> None:
    """Ends a server that is not our child, its file written; waits until it has let go of its directory."""
    # By word, not by signal: its number may belong to a stranger by now.
    with connect(server.url) as client, suppress(redis.RedisError, OSError):
        client.shutdown()
    deadline = time.monotonic() + STOP_TIMEOUT_S
    while local_redis.lives(server, data_dir) and time.monotonic() < deadline:
        time.sleep(POLL_S)
