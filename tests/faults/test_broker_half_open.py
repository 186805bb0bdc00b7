"""A proxy swallows one reply and then closes, or hangs like half-open TCP: the worker gets over it by itself."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import dramatiq
import pytest
import redis

from app.broker import QueueAdmin, RedisStreamsBroker
from app.broker.delays import DUE
from app.broker.reading import READ
from app.broker.sending import SEND
from app.broker.settlement import SETTLE
from tests.faults.broker_proxy import SwallowingProxy

SOCKET_TIMEOUT_S = 1.0
MESSAGES = 6
#: A hung reply costs one socket timeout, a message whose fetch it was, one more look for strays; the rest is for a slow
#: and busy machine.
RECOVERY_S = 60.0
#: A mover that hears nothing moves all the same when its longest sleep is over; here that would be too late.
SLEEP_MS_MAX = 600_000
#: One of each kind, by name: which request is the k-th depends on the machine.
KINDS = ("SSUBSCRIBE", "XREADGROUP", SEND.sha1, READ.sha1, SETTLE.sha1, DUE.sha1)
POINTS_FULL = range(1, 41)


class Life:
    """A worker behind a proxy of its own, and messages that fail once each."""

    def __init__(self, redis_url: str, namespace: str, k: int, *, hangs: bool, kind: str = "") -> None:
        self.proxy = SwallowingProxy(redis_url, hangs=hangs)
        self.proxy.arm(k, kind)
        self.strike = f"{k} {kind}"
        self.broker = RedisStreamsBroker(self.proxy.url, namespace=f"{namespace}:{k}{kind}", lease_ms=30_000)
        self.runs: Counter[int] = Counter()
        self.actor = dramatiq.actor(self._act, actor_name="act", broker=self.broker, min_backoff=1, max_backoff=1)
        self.worker = dramatiq.Worker(self.broker, worker_threads=2, worker_timeout=100)

    def _act(self, number: int) -> None:
        self.runs[number] += 1
        if self.runs[number] == 1:
            raise RuntimeError("the first run fails")

    def start(self) -> None:
        self.worker.start()
        self.send()

    def send(self) -> None:
        for number in range(MESSAGES):
            self.actor.send(number)

    def end(self) -> None:
        self.worker.stop(timeout=60_000)
        self.broker.close()
        self.proxy.close()


@pytest.fixture
def lives(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Life]]:
    monkeypatch.setattr("app.broker.connections.SOCKET_TIMEOUT_S", SOCKET_TIMEOUT_S)
    monkeypatch.setattr("app.broker.delays.SLEEP_MS_MAX", SLEEP_MS_MAX)
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
    for starter in starters:
        starter.join()
    settle(lives, sound)


def settle(lives: list[Life], sound: "redis.Redis") -> None:
    give_up_s = time.monotonic() + RECOVERY_S
    pause = threading.Event()
    admins = [QueueAdmin(sound, life.broker.namespace) for life in lives]
    waiting = [*zip(lives, admins, strict=True)]
    while waiting and time.monotonic() < give_up_s:
        pause.wait(0.02)
        waiting = [
            (life, admin)
            for life, admin in waiting
            if not life.proxy.swallowed.is_set() or admin.stats("default").unfinished
        ]
    for life, admin in zip(lives, admins, strict=True):
        stats = admin.stats("default")
        assert life.proxy.swallowed.is_set(), life.strike
        assert (stats.unfinished, stats.dead) == (0, 0), life.strike
        assert life.runs == dict.fromkeys(range(MESSAGES), 2), life.strike


HANGS = pytest.mark.parametrize("hangs", [False, True], ids=["closes", "hangs"])


@HANGS
def test_a_swallowed_reply_is_got_over(
    lives: list[Life], redis_url: str, namespace: str, redis_client: "redis.Redis", hangs: bool
) -> None:
    """Workers side by side, each with another kind of reply swallowed."""
    lives += [Life(redis_url, namespace, 1, hangs=hangs, kind=kind) for kind in KINDS]
    check(lives, redis_client)


def test_a_mover_that_hears_nothing_any_more_listens_anew(
    lives: list[Life], redis_url: str, namespace: str, redis_client: "redis.Redis", monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection of its ear hangs in the middle of its life, and with it the answer whether it does."""
    monkeypatch.setattr("app.broker.ear.SILENCE_S", 0.1)
    life = Life(redis_url, namespace, 1, hangs=True, kind="PING")
    lives.append(life)
    life.worker.start()
    assert life.proxy.swallowed.wait(RECOVERY_S)

    life.send()

    settle(lives, redis_client)


@pytest.mark.full
@HANGS
def test_any_swallowed_reply_is_got_over(
    lives: list[Life], redis_url: str, namespace: str, redis_client: "redis.Redis", hangs: bool
) -> None:
    """The same for each of the first requests, whatever they are, eight workers at a time."""
    for start in range(0, len(POINTS_FULL), 8):
        batch = [Life(redis_url, namespace, k, hangs=hangs) for k in POINTS_FULL[start : start + 8]]
        lives += batch
        check(batch, redis_client)
