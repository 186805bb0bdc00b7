"""Dramatiq's side of the workers' metrics: opens the counts of a process, counts batches, sends the exporter along."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import structlog
from dramatiq.middleware import Middleware

from app.broker.errors import Release
from app.metrics.cells import SUFFIX
from app.metrics.run_folder import RunFolder, run_name
from app.metrics.worker_counts import BatchOutcome, WorkerCounts

#: In the folder of a run: where its exporter can be asked.
ADDRESS = "address"

log = structlog.get_logger(__name__)


class WorkerMetrics(Middleware):
    """
    The counts of a worker process, from its boot on; `exporter` serves those of all processes of a supervisor.

    A process that Dramatiq's command has not started has no supervisor, so nothing is counted in it. Nor where no
    file can be made: that work goes on is worth more than that it is counted.
    """

    def __init__(self, places: Sequence[Path], exporter: Callable[[], int]) -> None:
        self.counts: WorkerCounts | None = None
        self._places = places
        self._exporter = exporter
        self._folder: RunFolder | None = None
        self._address: str | None = None

    @property
    def forks(self) -> list[Callable[[], int]]:
        """What the supervisor runs once, beside its workers; it is told the name and imports it."""
        return [self._exporter]

    def before_worker_boot(self, broker: Any, worker: Any) -> None:
        name = run_name()
        if name is None:
            return
        queues = worker.consumer_whitelist or broker.get_declared_queues()
        try:
            folder = self._folder = RunFolder.enter(self._places, name)
            path = folder.path / f"{os.getpid()}{SUFFIX}"
            self.counts = WorkerCounts(path, broker.actors.keys(), queues, worker.worker_threads)
        except OSError as error:
            log.warning("metrics_not_counted", error=str(error))

    def after_process_message(
        self, broker: Any, message: Any, *, result: Any = None, exception: BaseException | None = None
    ) -> None:
        outcome: BatchOutcome = (
            "done" if exception is None else "released" if isinstance(exception, Release) else "failed"
        )
        if self.counts:
            self.counts.batch(message.queue_name, outcome)

    def after_skip_message(self, broker: Any, message: Any) -> None:
        if self.counts:
            self.counts.batch(message.queue_name, "skipped")

    def after_worker_shutdown(self, broker: Any, worker: Any) -> None:
        if self._folder:
            self._folder.leave()
            self._folder = None

    def redis_retried(self) -> None:
        """A call of Redis was made again."""
        if self.counts:
            self.counts.redis_retried()

    def about(self) -> dict[str, str]:
        """What this process adds to its reports: where its metrics are, once the exporter has said so."""
        if self._address is None and self._folder:
            try:
                self._address = (self._folder.path / ADDRESS).read_text(encoding="utf-8")
            except OSError:
                return {}
        return {"metrics_url": self._address} if self._address else {}
