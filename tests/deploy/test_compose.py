"""deploy/compose.yaml: read by its schema, and all that it names is there."""

from typing import Any

import pytest
import yaml

from app.cli.programs import API_DRAIN_S
from tests.deploy.resolving import agents, check_command, check_variables, drain_s
from tests.deploy.tools import DEPLOY, accepted

FILE = DEPLOY / "compose.yaml"
SPEC: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = SPEC["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("stepstream:")}
WORKERS = {name: each for name, each in OURS.items() if each.get("command", [""])[0] == "worker"}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_the_file_fits_the_specification() -> None:
    """As `docker compose` reads it."""
    accepted("check-jsonschema", "--builtin-schema", "vendor.compose-spec", FILE)


@pytest.mark.parametrize("name", OURS)
def test_our_commands_and_variables_are_there(name: str) -> None:
    """With their options and queues; the checks of health too."""
    service = OURS[name]
    if "command" in service:
        check_command(["stepstream", *service["command"]])
    check_variables(f"{key}={value}" for key, value in service["environment"].items())
    if not service["healthcheck"].get("disable"):
        kind, *check = service["healthcheck"]["test"]
        assert kind == "CMD"
        check_command(check)


def test_there_are_workers_for_every_agent() -> None:
    """One service each, named like it."""
    assert {name: each["command"][-1] for name, each in WORKERS.items()} == {each.name: each.queue for each in agents()}


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_is_bounded_and_has_no_rights(name: str) -> None:
    """A root that nobody writes to, no capability, memory and processes with a limit, an end that is waited for."""
    service = SERVICES[name]

    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert "cap_add" not in service
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert set(service["deploy"]["resources"]["limits"]) == {"cpus", "memory", "pids"}
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    assert "privileged" not in service


def test_an_end_is_waited_for_longer_than_it_takes() -> None:
    """Else running steps would be killed, each with an attempt lost."""
    for worker in WORKERS.values():
        grace_ms = int(worker["environment"]["STEPSTREAM_SHUTDOWN_GRACE_MS"])
        assert seconds(worker["stop_grace_period"]) > drain_s(grace_ms)
    assert seconds(SERVICES["api"]["stop_grace_period"]) > API_DRAIN_S


def test_what_must_be_healthy_has_a_check() -> None:
    """Of all that others wait for."""
    for service in SERVICES.values():
        for name, how in service.get("depends_on", {}).items():
            assert how["condition"] != "service_healthy" or "test" in SERVICES[name]["healthcheck"]


def test_only_those_who_fetch_or_are_asked_reach_the_outside() -> None:
    """Redis and the other workers do not."""
    assert SPEC["networks"]["back"] == {"internal": True}
    assert {name for name, each in SERVICES.items() if "front" in each["networks"]} == {
        "api", "retriever", "prometheus", "grafana",
    }  # fmt: skip


def test_prometheus_and_the_others_agree_on_names_and_ports() -> None:
    """The API as Prometheus is told to find it, Prometheus as Grafana is; the key where it is read."""
    prometheus = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    jobs = {job["job_name"]: job for job in prometheus["scrape_configs"]}
    (source,) = yaml.safe_load((DEPLOY / "grafana/provisioning/datasources/prometheus.yml").read_text())["datasources"]

    assert jobs["stepstream-api"]["static_configs"] == [{"targets": ["api:8000"]}]
    assert jobs["stepstream-api"]["authorization"]["credentials_file"] == "stepstream.key"
    assert "./secrets/stepstream.key:/etc/prometheus/stepstream.key:ro" in SERVICES["prometheus"]["volumes"]
    assert source["url"] == "http://prometheus:9090"
