"""deploy/kubernetes: built by kubectl, held to the schemas of Kubernetes, and what it names is there."""

import json
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from app.cli.programs import API_DRAIN_S
from tests.deploy.resolving import agents, check_command, check_variables, drain_s
from tests.deploy.tools import DEPLOY, ROOT, accepted, tool

FOLDER = DEPLOY / "kubernetes"
OVERLAYS = ["trial", "production"]
KUBERNETES = "1.33"
IMAGE_USER = 10001
JOB = FOLDER / "make-key.yaml"

Resource = dict[str, Any]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For what is built."""
    return tmp_path_factory.mktemp("kubernetes")


@cache
def built(overlay: str) -> str:
    """What `kubectl apply -k` would send."""
    with tempfile.TemporaryDirectory() as copy:
        shutil.copytree(FOLDER, copy, dirs_exist_ok=True)
        place = Path(copy) / "overlays" / overlay
        done = _built_in(place)
        if "must be a file" in done.stderr:
            # kubectl before 1.21, as in Debian 12, has another word for folders.
            text = (place / "kustomization.yaml").read_text()
            text = text.replace("  - ../../base\n", "").replace("resources:", "bases: [../../base]\nresources:")
            (place / "kustomization.yaml").write_text(text)
            done = _built_in(place)
    assert done.returncode == 0, done.stderr
    return done.stdout


def _built_in(place: Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([tool("kubectl"), "kustomize", str(place)], capture_output=True, text=True, check=False)


@cache
def resources(overlay: str) -> list[Resource]:
    """The same, and the job that makes a key."""
    return [*yaml.safe_load_all(built(overlay)), yaml.safe_load(JOB.read_text())]


def kinds(overlay: str, kind: str) -> dict[str, Resource]:
    return {each["metadata"]["name"]: each for each in resources(overlay) if each["kind"] == kind}


def pods(overlay: str) -> dict[str, Resource]:
    """The template of every pod, ours and that of Redis, by the name of who makes it."""
    found = [each for each in resources(overlay) if each["kind"] in ("Deployment", "StatefulSet", "Job")]
    return {each["metadata"]["name"]: each["spec"]["template"] for each in found}


def ours(overlay: str) -> dict[str, Resource]:
    return {name: pod for name, pod in pods(overlay).items() if name != "redis"}


def container(pod: Resource) -> Resource:
    (found,) = pod["spec"]["containers"]
    return found  # type: ignore[no-any-return]


def variables(pod: Resource) -> dict[str, str]:
    return {each["name"]: each["value"] for each in container(pod).get("env", ()) if "value" in each}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_what_is_built_fits_kubernetes(overlay: str, folder: Path) -> None:
    """No field that is not known, no value of another kind; KEDA's own kind by a schema of what is used of it."""
    (folder / f"{overlay}.yaml").write_text(
        "---\n".join(yaml.safe_dump(each) for each in resources(overlay) if each["kind"] != "ScaledObject")
    )
    accepted("kubernetes-validate", "-k", KUBERNETES, "--strict", folder / f"{overlay}.yaml")
    for name, scaled in kinds(overlay, "ScaledObject").items():
        (folder / f"{name}.json").write_text(json.dumps(scaled))
        accepted(
            "check-jsonschema", "--schemafile", ROOT / "tests/deploy/scaledobject.schema.json", folder / f"{name}.json"
        )


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_commands_variables_and_ports_are_there(overlay: str) -> None:
    """Of containers, probes, services and policies."""
    for name, pod in ours(overlay).items():
        found = container(pod)
        check_command(["stepstream", *found["args"]])
        check_variables(f"{key}={value}" for key, value in variables(pod).items())
        for probe in ("startupProbe", "livenessProbe", "readinessProbe"):
            if command := found.get(probe, {}).get("exec", {}).get("command"):
                check_command(command)
        assert all(reference["configMapRef"]["name"] == "stepstream" for reference in found.get("envFrom", ())), name
    check_variables(f"{key}={value}" for key, value in kinds(overlay, "ConfigMap")["stepstream"]["data"].items())
    named = {port["name"] for pod in pods(overlay).values() for port in container(pod).get("ports", ())}
    text = built(overlay)
    assert set(re.findall(r"(?:targetPort|port): ([a-z]+)$", text, flags=re.M)) <= named


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_there_are_workers_for_every_agent(overlay: str) -> None:
    """One Deployment each; each with a budget for disruptions, and so has the API."""
    wanted = {f"stepstream-{each.name}": each.queue for each in agents()}
    found = {name: container(pod)["args"] for name, pod in ours(overlay).items()}
    budgets = kinds(overlay, "PodDisruptionBudget")

    assert {name: words[-1] for name, words in found.items() if words[0] == "worker"} == wanted
    assert set(budgets) == {*wanted, "stepstream-api"}
    for name, budget in budgets.items():
        assert budget["spec"]["selector"] == kinds(overlay, "Deployment")[name]["spec"]["selector"]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_pod_is_restricted(overlay: str) -> None:
    """As the namespace demands it, with a root that nobody writes to, no token, and limits."""
    assert (
        kinds(overlay, "Namespace")["stepstream"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"]
        == "restricted"
    )
    for name, pod in pods(overlay).items():
        spec, found = pod["spec"], container(pod)
        assert spec["automountServiceAccountToken"] is False, name
        assert spec["enableServiceLinks"] is False, name
        assert spec["securityContext"]["runAsNonRoot"] is True, name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert found["securityContext"] == {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]},
        }, name  # fmt: skip
        assert {"memory", "ephemeral-storage"} <= set(found["resources"]["limits"]), name
        assert {"cpu", "memory"} <= set(found["resources"]["requests"]), name
        assert not any({"hostPath"} & set(volume) for volume in spec["volumes"]), name
    assert {pod["spec"]["securityContext"]["runAsUser"] for pod in ours(overlay).values()} == {IMAGE_USER}


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_secrets_come_from_secrets(overlay: str) -> None:
    """The addresses of Redis, which hold a password, each for its user; none lies in what is built."""
    for name, pod in ours(overlay).items():
        (redis,) = [each for each in container(pod)["env"] if each["name"] == "STEPSTREAM_REDIS_URL"]
        user = {"stepstream-api": "api", "make-key": "operator"}.get(name, "worker")
        assert redis["valueFrom"]["secretKeyRef"] == {"name": "stepstream-redis", "key": user}
    assert not re.search(r"rediss?://", built(overlay))


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_end_is_waited_for_longer_than_it_takes(overlay: str) -> None:
    """A worker's longest step may finish, and what was decided is written; an API's streams are told to come back."""
    timeouts_ms = {f"stepstream-{each.name}": each.timeout_ms for each in agents()}
    for name, timeout_ms in timeouts_ms.items():
        pod = ours(overlay)[name]
        grace_ms = int(variables(pod)["STEPSTREAM_SHUTDOWN_GRACE_MS"])
        assert grace_ms >= timeout_ms, name
        assert pod["spec"]["terminationGracePeriodSeconds"] > drain_s(grace_ms), name
    api = ours(overlay)["stepstream-api"]
    (_, pause_s) = container(api)["lifecycle"]["preStop"]["exec"]["command"]
    assert api["spec"]["terminationGracePeriodSeconds"] > int(pause_s) + API_DRAIN_S


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_an_outage_of_redis_restarts_nobody(overlay: str) -> None:
    """What restarts a pod asks the process alone; what takes an API out of service asks Redis too."""
    for name, pod in ours(overlay).items():
        found = container(pod)
        if name == "stepstream-api":
            assert found["livenessProbe"]["httpGet"]["path"] == found["startupProbe"]["httpGet"]["path"] == "/healthz"
            assert found["readinessProbe"]["httpGet"]["path"] == "/readyz"
        elif name != "make-key":
            assert found["livenessProbe"]["exec"]["command"] == ["stepstream", "healthcheck", "worker"]
            assert "readinessProbe" not in found


def reached(policies: dict[str, Resource], labels: dict[str, str], direction: str) -> set[str]:
    """The policies of a direction that hold for a pod."""
    return {
        name
        for name, policy in policies.items()
        if direction in policy["spec"]["policyTypes"] and _selects(policy["spec"]["podSelector"], labels)
    }


def _selects(selector: Resource, labels: dict[str, str]) -> bool:
    same = all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items())
    expressions: list[Resource] = selector.get("matchExpressions", [])
    assert all(each["operator"] == "NotIn" for each in expressions)
    return same and all(labels.get(each["key"]) not in each["values"] for each in expressions)


def test_nobody_talks_to_anybody_but_as_said() -> None:
    """Who is selected by which policy, in the overlay that has a Redis."""
    policies = kinds("trial", "NetworkPolicy")
    labels = {name: pod["metadata"]["labels"] for name, pod in pods("trial").items()}
    into = {name: reached(policies, each, "Ingress") - {"default-deny"} for name, each in labels.items()}
    out = {name: reached(policies, each, "Egress") - {"default-deny"} for name, each in labels.items()}
    workers = ("stepstream-retriever", "stepstream-analyzer", "stepstream-writer")

    assert policies["default-deny"]["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    assert into["redis"] == {"of-redis"}
    assert into["stepstream-api"] == {"to-api"}
    assert {frozenset(into[name]) for name in workers} == {frozenset({"to-metrics-of-workers"})}
    assert out["redis"] == set()
    assert out["stepstream-retriever"] == {"names", "to-redis", "to-the-web"}
    assert {frozenset(out[name]) for name in (*workers[1:], "stepstream-api")} == {frozenset({"names", "to-redis"})}


def test_workers_are_scaled_by_what_is_counted() -> None:
    """Each Deployment by its own queue; a pod more for each pod's worth of work; never none."""
    scaled = kinds("production", "ScaledObject")
    documented = (ROOT / "docs" / "metrics.md").read_text()

    assert set(scaled) == {f"stepstream-{each.name}" for each in agents()}
    for name, each in scaled.items():
        words = container(ours("production")[name])["args"]
        slots = int(words[words.index("--processes") + 1]) * int(words[words.index("--threads") + 1])
        (trigger,) = each["spec"]["triggers"]
        assert each["spec"]["scaleTargetRef"] == {"name": name}
        assert "replicas" not in kinds("production", "Deployment")[name]["spec"]
        assert each["spec"]["minReplicaCount"] >= 1
        assert float(trigger["metadata"]["threshold"]) == slots
        assert set(re.findall(r'queue="(\w+)"', trigger["metadata"]["query"])) == {words[-1]}
        assert all(
            f"| {metric} |" in documented for metric in re.findall(r"stepstream_\w+", trigger["metadata"]["query"])
        )


def test_the_ingress_lets_streams_pass() -> None:
    """To the service of the API, over TLS, unbuffered, with more patience than a heartbeat takes."""
    (ingress,) = kinds("production", "Ingress").values()
    said = {key.rpartition("/")[2]: value for key, value in ingress["metadata"]["annotations"].items()}
    (rule,) = ingress["spec"]["rules"]
    (path,) = rule["http"]["paths"]

    assert path["backend"]["service"] == {"name": "stepstream", "port": {"name": "http"}}
    assert ingress["spec"]["tls"][0]["hosts"] == [rule["host"]]
    assert (said["proxy-buffering"], int(said["proxy-read-timeout"]) >= 60) == ("off", True)
