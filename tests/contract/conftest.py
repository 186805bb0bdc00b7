"""Every contract test runs once per kind of broker, with a real worker and a real server."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import dramatiq
import pytest
import redis

from tests.contract.subjects import KINDS, Eventually, StartWorker, Subjects

WAIT_S = 60.0
WORKER_TIMEOUT_MS = 50


@pytest.fixture(autouse=True)
def _short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Dramatiq's own settings for the waits after a lost connection; they are long by default."""
    monkeypatch.setattr("dramatiq.worker.CONSUMER_RESTART_DELAY_SECS", 0.1)
    monkeypatch.setattr("dramatiq.worker.POST_PROCESS_MESSAGE_RETRY_DELAY_SECS", 0.1)


@pytest.fixture
def subjects_of(redis_url: str, namespace: str) -> Iterator[Callable[[str], Subjects]]:
    """Brokers of a kind given by name; for tests that compare the two."""
    made = []

    def of(kind: str) -> Subjects:
        made.append(Subjects(kind, redis_url, namespace))
        return made[-1]

    yield of
    for subjects in made:
        subjects.close()


# The stock broker polls, which makes the comparison slow; what ours promises has tests of its own.
@pytest.fixture(params=[pytest.param(kind, marks=pytest.mark.full) for kind in KINDS])
def subjects(request: pytest.FixtureRequest, subjects_of: Callable[[str], Subjects]) -> Subjects:
    return subjects_of(request.param)


@pytest.fixture
def broker(subjects: Subjects) -> Any:
    return subjects.make()


@pytest.fixture
def start_worker(subjects_of: Callable[[str], Subjects]) -> Iterator[StartWorker]:
    """Real Dramatiq workers, stopped before their brokers are closed."""
    workers: list[dramatiq.Worker] = []

    def start(
        broker: Any, *, threads: int = 2, queues: set[str] | None = None, timeout_ms: int = WORKER_TIMEOUT_MS
    ) -> dramatiq.Worker:
        worker = dramatiq.Worker(broker, worker_threads=threads, worker_timeout=timeout_ms, queues=queues)
        worker.start()
        workers.append(worker)
        return worker

    yield start
    for worker in workers:
        # Of the stock broker's threads one that has only just begun may not hear of it.
        worker.stop(timeout=10_000)


@pytest.fixture
def eventually() -> Eventually:
    """Asks again until the answer is true; for what only the server knows and no signal tells."""

    def ask(question: Callable[[], Any], timeout_s: float = WAIT_S) -> Any:
        give_up_s = time.monotonic() + timeout_s
        pause = threading.Event()
        while not (answer := question()):
            assert time.monotonic() < give_up_s, "it never came true"
            pause.wait(0.01)
        return answer

    return ask


@pytest.fixture
def ledger(redis_client: "redis.Redis") -> "redis.Redis":
    """A client that no broker uses."""
    return redis_client
