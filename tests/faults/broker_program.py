"""
A worker process that ends itself at one of its Redis commands, as if killed there, or when all work is done.

    FAILPOINT=before:7 python -m tests.faults.broker_program URL NAMESPACE LEASE_MS
"""

import os
import sys
import threading
import time
from typing import Any

import dramatiq
import redis

from app.broker import QueueAdmin, RedisStreamsBroker

DEATH = 9
END_S = 180.0


class Failpoint:
    """Counts the commands of all connections and ends the process before, or after, the n-th."""

    def __init__(self, spec: str) -> None:
        when, _, n = spec.partition(":")
        self.when, self.n, self.seen = when, int(n), 0
        self.lock = threading.Lock()

    def pass_by(self, when: str) -> None:
        if when != self.when:
            return
        with self.lock:
            self.seen += 1
            if self.seen == self.n:
                os._exit(DEATH)


class MortalConnection(redis.UnixDomainSocketConnection):
    """A connection that passes by the failpoint around each exchange."""

    failpoint: Failpoint
    _greeted = False

    def send_packed_command(self, command: Any, check_health: bool = True) -> None:
        if self._greeted:
            self.failpoint.pass_by("before")
        super().send_packed_command(command, check_health)

    def read_response(self, *args: Any, **kwargs: Any) -> Any:
        response = super().read_response(*args, **kwargs)
        if self._greeted:
            self.failpoint.pass_by("after")
        return response

    def on_connect_check_health(self, check_health: bool = True) -> None:
        # The greeting of a new connection is not counted.
        self._greeted = False
        super().on_connect_check_health(check_health)
        self._greeted = True


def declare(broker: RedisStreamsBroker, ledger: "redis.Redis") -> None:
    """`first` fails in its first run of all and hands on to `second`; each run is written down."""
    tag = broker.keys.tag
    options = {"broker": broker, "min_backoff": 1, "max_backoff": 1}

    def first() -> int:
        if ledger.hincrby(f"{tag}:ledger", "began", 1) == 1:
            raise RuntimeError("the first run fails")
        ledger.hincrby(f"{tag}:ledger", "first", 1)
        return 7

    def second(_number: int) -> None:
        ledger.hincrby(f"{tag}:ledger", "second", 1)

    dramatiq.actor(first, actor_name="first", **options)
    dramatiq.actor(second, actor_name="second", **options)


def main(url: str, namespace: str, lease_ms: int) -> None:
    """Works until it meets its failpoint, or until everything is settled."""
    path = url.removeprefix("unix://").partition("?")[0]
    connection = type("Connection", (MortalConnection,), {"failpoint": Failpoint(os.environ["FAILPOINT"])})
    client = redis.Redis.from_pool(redis.ConnectionPool(connection, path=path, protocol=2))
    broker = RedisStreamsBroker(client=client, namespace=namespace, lease_ms=lease_ms)
    sound = redis.Redis.from_url(url)
    declare(broker, sound)
    dramatiq.Worker(broker, worker_threads=1, worker_timeout=100).start()
    admin, give_up_s = QueueAdmin(sound, namespace), time.monotonic() + END_S
    while admin.stats("default").unfinished and time.monotonic() < give_up_s:
        threading.Event().wait(0.02)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
