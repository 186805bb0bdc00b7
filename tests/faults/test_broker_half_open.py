"""A proxy swallows one reply and then closes, or hangs like half-open TCP: the worker gets over it by itself."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import dramatiq
import pytest
import redis

from app.broker import QueueAdmin, RedisStreamsBroker
from tests.faults.broker_proxy import SwallowingProxy

SOCKET_TIMEOUT_S = 1.0
MESSAGES = 6
#: A hung reply costs one socket timeout; a message whose fetch it was, one more look for strays.
RECOVERY_S = 3 * SOCKET_TIMEOUT_S + 2
POINTS = (1, 2, 4, 7)
POINTS_FULL = range(1, 25)


class Life:
    """A worker behind a proxy of its own, and messages that fail once each."""

    def __init__(self, redis_url: str, namespace: str, k: int, *, hangs: bool) -> None:
        self.proxy = SwallowingProxy(redis_url, hangs=hangs)
        self.broker = RedisStreamsBroker(self.proxy.url, namespace=f"{namespace}:{k}", lease_ms=30_000)
        self.k = k
        self.runs: Counter[int] = Counter()
        self.began_s = time.monotonic()
        self.actor = dramatiq.actor(self._act, actor_name="act", broker=self.broker, min_backoff=1, max_backoff=1)
        self.worker = dramatiq.Worker(self.broker, worker_threads=2, worker_timeout=100)

    def _act(self, number: int) -> None:
        self.runs[number] += 1
        if self.runs[number] == 1:
            raise RuntimeError("the first run fails")

    def start(self) -> None:
        self.worker.start()
        self.proxy.arm(self.k)
        for number in range(MESSAGES):
            self.actor.send(number)

    def end(self) -> None:
        self.worker.stop(timeout=5_000)
        self.broker.close()
        self.proxy.close()


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Life]]:
    monkeypatch.setattr("app.broker.connections.SOCKET_TIMEOUT_S", SOCKET_TIMEOUT_S)
    made: list[Life] = []
    yield made
    enders = [threading.Thread(target=life.end) for life in made]
    for ender in enders:
        ender.start()
    for ender in enders:
        ender.join()


def check(lives: list[Life], sound: "redis.Redis") -> None:
    """Within the time of recovery every message ran twice, once failing and once not, and nothing is left."""
    starters = [threading.Thread(target=life.start) for life in lives]
    for starter in starters:
        starter.start()
    give_up_s = time.monotonic() + RECOVERY_S + len(lives)
    pause = threading.Event()
    admins = [QueueAdmin(sound, life.broker.namespace) for life in lives]
    for starter in starters:
        starter.join()
    while any(admin.stats("default").unfinished for admin in admins) and time.monotonic() < give_up_s:
        pause.wait(0.02)
    for life, admin in zip(lives, admins, strict=True):
        stats = admin.stats("default")
        assert life.proxy.swallowed.is_set(), life.k
        assert (stats.unfinished, stats.dead) == (0, 0), life.k
        assert life.runs == dict.fromkeys(range(MESSAGES), 2), life.k


HANGS = pytest.mark.parametrize("hangs", [False, True], ids=["closes", "hangs"])


@HANGS
def test_a_swallowed_reply_is_got_over(
    lives: list[Life], redis_url: str, namespace: str, redis_client: "redis.Redis", hangs: bool
) -> None:
    """Four workers side by side, each with another reply swallowed."""
    lives += [Life(redis_url, namespace, k, hangs=hangs) for k in POINTS]
    check(lives, redis_client)


@pytest.mark.full
@HANGS
def test_any_swallowed_reply_is_got_over(
    lives: list[Life], redis_url: str, namespace: str, redis_client: "redis.Redis", hangs: bool
) -> None:
    """The same for each of the first replies, eight workers at a time."""
    for start in range(0, len(POINTS_FULL), 8):
        batch = [Life(redis_url, namespace, k, hangs=hangs) for k in POINTS_FULL[start : start + 8]]
        lives += batch
        check(batch, redis_client)
