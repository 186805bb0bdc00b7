"""A real Prometheus with the shipped configuration, beside the real system during a real task."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx2
import promql_parser
import pytest
import redis

from app.access.keyring import Keyring
from app.access.principal import Scope
from app.keys import Keys
from tests.deploy.test_monitoring import OF_PROMETHEUS, PROMETHEUS, expressions, rules_of, selectors
from tests.deploy.tools import tool
from tests.deployment import LASTING_LEASE, Stack, free_port, running, wait_for

pytestmark = pytest.mark.full
CHAIN = [
    {"step_id": 1, "agent": "noop", "payload": "a"},
    {"step_id": 2, "agent": "noop", "payload": "b", "depends_on": [1]},
]
MEASURED = {"STEPSTREAM_METRICS": "true", "STEPSTREAM_METRICS_PORT": "0", **LASTING_LEASE}
HOPELESS = [{"step_id": 1, "agent": "hopeless", "payload": "fails"}]


@pytest.fixture(scope="module")
def stack(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """An API and two supervisors of workers on one machine; nobody gets in without a key."""
    folder = tmp_path_factory.mktemp("scraped")
    with running(folder, redis_url, STEPSTREAM_AUTH="required", **MEASURED) as stack:
        stack.worker("--processes", "2")
        stack.worker()
        yield stack


@pytest.fixture(scope="module")
def keys(stack: Stack, redis_url: str) -> dict[Scope, str]:
    """A key for Prometheus, and one for whoever submits."""
    with redis.Redis.from_url(redis_url, protocol=2) as client:
        ring = Keyring(client, Keys(stack.environment["STEPSTREAM_NAMESPACE"]))
        return {scope: ring.create(tenant="mine", scopes=[scope])[0].text for scope in (Scope.METRICS, Scope.SUBMIT)}


@pytest.fixture(scope="module")
def prometheus(stack: Stack, keys: dict[Scope, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator["Asked"]:
    program = tool("prometheus")
    folder = tmp_path_factory.mktemp("prometheus") / "conf"
    shutil.copytree(PROMETHEUS, folder)
    (folder / "stepstream.key").write_text(keys[Scope.METRICS])
    (folder / "prometheus.yml").write_text(shortened(folder / "prometheus.yml", f"127.0.0.1:{stack.port}"))
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                program, f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ],
            stdout=log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
    asked = Asked(f"http://127.0.0.1:{port}")
    try:
        wait_for(asked.ready, "Prometheus did not start")
        yield asked
    finally:
        process.terminate()
        process.wait(timeout=180)


def shortened(path: Path, api: str) -> str:
    """The shipped configuration with the address of this API, and a second where it says a quarter of a minute."""
    text = path.read_text()
    assert text.count("api:8000") == 2
    return text.replace("api:8000", api).replace("15s", "1s")


class Asked:
    """What Prometheus answers over its API."""

    def __init__(self, url: str) -> None:
        self._url = url

    def ready(self) -> bool:
        try:
            return httpx2.get(f"{self._url}/-/ready", timeout=10).status_code == 200
        except httpx2.HTTPError:
            return False

    def query(self, expression: str) -> list[dict[str, Any]]:
        reply = httpx2.get(f"{self._url}/api/v1/query", params={"query": expression}, timeout=60).raise_for_status()
        result: list[dict[str, Any]] = reply.json()["data"]["result"]
        return result

    def names(self) -> set[str]:
        return set(
            httpx2.get(f"{self._url}/api/v1/label/__name__/values", timeout=60).raise_for_status().json()["data"]
        )

    def firing(self) -> set[str]:
        alerts = httpx2.get(f"{self._url}/api/v1/alerts", timeout=60).raise_for_status().json()["data"]["alerts"]
        return {alert["labels"]["alertname"] for alert in alerts if alert["state"] == "firing"}


def submitted(stack: Stack, key: str, plan: list[dict[str, Any]]) -> None:
    """Runs a task to its end."""
    headers = {"Authorization": f"Bearer {key}", "Prefer": "wait=60"}
    body = {"task": "Do it", "plan": plan}
    httpx2.post(f"{stack.url}/run-task", json=body, headers=headers, timeout=70).raise_for_status()


def test_api_and_workers_are_scraped(stack: Stack, prometheus: Asked) -> None:
    """`up` is 1 for the API and for each supervisor, which Prometheus found by asking the API."""
    wait_for(lambda: len(prometheus.query('up{job="stepstream-workers"} == 1')) == 2, "two supervisors are scraped")
    wait_for(lambda: len(prometheus.query('up{job="stepstream-api"} == 1')) == 1, "the API is scraped")

    # A scrape that takes longer than a second is none, and its series are gone until the next one.
    wait_for(lambda: prometheus.query("sum(stepstream_worker_processes) == 3"), "all processes are counted")


def test_every_metric_that_a_rule_or_a_panel_reads_is_there(
    stack: Stack, keys: dict[Scope, str], prometheus: Asked
) -> None:
    """After a task has run, each series of rules, alerts and dashboard exists in the database of Prometheus."""
    submitted(stack, keys[Scope.SUBMIT], CHAIN)
    assert httpx2.get(f"{stack.url}/tasks", timeout=60).status_code == 401
    recorded = {rule["record"] for rule in rules_of("rules.yml")}
    read = {found.name for text in expressions().values() for found in selectors(promql_parser.parse(text))}

    def missing() -> set[str]:
        return read - recorded - OF_PROMETHEUS - prometheus.names()

    with suppress(AssertionError):
        wait_for(lambda: not missing(), "all metrics are there")
    assert missing() == set()

    steps = 'sum(max by (agent) (stepstream_events_total{type="step.completed"}))'
    durations = 'sum(stepstream_step_duration_seconds_count{outcome="completed"})'
    wait_for(lambda: prometheus.query(f"{steps} == {len(CHAIN)}"), "the counters in Redis tell of each step")
    wait_for(lambda: prometheus.query(f"{durations} == {len(CHAIN)}"), "the workers' histograms tell of each step")


def test_an_alert_fires(stack: Stack, keys: dict[Scope, str], prometheus: Asked) -> None:
    """A step that fails for good leaves a dead letter, and somebody is told."""
    assert "StepstreamDeadLetters" not in prometheus.firing()

    submitted(stack, keys[Scope.SUBMIT], HOPELESS)

    wait_for(lambda: "StepstreamDeadLetters" in prometheus.firing(), "the alert fires")
