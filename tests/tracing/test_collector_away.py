"""Work goes on, and ends in time, when the collector does not."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.deployment import EXIT_TIMEOUT_S, LASTING_LEASE, LINE, Stack, free_port, running, wait_for
from tests.e2e.test_stream import read

from .collector import Collector, collecting

pytestmark = pytest.mark.full

TASKS = 10
SMALL = {"OTEL_BSP_SCHEDULE_DELAY": "20", "OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "2"}


@pytest.fixture
def silent() -> Iterator[Collector]:
    """A collector that takes requests and never answers."""
    with collecting() as found:
        found.go_on.clear()
        yield found


def text_of(stack: Stack, name: str) -> str:
    return "".join(path.read_text() for path in sorted(stack.folder.glob(f"{name}-*.log")))


def drained(stack: Stack) -> None:
    """Tasks complete, and API and worker end after SIGTERM by themselves."""
    worker = stack.worker()
    tasks = [stack.submit(LINE) for _ in range(TASKS)]
    assert [read(stack, task_id)[-1][1].type for task_id in tasks] == ["task.completed"] * TASKS
    for process in (worker, stack.processes[0]):
        os.kill(process.pid, signal.SIGTERM)
    for process in (worker, stack.processes[0]):
        assert process.wait(timeout=EXIT_TIMEOUT_S) in (0, -signal.SIGTERM)


def test_a_collector_that_hangs_holds_up_nobody(redis_url: str, tmp_path: Path, silent: Collector) -> None:
    """What does not fit into the queue is dropped; the last spans are given up after a moment, with a line."""
    with running(tmp_path, redis_url, OTEL_EXPORTER_OTLP_ENDPOINT=silent.url, **SMALL) as stack:
        drained(stack)

        for name in ("worker", "uvicorn"):
            assert text_of(stack, name).count("tracing_flush_given_up") == 1, text_of(stack, name)
            assert text_of(stack, name).count("tracing_trouble") == 1, text_of(stack, name)
    assert silent.requests >= 2
    assert silent.spans == []


def test_a_collector_that_is_not_there_is_told_of_once(redis_url: str, tmp_path: Path) -> None:
    """However many spans it misses; no traceback of the client stands in the log."""
    away = f"http://127.0.0.1:{free_port()}"
    with running(tmp_path, redis_url, OTEL_EXPORTER_OTLP_ENDPOINT=away, **SMALL) as stack:
        drained(stack)

        for name in ("worker", "uvicorn"):
            assert text_of(stack, name).count("tracing_trouble") == 1
            assert "Traceback" not in text_of(stack, name)


def test_every_process_of_a_worker_sends_its_own_spans(redis_url: str, tmp_path: Path) -> None:
    """The thread that sends is begun behind the fork; the last spans leave before the processes do."""
    with (
        collecting() as collector,
        running(tmp_path, redis_url, OTEL_EXPORTER_OTLP_ENDPOINT=collector.url, **LASTING_LEASE) as stack,
    ):
        process = stack.worker("--processes", "2", "--threads", "1")
        gated = [{"step_id": 1, "agent": "gated", "payload": "gate"}]
        tasks = [stack.submit(gated), stack.submit(gated)]
        wait_for(lambda: sum(line[0] == "began" for line in stack.ledger) == 2, "the steps do not run side by side")
        (tmp_path / "gate").touch()
        for task_id in tasks:
            read(stack, task_id)
        os.kill(process.pid, signal.SIGTERM)
        process.wait(timeout=EXIT_TIMEOUT_S)

        attempts = [span for span in collector.spans if span.name == "invoke_agent gated"]
        assert len({span.attributes["stepstream.worker"] for span in attempts}) == 2


def test_variables_that_make_no_sense_cost_the_traces_only(redis_url: str, tmp_path: Path) -> None:
    """A line says what is wrong with them."""
    nonsense = {"OTEL_BSP_MAX_QUEUE_SIZE": "4", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE": "8"}
    with running(tmp_path, redis_url, OTEL_EXPORTER_OTLP_ENDPOINT="http://127.0.0.1:9", **nonsense) as stack:
        drained(stack)

        for name in ("worker", "uvicorn"):
            assert text_of(stack, name).count("tracing_refused") == 1
            assert "Traceback" not in text_of(stack, name)
