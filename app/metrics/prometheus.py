"""
What Prometheus scrapes from an API process.

Two kinds of truth: what this process did, counted here and in its hub; and what lies in Redis, asked at
scrape time, so that any one API process answers for all queues. With Redis away the first kind is still
served, and `stepstream_redis_up` is 0.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, CollectorRegistry, Counter, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.events.places import HubCounters

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4


class QueueDepth(Protocol):
    """What a queue holds; the age is that of the oldest waiting entry."""

    @property
    def waiting(self) -> int: ...
    @property
    def in_flight(self) -> int: ...
    @property
    def delayed(self) -> int: ...
    @property
    def dead(self) -> int: ...
    @property
    def oldest_age_ms(self) -> int: ...


@dataclass(frozen=True, slots=True)
class RedisTruth:
    """What lies in Redis at the time of a scrape; a `memory_bytes_max` of 0 is no limit."""

    open_tasks: int
    repaired: int
    queues: Mapping[str, QueueDepth]
    #: Calls, tokens and cost of language models: `calls`, `input_tokens`, `output_tokens`, `nano_usd`.
    llm: Mapping[str, int] = field(default_factory=dict)
    memory_bytes: int = 0
    memory_bytes_max: int = 0
    firehose_entries: int = 0


class ApiMetrics:
    """The metrics of one API process, in a registry of its own."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.submissions = Counter(
            "stepstream_submissions",
            "Submissions by outcome: accepted, replayed, invalid, refused.",
            ["outcome"],
            registry=self._registry,
        )
        for outcome in ("accepted", "replayed", "invalid", "refused"):
            self.submissions.labels(outcome)
        self.refusals = Counter(
            "stepstream_requests_refused",
            "Requests refused before their route saw them, by reason.",
            ["reason"],
            registry=self._registry,
        )
        self.limiter_errors = Counter(
            "stepstream_rate_limit_errors",
            "Requests let through because their rate limit could not be looked up.",
            registry=self._registry,
        )
        ProcessCollector(registry=self._registry)

    def render(self, hub: HubCounters, truth: RedisTruth | None) -> bytes:
        """The text of one scrape; without `truth` Redis is reported as away."""
        scrape = CollectorRegistry()
        scrape.register(_Hub(hub))
        scrape.register(_Redis(truth))
        return generate_latest(self._registry) + generate_latest(scrape)


class _Hub(Collector):
    def __init__(self, counters: HubCounters) -> None:
        self._counters = counters

    def collect(self) -> Iterable[Metric]:
        counters = self._counters
        yield GaugeMetricFamily("stepstream_viewers", "Open event streams.", value=counters.viewers)
        yield CounterMetricFamily("stepstream_events_sent", "Events handed to viewers.", value=counters.events_sent)
        yield CounterMetricFamily(
            "stepstream_event_gap_fills", "Reads from the log for pushes that were missed.", value=counters.gap_fills
        )
        yield CounterMetricFamily(
            "stepstream_stream_resets", "Streams told to forget what they have.", value=counters.resets
        )
        yield CounterMetricFamily(
            "stepstream_push_connection_losses", "Losses of the push connection.", value=counters.reconnects
        )


class _Redis(Collector):
    def __init__(self, truth: RedisTruth | None) -> None:
        self._truth = truth

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("stepstream_redis_up", "Whether Redis answered the scrape.", value=bool(self._truth))
        if self._truth is None:
            return
        yield GaugeMetricFamily("stepstream_open_tasks", "Tasks that are not terminal.", value=self._truth.open_tasks)
        yield CounterMetricFamily(
            "stepstream_repaired",
            "Steps and tasks that the audit has put right; above 0 something else has written to the keys.",
            value=self._truth.repaired,
        )
        yield from _llm(self._truth.llm)
        yield GaugeMetricFamily(
            "stepstream_redis_memory_bytes", "Memory that Redis uses.", value=self._truth.memory_bytes
        )
        yield GaugeMetricFamily(
            "stepstream_redis_memory_max_bytes",
            "Memory that Redis may use; 0 without a limit.",
            value=self._truth.memory_bytes_max,
        )
        yield GaugeMetricFamily(
            "stepstream_firehose_entries",
            "Entries of the stream that tells API processes of events; trimmed at a bound.",
            value=self._truth.firehose_entries,
        )
        for name, text, member, divisor in QUEUE_GAUGES:
            gauge = GaugeMetricFamily(f"stepstream_queue_{name}", text, labels=["queue"])
            for queue, depth in self._truth.queues.items():
                gauge.add_metric([queue], getattr(depth, member) / divisor)
            yield gauge


def _llm(taken: Mapping[str, int]) -> Iterator[Metric]:
    yield CounterMetricFamily("stepstream_llm_calls", "Calls to language models.", value=taken.get("calls", 0))
    tokens = CounterMetricFamily(
        "stepstream_llm_tokens",
        "Tokens that language models read and wrote.",
        labels=["direction"],
    )
    for direction in ("input", "output"):
        tokens.add_metric([direction], taken.get(f"{direction}_tokens", 0))
    yield tokens
    usd = taken.get("nano_usd", 0) / 1e9
    yield CounterMetricFamily("stepstream_llm_usd", "Cost of models with a price, US dollars.", value=usd)


QUEUE_GAUGES = (
    ("backlog", "Messages that wait for a worker.", "waiting", 1),
    ("in_flight", "Messages that a worker holds.", "in_flight", 1),
    ("delayed", "Messages that are due later.", "delayed", 1),
    ("dead", "Dead letters.", "dead", 1),
    ("oldest_age_seconds", "Age of the oldest waiting message.", "oldest_age_ms", 1000),
)
