"""What a worker process counts: attempts, batches, repeated calls; see docs/metrics.md for the names."""

from bisect import bisect_left
from collections.abc import Collection
from pathlib import Path
from typing import Literal, get_args

from app.dispatch.attempt import Attempt
from app.dispatch.observing import AttemptOutcome
from app.metrics.cells import Cells, Series

DURATION = "stepstream_step_duration_seconds"
WAIT = "stepstream_step_wait_seconds"
RUNNING = "stepstream_steps_running"
SLOTS = "stepstream_worker_slots"
BATCHES = "stepstream_batches"
REDIS_RETRIES = "stepstream_redis_retries"

#: Upper bounds of the buckets of durations and waits.
BUCKETS_S = (0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0)
#: A cell per bucket, one for what lies above, one for the sum.
HISTOGRAM_CELLS = len(BUCKETS_S) + 2

BatchOutcome = Literal["done", "failed", "released", "skipped"]
ATTEMPT_OUTCOMES: tuple[AttemptOutcome, ...] = get_args(AttemptOutcome)
BATCH_OUTCOMES: tuple[BatchOutcome, ...] = get_args(BatchOutcome)
#: Stands for all agents and queues that this process does not know, so that their names cannot be without number.
OTHER = ""


class WorkerCounts:
    """Counts into cells; as an `AttemptObserver` it is told of attempts."""

    def __init__(self, path: Path, agents: Collection[str], queues: Collection[str], slots: int) -> None:
        self._agents = frozenset(agents)
        self._queues = frozenset(queues)
        self._cells = Cells(path, _sizes([*sorted(agents), OTHER], [*sorted(queues), OTHER]))
        self._cells.add((SLOTS,), slots)

    def began(self, attempt: Attempt) -> None:
        agent = self._agent(attempt)
        self._cells.add((RUNNING, agent), 1)
        self._observe((WAIT, agent), attempt.waited_ms / 1000)

    def ended(self, attempt: Attempt, outcome: AttemptOutcome, seconds: float) -> None:
        agent = self._agent(attempt)
        self._cells.add((RUNNING, agent), -1)
        self._observe((DURATION, agent, outcome), seconds)

    def batch(self, queue: str, outcome: BatchOutcome) -> None:
        self._cells.add((BATCHES, queue if queue in self._queues else OTHER, outcome), 1)

    def redis_retried(self) -> None:
        self._cells.add((REDIS_RETRIES,), 1)

    def _agent(self, attempt: Attempt) -> str:
        name = attempt.step.agent
        return name if name in self._agents else OTHER

    def _observe(self, series: Series, seconds: float) -> None:
        self._cells.observe(series, bisect_left(BUCKETS_S, seconds), seconds)


def _sizes(agents: Collection[str], queues: Collection[str]) -> dict[Series, int]:
    """All series there can be, and how many cells each has."""
    sizes: dict[Series, int] = {(SLOTS,): 1, (REDIS_RETRIES,): 1}
    sizes |= {(RUNNING, agent): 1 for agent in agents}
    sizes |= {(WAIT, agent): HISTOGRAM_CELLS for agent in agents}
    sizes |= {(DURATION, agent, outcome): HISTOGRAM_CELLS for agent in agents for outcome in ATTEMPT_OUTCOMES}
    return sizes | {(BATCHES, queue, outcome): 1 for queue in queues for outcome in BATCH_OUTCOMES}
