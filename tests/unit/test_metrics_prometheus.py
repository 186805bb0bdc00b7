"""What an API process tells Prometheus."""

from dataclasses import dataclass

from prometheus_client.parser import text_string_to_metric_families

from app.events.places import HubCounters
from app.metrics.prometheus import ApiMetrics, RedisTruth


@dataclass(frozen=True)
class Depth:
    """A queue's figures."""

    waiting: int = 4
    in_flight: int = 3
    delayed: int = 2
    dead: int = 1
    oldest_age_ms: int = 1500


def samples(text: bytes) -> dict[tuple[str, str], float]:
    return {
        (sample.name, next(iter(sample.labels.values()), "")): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def test_a_scrape_holds_the_process_the_hub_and_the_queues() -> None:
    """Base units, the project's prefix, and nothing that grows with the number of tasks."""
    metrics = ApiMetrics()
    metrics.submissions.labels("accepted").inc()
    counters = HubCounters(viewers=2, events_sent=10, gap_fills=1, resets=3)

    llm = {"calls": 3, "input_tokens": 20, "output_tokens": 5, "nano_usd": 1_500_000_000}

    truth = RedisTruth(open_tasks=7, repaired=2, queues={"writer": Depth()}, llm=llm, firehose_entries=9)
    found = samples(metrics.render(counters, truth))

    expected = {
        ("stepstream_submissions_total", "accepted"): 1,
        ("stepstream_submissions_total", "refused"): 0,
        ("stepstream_viewers", ""): 2,
        ("stepstream_events_sent_total", ""): 10,
        ("stepstream_event_gap_fills_total", ""): 1,
        ("stepstream_stream_resets_total", ""): 3,
        ("stepstream_redis_up", ""): 1,
        ("stepstream_open_tasks", ""): 7,
        ("stepstream_repaired_total", ""): 2,
        ("stepstream_llm_calls_total", ""): 3,
        ("stepstream_llm_tokens_total", "input"): 20,
        ("stepstream_llm_tokens_total", "output"): 5,
        ("stepstream_llm_usd_total", ""): 1.5,
        ("stepstream_firehose_entries", ""): 9,
        ("stepstream_queue_backlog", "writer"): 4,
        ("stepstream_queue_in_flight", "writer"): 3,
        ("stepstream_queue_delayed", "writer"): 2,
        ("stepstream_queue_dead", "writer"): 1,
        ("stepstream_queue_oldest_age_seconds", "writer"): 1.5,
    }
    assert {key: found[key] for key in expected} == expected
    assert all(name.startswith(("stepstream_", "process_")) for name, _ in found)


def test_without_redis_the_process_is_still_scraped() -> None:
    """The queues are absent rather than zero."""
    found = samples(ApiMetrics().render(HubCounters(), None))

    assert found["stepstream_redis_up", ""] == 0
    assert not any(name.startswith("stepstream_queue") for name, _ in found)


def test_two_applications_do_not_share_counters() -> None:
    """Each has a registry of its own."""
    one, other = ApiMetrics(), ApiMetrics()
    one.submissions.labels("accepted").inc()

    assert samples(other.render(HubCounters(), None))["stepstream_submissions_total", "accepted"] == 0
