"""A worker dies between any two of its Redis calls; the next one finishes what it began."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import dramatiq
import pytest
import redis

from app.broker import RedisStreamsBroker
from tests.faults.broker_program import DEATH, END_S, declare

LEASE_MS = 500
AT_ONCE = 6
POINTS_MAX = 120

Point = tuple[str, int]


class Life:
    """One namespace: a message sent, a worker that dies at its failpoint, another that goes on."""

    def __init__(self, url: str, namespace: str, point: Point, sound: "redis.Redis") -> None:
        self.sound = sound
        self.namespace = f"{namespace}:{point[0]}-{point[1]}"
        self.broker = RedisStreamsBroker(url, namespace=self.namespace, lease_ms=LEASE_MS)
        declare(self.broker, sound)
        actors = self.broker.actors
        dramatiq.pipeline([actors["first"].message(), actors["second"].message()], broker=self.broker).run()
        self.worker = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.broker_program", url, self.namespace, str(LEASE_MS)],
            env={**os.environ, "FAILPOINT": f"{point[0]}:{point[1]}"},
            stderr=subprocess.DEVNULL,
        )

    @property
    def ledger(self) -> dict[str, int]:
        rows = self.sound.hgetall(f"{self.broker.keys.tag}:ledger")
        return {name.decode(): int(count) for name, count in rows.items()}

    def await_death(self) -> bool:
        """Whether the worker died at its failpoint; one that finished all its work never came there."""
        code = self.worker.wait(END_S)
        assert code in (0, DEATH), self.namespace
        return code == DEATH

    @contextmanager
    def goes_on(self) -> Iterator[None]:
        """Another worker in the same queues, until they are empty."""
        worker = dramatiq.Worker(self.broker, worker_threads=1, worker_timeout=50)
        worker.start()
        yield
        self.broker.join("default", timeout=int(END_S * 1000))
        worker.stop(timeout=60_000)
        self.broker.close()

    def check(self, died: bool) -> None:
        """Nothing lost; at most one run more than without a death."""
        ledger = self.ledger
        runs = ledger["began"] + ledger["second"]
        assert ledger["first"] >= 1, self.namespace
        assert ledger["second"] >= 1, self.namespace
        assert 3 <= runs <= 3 + died, (self.namespace, ledger)


def die_at(points: Sequence[Point], url: str, namespace: str, sound: "redis.Redis") -> int:
    """Lives side by side, one per failpoint; returns how many workers died at theirs."""
    lives = [Life(url, namespace, point, sound) for point in points]
    deaths = [life.await_death() for life in lives]
    with ExitStack() as others:
        for life in lives:
            others.enter_context(life.goes_on())
    for life, died in zip(lives, deaths, strict=True):
        life.check(died)
    return sum(deaths)


def test_a_worker_may_die_at_some_of_its_calls(redis_url: str, namespace: str, redis_client: "redis.Redis") -> None:
    """A few points spread over the life, before and after the command."""
    points = [(when, n) for when in ("before", "after") for n in (6, 12, 18)]

    deaths = die_at(points, redis_url, namespace, redis_client)

    assert deaths >= 4


@pytest.mark.full
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_worker_may_die_at_any_of_its_calls(
    redis_url: str, namespace: str, redis_client: "redis.Redis", when: str
) -> None:
    """Every point, until a whole batch of workers finishes without meeting its own."""
    deaths = 0
    for start in range(1, POINTS_MAX, AT_ONCE):
        points = [(when, n) for n in range(start, start + AT_ONCE)]
        died = die_at(points, redis_url, namespace, redis_client)
        deaths += died
        if died == 0:
            break

    assert died == 0
    assert deaths >= 15
