"""deploy/compose.yaml: read by its schema, and all that it names is there."""

import hashlib
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.programs import API_DRAIN_S
from tests.deploy.image import DOCKERFILE
from tests.deploy.resolving import agents, check_command, check_variables, drain_s
from tests.deploy.tools import DEPLOY, ROOT, accepted, lacking

FILE = DEPLOY / "compose.yaml"
SPEC: dict[str, Any] = yaml.safe_load(FILE.read_text())
SERVICES: dict[str, dict[str, Any]] = SPEC["services"]
OURS = {name: each for name, each in SERVICES.items() if each["image"].startswith("stepstream:")}
WORKERS = {name: each for name, each in OURS.items() if each.get("command", [""])[0] == "worker"}


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of deploy/ in which `make-secrets` has run."""
    if shutil.which("sha256sum") is None:
        lacking("no sha256sum")
    folder = tmp_path_factory.mktemp("secrets") / "deploy"
    shutil.copytree(DEPLOY, folder, ignore=shutil.ignore_patterns("secrets", ".env"))
    subprocess.run([str(folder / "make-secrets")], check=True, capture_output=True)
    return folder


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


def test_what_is_mounted_is_in_the_repository_or_made(secrets: Path) -> None:
    """Each file by its name; read-only."""
    sources = [source for each in SERVICES.values() for source in each.get("volumes", ()) if source.startswith("./")]
    sources += [each["file"] + ":ro" for each in SPEC["secrets"].values()]

    assert all(source.endswith(":ro") for source in sources)
    assert [source for source in sources if not (secrets / source.split(":")[0]).exists()] == []
    for build in (each["build"] for each in OURS.values()):
        assert (DEPLOY / build["context"] / build["dockerfile"]).resolve() == DOCKERFILE


def test_secrets_are_made_and_stand_nowhere(secrets: Path) -> None:
    """Every variable is in .env, which git leaves out; Redis is told hashes; a second run changes nothing."""
    made = dict(re.findall(r"^(\w+)=(.+)$", (secrets / ".env").read_text(), flags=re.M))
    users = (secrets / "secrets" / "users.acl").read_text()

    assert set(re.findall(r"\$\{(\w+):\?", FILE.read_text())) == set(made)
    assert all(len(password) == 40 for password in made.values())
    assert not any(password in users for password in made.values())
    assert not re.search(r"#[A-Z]+_PASSWORD", users)
    # Who mends Redis itself is nobody's process: the password is in no environment.
    admin = secrets / "secrets" / "redis-admin"
    assert f"user admin on #{hashlib.sha256(admin.read_bytes()).hexdigest()} " in users
    assert admin.stat().st_mode & 0o077 == 0
    assert (secrets / ".env").stat().st_mode & 0o077 == 0
    assert (secrets / "secrets").stat().st_mode & 0o077 == 0
    assert subprocess.run([str(secrets / "make-secrets")], check=False, capture_output=True).returncode == 1
    ignored = subprocess.run(
        ["git", "check-ignore", "deploy/.env", "deploy/secrets/users.acl"], cwd=ROOT, check=True, capture_output=True
    )
    assert ignored.stdout.count(b"\n") == 2


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
