"""What an API process tells Prometheus."""

import os
import shutil

import pytest
from prometheus_client.parser import text_string_to_metric_families

from app.broker.admin import QueueStats
from app.dispatch.counters import Counters
from app.events.places import HubCounters
from app.metrics.prometheus.process import ApiMetrics
from app.metrics.prometheus.truth import RedisTruth, ServerFacts

DEPTH = QueueStats(waiting=4, in_flight=3, delayed=2, dead=1, oldest_age_ms=1500, paused=True, due_lag_ms=250)
TRUTH = RedisTruth(
    queues={"writer": DEPTH, "idle": DEPTH},
    workers=[("writer", "other"), ("writer",)],
    agents=("writer",),
    open_tasks=7,
    repaired=2,
    counters=Counters({("step.completed", "writer"): 5, ("task.completed", ""): 4, ("step.held", "*"): 1}, 3, 6),
    llm={"calls": 3, "input_tokens": 20, "output_tokens": 5, "nano_usd": 1_500_000_000},
    firehose_entries=9,
    server=ServerFacts(memory_bytes=100, memory_bytes_max=0, evicting=False, persistent=True),
)


def samples(text: bytes) -> dict[tuple[str, ...], float]:
    """By name and the values of the labels, in the order of the labels' names."""
    return {
        (sample.name, *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text.decode())
        for sample in family.samples
    }


def promtool() -> str:
    """Prometheus' own tool."""
    tool = shutil.which("promtool")
    if tool is None:
        assert not os.environ.get("CI"), "no promtool in CI"
        pytest.skip("no promtool")
    return tool


def test_a_scrape_holds_the_process_the_hub_and_the_queues() -> None:
    """Base units, the project's prefix, and nothing that grows with the number of tasks."""
    metrics = ApiMetrics()
    metrics.submissions.labels("accepted").inc()
    counters = HubCounters(viewers=2, events_sent=10, gap_fills=1, resets=3)

    found = samples(metrics.render(counters, TRUTH))

    expected = {
        ("stepstream_submissions_total", "accepted"): 1,
        ("stepstream_submissions_total", "refused"): 0,
        ("stepstream_viewers",): 2,
        ("stepstream_events_sent_total",): 10,
        ("stepstream_event_gap_fills_total",): 1,
        ("stepstream_stream_resets_total",): 3,
        ("stepstream_redis_up",): 1,
        ("stepstream_open_tasks",): 7,
        ("stepstream_repaired_total",): 2,
        ("stepstream_events_total", "writer", "step.completed"): 5,
        ("stepstream_events_total", "", "task.completed"): 4,
        ("stepstream_events_total", "*", "step.held"): 1,
        ("stepstream_fenced_total",): 3,
        ("stepstream_stale_deliveries_total",): 6,
        ("stepstream_llm_calls_total",): 3,
        ("stepstream_llm_tokens_total", "input"): 20,
        ("stepstream_llm_tokens_total", "output"): 5,
        ("stepstream_llm_usd_total",): 1.5,
        ("stepstream_firehose_entries",): 9,
        ("stepstream_redis_memory_max_bytes",): 0,
        ("stepstream_redis_evicting",): 0,
        ("stepstream_redis_persistent",): 1,
        ("stepstream_queue_backlog", "writer"): 4,
        ("stepstream_queue_in_flight", "writer"): 3,
        ("stepstream_queue_delayed", "writer"): 2,
        ("stepstream_queue_dead", "writer"): 1,
        ("stepstream_queue_oldest_age_seconds", "writer"): 1.5,
        ("stepstream_queue_due_lag_seconds", "writer"): 0.25,
        ("stepstream_queue_paused", "writer"): 1,
        ("stepstream_workers",): 2,
        ("stepstream_queue_workers", "writer"): 2,
        ("stepstream_queue_workers", "idle"): 0,
    }
    assert {key: found[key] for key in expected} == expected
    assert all(name.startswith(("stepstream_", "process_")) for name, *_ in found)
    assert not any(name.endswith("_created") for name, *_ in found)


def test_events_are_told_of_before_there_are_any() -> None:
    """A rate of what has not happened is 0, not nothing: of tasks once, of steps per registered agent."""
    found = samples(ApiMetrics().render(HubCounters(), RedisTruth({}, agents=("a", "b"), counters=Counters({}))))

    kinds = {key[1:] for key in found if key[0] == "stepstream_events_total"}
    assert {("", "task.failed"), ("a", "step.failed"), ("b", "step.failed")} <= kinds
    assert not {("a", "task.failed"), ("", "step.failed")} & kinds
    assert {found["stepstream_events_total", *kind] for kind in kinds} == {0}


def test_what_the_server_does_not_tell_is_left_out() -> None:
    """Not 0: an alert on memory must not see a server that uses none."""
    found = samples(ApiMetrics().render(HubCounters(), RedisTruth({})))

    assert found["stepstream_redis_up",] == 1
    absent = ("redis_memory", "redis_evicting", "redis_persistent", "events_total", "fenced", "open_tasks", "llm")
    assert not any(name.startswith(tuple(f"stepstream_{word}" for word in absent)) for name, *_ in found)


def test_the_delivery_lag_is_a_histogram() -> None:
    """Cumulative buckets in seconds; a clock that is behind makes no negative times."""
    counters = HubCounters()
    for lag_s in (-3.0, 0.0007, 0.03, 11.0):
        counters.delivery_lag.observe(lag_s)

    found = samples(ApiMetrics().render(counters, None))

    name = "stepstream_event_delivery_lag_seconds"
    assert [found[f"{name}_bucket", bound] for bound in ("0.001", "0.025", "0.05", "10.0", "+Inf")] == [2, 2, 3, 3, 4]
    assert (found[f"{name}_count",], round(found[f"{name}_sum",], 4)) == (4, 11.0307)


def test_without_redis_the_process_is_still_scraped() -> None:
    """The queues are absent rather than zero."""
    found = samples(ApiMetrics().render(HubCounters(), None))

    assert found["stepstream_redis_up",] == 0
    assert not any(name.startswith(("stepstream_queue", "stepstream_workers")) for name, *_ in found)


def test_two_applications_do_not_share_counters() -> None:
    """Each has a registry of its own."""
    one, other = ApiMetrics(), ApiMetrics()
    one.submissions.labels("accepted").inc()

    assert samples(other.render(HubCounters(), None))["stepstream_submissions_total", "accepted"] == 0
