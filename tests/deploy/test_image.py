"""deploy/docker: what the image is made of, its instructions carried out, and a task in what they make."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import httpx2
import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from app import local_redis
from tests.deploy.containers import Composed, Containers
from tests.deploy.image import DOCKERFILE, instructions, is_sent
from tests.deploy.tools import DEPLOY, ROOT, accepted, lacking, tool
from tests.deployment import free_port, wait_for

#: What is left out of the image: a Redis for laptops, and what developers need.
NOT_IN_THE_IMAGE = {"local", "dev"}
IMAGE_USER = "10001"
START_S = 300.0
#: What uvicorn and Dramatiq log once they are up.
READY, AT_WORK = "Uvicorn running on", "is ready for action"
PLACES = ("/", "/opt/stepstream", "/agents", "/etc", "/usr", "/tmp", "/var/lib/stepstream")


def pinned(path: Path) -> dict[str, str]:
    """Versions by name in a file of requirements."""
    lines = re.findall(r"^([A-Za-z0-9._-]+)==([^\s\\;]+)", path.read_text(), flags=re.M)
    return {canonicalize_name(name): version for name, version in lines}


LOCKS = [DEPLOY / "docker" / "requirements.txt", DEPLOY / "docker" / "build.txt"]
EXTRAS = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def needed(name: str, extras: frozenset[str], found: set[str]) -> set[str]:
    """The names of all that a distribution needs here, itself included, as what is installed says."""
    found.add(name)
    for line in requires(name) or ():
        wanted = Requirement(line)
        wants = any(wanted.marker.evaluate({"extra": extra}) for extra in extras | {""}) if wanted.marker else True
        if wants and (canonicalize_name(wanted.name) not in found or wanted.extras):
            needed(canonicalize_name(wanted.name), frozenset(wanted.extras), found)
    return found


def test_the_locks_hold_what_is_tested() -> None:
    """The versions of constraints.txt; `make lock` makes it so."""
    tested = pinned(ROOT / "constraints.txt")

    for path in LOCKS:
        assert {name: tested.get(name) for name in pinned(path)} == pinned(path), path


def test_the_lock_is_whole() -> None:
    """All that the program and its extras need on a server, and nothing else."""
    found = needed("stepstream", frozenset(EXTRAS - NOT_IN_THE_IMAGE), set()) - {"stepstream"}

    assert set(pinned(LOCKS[0])) == found


@pytest.mark.parametrize("path", [pytest.param(path, id=path.name) for path in LOCKS])
def test_everything_is_known_by_its_hash(path: Path) -> None:
    """No line without one, and nothing from elsewhere than the index."""
    whole = re.sub(r"\\\n\s*", " ", path.read_text())
    lines = [line for line in whole.splitlines() if line and not line.startswith("#")]

    assert [
        line for line in lines if not re.fullmatch(r"[\w.-]+==\S+( +; .+?)?( +--hash=sha256:[0-9a-f]{64})+", line)
    ] == []


def test_the_dockerfile_passes_its_linter() -> None:
    """hadolint, without an exception."""
    accepted("hadolint", DOCKERFILE)


def test_the_image_keeps_to_the_rules() -> None:
    """Nobody's user, exec form, no shell in between, a signal that drains, one build context."""
    said = dict(instructions(DOCKERFILE.read_text()))

    assert said["USER"] == f"{IMAGE_USER}:{IMAGE_USER}"
    assert said["STOPSIGNAL"] == "SIGTERM"
    assert all(isinstance(json.loads(said[word]), list) for word in ("ENTRYPOINT", "CMD", "VOLUME"))
    assert json.loads(said["HEALTHCHECK"].partition("CMD ")[2]) == ["stepstream", "healthcheck", "api"]


def test_every_file_names_the_version_of_the_program() -> None:
    """Label, compose file and overlays alike."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    overlays = [path.read_text() for path in (DEPLOY / "kubernetes").rglob("*.yaml")]
    named = [
        *re.findall(r'image\.version="(.+?)"', DOCKERFILE.read_text()),
        *re.findall(r"image: stepstream:(\S+)", (DEPLOY / "compose.yaml").read_text()),
        *(found for text in overlays for found in re.findall(r"newTag: (\S+)|image: \S+/stepstream:(\S+)", text)),
    ]

    assert {"".join(found) for found in named} == {version}
    assert len(named) == 5


def test_the_build_is_sent_the_program_and_nothing_else() -> None:
    """No history, no tests, no keys that lie about."""
    kept = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    others = (
        ".git/config",
        ".env",
        "deploy/.env",
        "app/__pycache__/main.cpython-311.pyc",
        ".venv/bin/python",
        "dump.rdb",
    )
    sent = {path for path in (*kept, *others) if is_sent(Path(path))}

    assert {path for path in sent if not path.startswith(("app/", "actors/"))} == {
        "stepstream.py", "pyproject.toml", "README.md", "LICENSE", *(str(path.relative_to(ROOT)) for path in LOCKS),
    }  # fmt: skip
    assert sent.isdisjoint(others)
    assert "app/main.py" in sent


@pytest.fixture(scope="module")
def redis_by_tcp() -> Iterator[str]:
    """A Redis that other users reach: the socket of the tests' own is its owner's."""
    binary, port = local_redis.find_binary() or lacking("no Redis server binary"), free_port()
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    server = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(START_S)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The image, built; a quarter of a gigabyte, so nothing of it is kept."""
    if os.geteuid() or subprocess.run([tool("unshare"), "--mount", "true"], check=False).returncode:
        lacking("no right to make mounts")
    folder = tmp_path_factory.mktemp("image")
    build = [tool("unshare"), "--mount", sys.executable, "-m", "tests.deploy.image", "build", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def containers(image: Path, redis_by_tcp: str) -> Iterator[Containers]:
    """A Redis, and a port for the API."""
    containers = Containers(image, {"REDIS_URL": redis_by_tcp, "STEPSTREAM_API_PORT": str(free_port())})
    yield containers
    containers.stop()


@pytest.fixture
def composed(image: Path, tmp_path: Path) -> Iterator[Composed]:
    """The services of compose.yaml, with secrets just made."""
    composed = Composed(image, tmp_path)
    yield composed
    composed.stop()


@pytest.mark.full
def test_the_image_is_built_and_runs_a_task(containers: Containers) -> None:
    """By nobody's user, over a root that cannot be written to; both checks, and an orderly end."""
    url = f"http://127.0.0.1:{containers.environment['STEPSTREAM_API_PORT']}"
    assert containers.done("api").returncode == 2, "it listens everywhere, so there has to be a key"
    assert containers.done("healthcheck", "api").returncode == 1
    key = containers.done("keys", "create", "--scope", "submit", "--scope", "read").stdout.split()[0]
    api, worker = containers.start("api"), containers.start("worker", "--processes", "1", "--threads", "2")
    wait_for(lambda: READY in containers.log("api"), "the API did not start", START_S)
    wait_for(lambda: AT_WORK in containers.log("worker"), "the worker did not start", START_S)
    # A check waits three seconds for the answer, and whoever asks asks again.
    wait_for(lambda: containers.done("healthcheck", "api").returncode == 0, "the API is not healthy", START_S)
    assert containers.done("healthcheck", "worker").returncode == 0

    reply = httpx2.post(
        f"{url}/run-task", headers={"Authorization": f"Bearer {key}", "Prefer": "wait=60"}, timeout=90,
        json={"task": "Which risks does A have?", "inputs": {"documents": [
            {"name": "a.md", "text": "A keeps its jobs in memory. The risk of A is that a crash loses them."}]}},
    )  # fmt: skip

    assert (reply.status_code, reply.json()["status"]) == (200, "completed"), reply.text
    assert users_of(worker) == users_of(api) == {IMAGE_USER}
    for process in (api, worker):
        process.send_signal(signal.SIGTERM)
    # uvicorn raises the signal once more when all is done.
    assert (api.wait(START_S), worker.wait(START_S)) == (-signal.SIGTERM, 0)


def users_of(process: "subprocess.Popen[bytes]") -> set[str]:
    """Whose the processes of its session are; the first one is its own."""
    found = subprocess.run(["ps", "-o", "uid=", "-s", str(process.pid)], capture_output=True, text=True, check=True)
    return set(found.stdout.split())


@pytest.mark.full
def test_nothing_of_the_image_can_be_written_to(containers: Containers) -> None:
    """Only the volume and /tmp; the user has no capability left, and cannot become another."""
    code = (
        "import os, pathlib\n"
        "def writes(path):\n"
        "    try: pathlib.Path(path, 'x').touch(); return True\n"
        "    except OSError: return False\n"
        "caps = [line for line in open('/proc/self/status') if line.startswith(('Cap', 'NoNewPrivs'))]\n"
        f"print([p for p in {PLACES} if writes(p)])\n"
        "print({line.split()[0]: int(line.split()[1], 16) for line in caps})\n"
    )
    said = json.loads((containers.folder / "image.json").read_text())
    (containers.folder / "image.json").write_text(
        json.dumps(said | {"said": said["said"] | {"ENTRYPOINT": '["python"]'}})
    )
    done = containers.done("-c", code)
    (containers.folder / "image.json").write_text(json.dumps(said))
    places, rights = done.stdout.splitlines()

    assert places == "['/tmp', '/var/lib/stepstream']", done.stderr
    assert rights == str({"CapInh:": 0, "CapPrm:": 0, "CapEff:": 0, "CapBnd:": 0, "CapAmb:": 0, "NoNewPrivs:": 1})


@pytest.mark.full
def test_the_compose_file_runs_a_task(composed: Composed) -> None:
    """Its commands with its variables, under the users of Redis that were just made, each found by its name."""
    composed.start("redis")
    wait_for(lambda: composed.is_healthy("redis"), "Redis did not start", START_S)
    key = composed.done("operator", "keys", "create", "--scope", "admin").stdout.split()[0]
    services = ("api", "retriever", "analyzer", "writer")
    for name in services:
        composed.start(name)
    for name in services:
        said = READY if name == "api" else AT_WORK
        wait_for(lambda name=name, said=said: said in composed.log(name), f"{name} did not start", START_S)  # type: ignore[misc]
        wait_for(lambda name=name: composed.is_healthy(name), f"{name} is not healthy", START_S)  # type: ignore[misc]

    texts = "/opt/stepstream/lib/python3.11/site-packages/app/broker"
    done = composed.done("operator", "run", "When does a lease end?", "--docs", texts, STEPSTREAM_API_KEY=key)
    workers = composed.done("operator", "workers", "--json", STEPSTREAM_API_KEY=key).stdout.splitlines()

    assert done.returncode == 0, done.stderr
    assert "lease. [1]" in done.stdout
    assert {json.loads(line)["queues"][0] for line in workers} == {"retriever", "analyzer", "writer"}
    assert composed.end("redis", "writer") == [0, 0]
    assert composed.is_healthy("retriever"), "Redis is away, which is no reason to restart a worker"
