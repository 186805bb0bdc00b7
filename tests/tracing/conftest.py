"""A deployment that is traced, and the collector it sends its spans to."""

from collections.abc import Iterator

import pytest

from tests.deployment import Stack, running
from tests.unit.scripted_server import ScriptedServer, serving

from .collector import Collector, collecting


@pytest.fixture(scope="package")
def collector() -> Iterator[Collector]:
    with collecting() as found:
        yield found


@pytest.fixture(scope="package")
def model() -> Iterator[ScriptedServer]:
    with serving() as server:
        yield server


@pytest.fixture(scope="package")
def traced(
    redis_url: str, tmp_path_factory: pytest.TempPathFactory, collector: Collector, model: ScriptedServer
) -> Iterator[Stack]:
    """An API; workers are for the tests to start."""
    settings = {
        "STEPSTREAM_AGENT_MODULES": "tests.tracing.agents",
        "STEPSTREAM_LLM_BASE_URL": f"{model.url}/v1",
        "STEPSTREAM_LLM_MODEL": "small",
        "OTEL_EXPORTER_OTLP_ENDPOINT": collector.url,
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with running(tmp_path_factory.mktemp("traced"), redis_url, **settings) as stack:
        yield stack
