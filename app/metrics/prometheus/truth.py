"""
What lies in Redis at the time of a scrape.

Every API process tells the same, right also while no worker is alive. What the server did not tell, because its user
may not ask, is left out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from app.broker.admin import QueueStats
from app.dispatch.counters import Counters
from app.model.events import EVENT_TYPES

#: Events that belong to a task and to none of its steps.
_OF_TASKS = ("task.", "plan.", "batch.", "events.")


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the server says of itself; a `memory_bytes_max` of 0 is no limit."""

    memory_bytes: int | None = None
    memory_bytes_max: int | None = None
    evicting: bool | None = None
    persistent: bool | None = None


@dataclass(frozen=True, slots=True)
class RedisTruth:
    """All of it; `None` is what the server did not tell."""

    queues: Mapping[str, QueueStats]
    #: Queues of each living worker process.
    workers: Iterable[Iterable[str]] = ()
    #: Names of registered agents: their events are told of before there are any.
    agents: Iterable[str] = ()
    open_tasks: int | None = None
    repaired: int | None = None
    counters: Counters | None = None
    #: Calls, tokens and cost of language models: `calls`, `input_tokens`, `output_tokens`, `nano_usd`.
    llm: Mapping[str, int] | None = None
    firehose_entries: int | None = None
    server: ServerFacts = field(default_factory=ServerFacts)


class TruthCollector(Collector):
    """The metrics of one scrape; without a truth Redis is away."""

    def __init__(self, truth: RedisTruth | None) -> None:
        self._truth = truth

    def collect(self) -> Iterator[Metric]:
        truth = self._truth
        yield GaugeMetricFamily("stepstream_redis_up", "Whether Redis answered the scrape.", value=bool(truth))
        if truth is None:
            return
        yield from _gauges(truth)
        if truth.repaired is not None:
            yield CounterMetricFamily(
                "stepstream_repaired",
                "Steps and tasks that the audit has put right; above 0 something else has written to the keys.",
                value=truth.repaired,
            )
        if truth.counters is not None:
            yield from _counters(truth.counters, truth.agents)
        if truth.llm is not None:
            yield from _llm(truth.llm)
        yield from _queues(truth.queues)
        yield from _workers(truth)


def _gauges(truth: RedisTruth) -> Iterator[Metric]:
    server = truth.server
    told = (
        ("open_tasks", "Tasks that are not terminal.", truth.open_tasks),
        (
            "firehose_entries",
            "Entries of the stream that tells API processes of events; trimmed at a bound.",
            truth.firehose_entries,
        ),
        ("redis_memory_bytes", "Memory that Redis uses.", server.memory_bytes),
        ("redis_memory_max_bytes", "Memory that Redis may use; 0 without a limit.", server.memory_bytes_max),
        ("redis_evicting", "Whether the policy of Redis lets it delete keys when it is full.", server.evicting),
        ("redis_persistent", "Whether Redis writes an append-only file.", server.persistent),
    )
    for name, text, value in told:
        if value is not None:
            yield GaugeMetricFamily(f"stepstream_{name}", text, value=value)


def _counters(counters: Counters, agents: Iterable[str]) -> Iterator[Metric]:
    events = CounterMetricFamily("stepstream_events", "Events written, by type and agent.", labels=["type", "agent"])
    known = {(kind, agent) for kind in EVENT_TYPES for agent in ([""] if kind.startswith(_OF_TASKS) else agents)}
    for kind, agent in sorted(known | counters.events.keys()):
        events.add_metric([kind, agent], counters.events.get((kind, agent), 0))
    yield events
    yield CounterMetricFamily(
        "stepstream_fenced", "Writes refused because their attempt was not the current one.", value=counters.fenced
    )
    yield CounterMetricFamily(
        "stepstream_stale_deliveries", "Deliveries of steps that had nothing to run any more.", value=counters.stale
    )


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


_QUEUE_GAUGES = (
    ("backlog", "Messages that wait for a worker.", "waiting", 1),
    ("in_flight", "Messages that a worker holds.", "in_flight", 1),
    ("delayed", "Messages that are due later.", "delayed", 1),
    ("dead", "Dead letters.", "dead", 1),
    ("oldest_age_seconds", "Age of the oldest waiting message.", "oldest_age_ms", 1000),
    ("due_lag_seconds", "For how long the earliest delayed message has been due.", "due_lag_ms", 1000),
    ("paused", "Whether workers fetch nothing from the queue.", "paused", 1),
)


def _queues(queues: Mapping[str, QueueStats]) -> Iterator[Metric]:
    for name, text, member, divisor in _QUEUE_GAUGES:
        gauge = GaugeMetricFamily(f"stepstream_queue_{name}", text, labels=["queue"])
        for queue, depth in queues.items():
            gauge.add_metric([queue], getattr(depth, member) / divisor)
        yield gauge


def _workers(truth: RedisTruth) -> Iterator[Metric]:
    """A queue that nobody reads says 0."""
    workers = [frozenset(queues) for queues in truth.workers]
    yield GaugeMetricFamily("stepstream_workers", "Living worker processes.", value=len(workers))
    gauge = GaugeMetricFamily("stepstream_queue_workers", "Living worker processes that read it.", labels=["queue"])
    for queue in truth.queues:
        gauge.add_metric([queue], sum(queue in queues for queues in workers))
    yield gauge
