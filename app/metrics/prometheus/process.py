"""What an API process counts of itself, and the text of a scrape."""

from prometheus_client import (
    CONTENT_TYPE_PLAIN_0_0_4,
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from app.events.places import HubCounters
from app.metrics.prometheus.hub import HubCollector
from app.metrics.prometheus.truth import RedisTruth, TruthCollector
from app.version import VERSION

CONTENT_TYPE = CONTENT_TYPE_PLAIN_0_0_4

# A gauge beside each counter that says when it began: Prometheus finds a restart by itself.
disable_created_metrics()  # type: ignore[no-untyped-call]


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
        build = Gauge("stepstream_build_info", "1; which version this is.", ["version"], registry=self._registry)
        build.labels(VERSION).set(1)
        ProcessCollector(registry=self._registry)

    def render(self, hub: HubCounters, truth: RedisTruth | None) -> bytes:
        """The text of one scrape; without `truth` Redis is reported as away."""
        scrape = CollectorRegistry()
        scrape.register(HubCollector(hub))
        scrape.register(TruthCollector(truth))
        return generate_latest(self._registry) + generate_latest(scrape)
