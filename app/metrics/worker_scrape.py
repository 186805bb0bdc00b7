"""The counts of all processes of one run, summed up for a scrape."""

from collections import defaultdict
from collections.abc import Iterator
from itertools import accumulate
from pathlib import Path
from threading import Lock

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from app.metrics.cells import SUFFIX, Reading, Series
from app.metrics.worker_counts import BATCHES, BUCKETS_S, DURATION, OTHER, REDIS_RETRIES, RUNNING, SLOTS, WAIT
from app.version import VERSION

GAUGES = frozenset({RUNNING, SLOTS})
#: Of the outcomes of attempts, which are there from the start: rates of these are asked for. The others come with their
#: first attempt, since each is sixteen series.
ALWAYS = ("completed", "failed")
BOUNDS = [*map(floatToGoString, BUCKETS_S), "+Inf"]

Sums = dict[Series, list[float]]

log = structlog.get_logger(__name__)


class WorkerScrape(Collector):
    """The processes whose cells lie in a folder; what those counted that have ended stays, their gauges do not."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._readings: dict[Path, Reading] = {}
        self._lock = Lock()
        self._registry = CollectorRegistry()
        self._registry.register(self)

    def render(self) -> bytes:
        """The text of one scrape."""
        return generate_latest(self._registry)

    def close(self) -> None:
        """Forgets what it has read."""
        for reading in self._readings.values():
            reading.close()
        self._readings.clear()

    @property
    def living(self) -> int:
        """How many processes are there."""
        return sum(reading.alive for reading in self._found())

    def describe(self) -> Iterator[Metric]:
        """Nothing: to be registered is no reason to read."""
        return iter(())

    def collect(self) -> Iterator[Metric]:
        sums = self._sums()
        yield GaugeMetricFamily("stepstream_worker_processes", "Worker processes that run.", value=self.living)
        yield GaugeMetricFamily(SLOTS, "Batches that can run at once.", value=_alone(sums, SLOTS))
        yield CounterMetricFamily(
            REDIS_RETRIES, "Calls of Redis made again after a fault.", value=_alone(sums, REDIS_RETRIES)
        )
        for family in _families():
            yield _filled(family, sums)
        built = GaugeMetricFamily("stepstream_build_info", "The version that runs.", labels=["version"])
        built.add_metric([VERSION], 1)
        yield built

    def _found(self) -> list[Reading]:
        """Those of all processes that there have been; what was found stays open."""
        with self._lock:
            for path in self._folder.glob(f"*{SUFFIX}"):
                if path not in self._readings:
                    self._open(path)
            return list(self._readings.values())

    def _open(self, path: Path) -> None:
        try:
            self._readings[path] = Reading(path)
        except (OSError, ValueError) as error:
            log.warning("metrics_file_unreadable", file=path.name, error=str(error))

    def _sums(self) -> Sums:
        sums: Sums = defaultdict(list)
        for reading in self._found():
            alive = reading.alive
            for series, values in reading.values().items():
                if alive or series[0] not in GAUGES:
                    known = sums[series]
                    sums[series] = [a + b for a, b in zip(known, values, strict=True)] if known else values
        return sums


def _families() -> list[Metric]:
    agent = ["agent"]
    return [
        GaugeMetricFamily(RUNNING, "Attempts under way.", labels=agent),
        HistogramMetricFamily(WAIT, "Time from queued to started.", labels=agent),
        HistogramMetricFamily(DURATION, "Time of attempts from start to settlement.", labels=[*agent, "outcome"]),
        CounterMetricFamily(BATCHES, "Batches taken, by what became of them.", labels=["queue", "outcome"]),
    ]


def _alone(sums: Sums, name: str) -> float:
    """The value of a metric without labels."""
    return sums.get((name,), [0.0])[0]


def _filled(family: Metric, sums: Sums) -> Metric:
    """The metric with all its series."""
    for (name, *labels), values in sorted(sums.items()):
        if name == family.name and _shown(name, labels, values):
            if isinstance(family, HistogramMetricFamily):
                counts = accumulate(values[:-1])
                family.add_metric(labels, list(zip(BOUNDS, counts, strict=True)), sum_value=values[-1])
            elif isinstance(family, GaugeMetricFamily | CounterMetricFamily):
                family.add_metric(labels, values[0])
    return family


def _shown(name: str, labels: list[str], values: list[float]) -> bool:
    if any(values):
        return True
    return labels[0] != OTHER and (name != DURATION or labels[1] in ALWAYS)
