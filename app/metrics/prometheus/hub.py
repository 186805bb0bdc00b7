"""What the viewers of this process went through."""

from collections.abc import Iterable
from itertools import accumulate

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from app.events.lag import BOUNDS_S, DeliveryLag
from app.events.places import HubCounters


class HubCollector(Collector):
    """The counters of a hub at the time of a scrape."""

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
        yield _histogram(counters.delivery_lag)


def _histogram(lag: DeliveryLag) -> Metric:
    bounds = [*(str(bound) for bound in BOUNDS_S), "+Inf"]
    return HistogramMetricFamily(
        "stepstream_event_delivery_lag_seconds",
        "From a live event's time to when its viewers have been handed it.",
        buckets=list(zip(bounds, accumulate(lag.counts), strict=True)),
        sum_value=lag.sum_s,
    )
