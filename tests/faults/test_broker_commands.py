"""
The n-th Redis command of a message's whole life fails, before or after taking effect, for every n.

Goal: no lost command and no lost reply loses a message, runs it once more, or leaves anything behind.
The retry, the step after it in a pipeline, the delay, the beats and the sweeps are part of that life.
"""

from collections.abc import Callable, Iterator

import dramatiq
import pytest
import redis

from app.broker import RedisStreamsBroker
from tests.faults.broker_life import Bench, live
from tests.integration.broker.conftest import Faults, faults, faulty_client

__all__ = ["faults", "faulty_client"]

COMMANDS_MAX = 200
THREADED_STEP = 9  # in the short run every ninth command; the full run takes each

WHEN = pytest.mark.parametrize("when", ["before", "after"])
Fresh = Callable[[], Bench]


@pytest.fixture
def fresh(faulty_client: "redis.Redis", redis_client: "redis.Redis", namespace: str) -> Iterator[Fresh]:
    """A process and a namespace of its own for each life; what it left is checked, then dropped."""
    benches: list[Bench] = []

    def make() -> Bench:
        broker = RedisStreamsBroker(client=faulty_client, namespace=f"{namespace}:{len(benches)}")
        broker.declare_queue("default")
        benches.append(Bench(broker, redis_client))
        return benches[-1]

    yield make
    for bench in benches:
        bench.broker.close()


def check(bench: Bench, *, in_pipeline: bool, n: int) -> None:
    """The invariant: the failed run, one that worked, the next step once, and nothing in any key."""
    assert bench.runs["first"] == 2, n
    assert bench.runs["second"] == int(in_pipeline), n
    assert bench.residue() == {}, n


@WHEN
@pytest.mark.parametrize("in_pipeline", [False, True], ids=["alone", "in-a-pipeline"])
def test_no_single_command_loses_or_doubles_a_message(
    fresh: Fresh, faults: Faults, when: str, in_pipeline: bool
) -> None:
    """For n = 1, 2, 3 until a life is through before its n-th command: exactly the effects of a life without faults."""
    hits = 0
    for n in range(1, COMMANDS_MAX):
        bench = fresh()
        faults.strike(n, when)
        live(bench, in_pipeline=in_pipeline)
        commands, faults.at = faults.seen, None
        check(bench, in_pipeline=in_pipeline, n=n)
        if not faults.struck:
            break
        hits += 1

    assert 15 < commands <= hits == n - 1


def live_threaded(bench: Bench, *, in_pipeline: bool) -> None:
    """The same life under a real worker with its threads: consumer, mover, heart, flusher."""
    worker = dramatiq.Worker(bench.broker, worker_threads=1, worker_timeout=200)
    bench.send(in_pipeline=in_pipeline)
    worker.start()
    sound = RedisStreamsBroker(client=bench.sound, namespace=bench.broker.namespace)
    sound.join("default", interval=5, timeout=180_000)
    sound.close()
    worker.stop(timeout=60_000)


def strike_threaded(fresh: Fresh, faults: Faults, when: str, step: int) -> tuple[int, int]:
    """Lives until one meets no fault; returns how many did, and how many commands the last one had."""
    hits = 0
    for n in range(1, COMMANDS_MAX, step):
        bench = fresh()
        faults.strike(n, when)
        live_threaded(bench, in_pipeline=True)
        faults.at, struck = None, faults.struck
        check(bench, in_pipeline=True, n=n)
        if not struck:
            break
        hits += 1
    return hits, faults.seen


@WHEN
def test_some_commands_fail_under_a_real_worker(fresh: Fresh, faults: Faults, when: str) -> None:
    """The same with Dramatiq's threads and ours, every ninth command."""
    hits, _ = strike_threaded(fresh, faults, when, THREADED_STEP)
    assert hits >= 3


@pytest.mark.full
@WHEN
def test_each_command_fails_under_a_real_worker(fresh: Fresh, faults: Faults, when: str) -> None:
    """The same, every command."""
    hits, commands = strike_threaded(fresh, faults, when, 1)
    assert 15 < commands <= hits
