"""
What do the spans of a step that does nothing cost, by themselves?

    python -m benchmarks.tracing_spans [--rounds 20]

The span of a message and that of an attempt, in one process, as a worker begins and ends them; CPU, least of the
rounds. off: nothing is traced. unsampled: whoever sent it decided against. on: kept in the queue. encoded: and made
into what a collector is sent, which a worker does in a thread of its own; beside it what the exporter's own encoder
takes.
"""

import argparse
import logging
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from types import SimpleNamespace

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import DEFAULT_ON

from app.dispatch.attempt import Attempt
from app.dispatch.traces import attempting, processing
from app.tracing.encoding import encode
from app.tracing.otel import OtelTracer
from app.tracing.tracer import NO_TRACER, Tracer
from tests.unit.test_judging import attempt

from .broker_rig import show

STEPS = 500
Received = Iterable[tuple[SimpleNamespace, Attempt]]
SAMPLED, UNSAMPLED = "01", "00"


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU per step in us."""

    made: float
    encoded: float
    by_exporter: float


def steps(tracer: Tracer, received: Received) -> None:
    for message, begun in received:
        with processing(tracer, begun.ref.task_id, "1:1", message), attempting(tracer, begun, "w1") as told:
            told.outcome = "completed"


def received(flags: str) -> Iterator[tuple[SimpleNamespace, Attempt]]:
    """Steps, each of a task and a trace of its own, as they come."""
    begun = attempt()
    for number in range(STEPS):
        task_id = f"0-{number:036}"
        sent = f"00-4bf92f3577b34da6{number:016x}-00f067aa0ba902b7-{flags}"
        message = SimpleNamespace(
            queue_name="noop", message_id=f"{task_id}:1:1", delivery=1, options={"traceparent": sent}
        )
        yield message, replace(begun, ref=replace(begun.ref, task_id=task_id))


def recording(exporter: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider(sampler=DEFAULT_ON, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelTracer(provider.get_tracer("bench"), follows_parents=True)


def spent(tracer: Tracer, flags: str, exporter: InMemorySpanExporter) -> Spent:
    """Making the spans, and encoding them."""
    steps_of_round = list(received(flags))
    made = cpu_us(lambda: steps(tracer, steps_of_round))
    spans = exporter.get_finished_spans()
    exporter.clear()
    return Spent(
        made,
        cpu_us(lambda: encode(spans).SerializePartialToString()),
        cpu_us(lambda: encode_spans(spans).SerializePartialToString()),
    )


def cpu_us(work: Callable[[], object]) -> float:
    began_s = time.process_time()
    work()
    return (time.process_time() - began_s) * 1e6 / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    logging.disable()
    exporter = InMemorySpanExporter()
    traced = recording(exporter)
    ways = {"off": (NO_TRACER, SAMPLED), "unsampled": (traced, UNSAMPLED), "on": (traced, SAMPLED)}
    found: dict[str, list[Spent]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            found[name].append(spent(*way, exporter))
    rows = [
        [name, *(min(getattr(one, field) for one in each) for field in Spent.__slots__)] for name, each in found.items()
    ]
    head = ["traces", "made, CPU us per step", "encoded, CPU us", "by the exporter's encoder"]
    show(f"Two spans, {rounds} rounds of {STEPS} steps", head, rows)


if __name__ == "__main__":
    main()
