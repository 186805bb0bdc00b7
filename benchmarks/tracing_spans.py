"""
What do the spans of a step that does nothing cost, by themselves?

    python -m benchmarks.tracing_spans [--rounds 20]

The span of a message and that of an attempt, in one process, as a worker begins and ends them; CPU, least of the
rounds. off: nothing is traced. unsampled: the sampler keeps nothing. on: kept in the queue. encoded: and made into what
a collector is sent, which a worker does in a thread of its own.
"""

import argparse
import logging
import time
from types import SimpleNamespace

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ALWAYS_ON, Sampler

from app.dispatch.traces import attempting, processing
from app.tracing.otel import OtelTracer
from app.tracing.tracer import NO_TRACER, Tracer
from tests.unit.test_judging import attempt

from .broker_rig import show

STEPS = 500
MESSAGE = SimpleNamespace(
    queue_name="noop", message_id="0-x:1:1", delivery=1,
    options={"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"},
)  # fmt: skip


def steps(tracer: Tracer) -> None:
    begun = attempt()
    for _ in range(STEPS):
        with processing(tracer, "0-x", "1:1", MESSAGE), attempting(tracer, begun, "w1") as told:
            told.outcome = "completed"


def sampled(sampler: Sampler, exporter: InMemorySpanExporter) -> Tracer:
    provider = TracerProvider(sampler=sampler, shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return OtelTracer(provider.get_tracer("bench"))


def cpu_us(tracer: Tracer, exporter: InMemorySpanExporter) -> tuple[float, float]:
    """CPU per step: making the spans, and encoding them."""
    began_s = time.process_time()
    steps(tracer)
    made_s = time.process_time()
    if spans := exporter.get_finished_spans():
        encode_spans(spans).SerializePartialToString()
    encoded_s = time.process_time()
    exporter.clear()
    return (made_s - began_s) * 1e6 / STEPS, (encoded_s - made_s) * 1e6 / STEPS


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    logging.disable()
    exporter = InMemorySpanExporter()
    tracers = {"off": NO_TRACER, "unsampled": sampled(ALWAYS_OFF, exporter), "on": sampled(ALWAYS_ON, exporter)}
    found = {name: [cpu_us(tracer, exporter) for _ in range(rounds)] for name, tracer in tracers.items()}
    rows = [[name, min(made for made, _ in each), min(encoded for _, encoded in each)] for name, each in found.items()]
    show(f"Two spans, {rounds} rounds of {STEPS} steps", ["traces", "made, CPU us per step", "encoded, CPU us"], rows)


if __name__ == "__main__":
    main()
