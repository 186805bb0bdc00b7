"""Installed from the wheel, in a folder outside of the repository: everything is there and finds itself."""

import json
import os
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from tests.deployment import free_port, wait_for

pytestmark = pytest.mark.full

ROOT = Path(__file__).parent.parent.parent
TIMEOUT_S = 600
AGENTS = """
from actors.agent import StepContext, StepInput, StepOutput, agent

@agent("shout", description="Says it louder.")
async def shout(step: StepInput, ctx: StepContext) -> StepOutput:
    return StepOutput(summary="done", text=step.text.upper())
"""
PLAN = [{"step_id": 1, "agent": "shout", "payload": "hello"}]

Command = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**more: str) -> dict[str, str]:
    """What this process has, but for what would lead back to the repository or to another Redis."""
    ours = ("STEPSTREAM_", "REDIS_", "PYTHONPATH", "VIRTUAL_ENV")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | more


def checked(*command: str | Path) -> None:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False, env=environment())
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `python -m build` makes of the repository: an sdist, and a wheel from that."""
    folder = tmp_path_factory.mktemp("dist")
    checked(sys.executable, "-m", "build", "--outdir", folder, ROOT)
    return folder


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def programs(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment with nothing but the wheel in it."""
    home = tmp_path_factory.mktemp("installed")
    checked(sys.executable, "-m", "venv", home)
    constraints = ("-c", ROOT / "constraints.txt")
    checked(home / "bin" / "pip", "install", "--quiet", *constraints, f"stepstream[local] @ {wheel.as_uri()}")
    return home / "bin"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with agents of their own."""
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "my_agents.py").write_text(AGENTS)
    (folder / "plan.json").write_text(json.dumps(PLAN))
    return folder


@pytest.fixture
def run(programs: Path, folder: Path) -> Command:
    """Runs an installed program in the user's folder."""

    def run(program: str, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [str(programs / program), *arguments],
            cwd=folder, env=environment(**more), capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
        )  # fmt: skip

    return run


@contextmanager
def running(program: Path, *arguments: str, folder: Path, **more: str) -> Iterator["subprocess.Popen[bytes]"]:
    """A program until the block ends, its output in `<name>.log`; a SIGTERM must end it."""
    with (folder / f"{program.name}.log").open("wb") as log:
        process = subprocess.Popen(
            [str(program), *arguments], cwd=folder, env=environment(**more), stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        yield process
        process.send_signal(signal.SIGTERM)
        process.wait(TIMEOUT_S)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)


def answers(url: str) -> bool:
    try:
        return httpx2.get(f"{url}/readyz", timeout=10).status_code == 200
    except httpx2.HTTPError:
        return False


def shouted(url: str) -> str:
    """What the user's agent made of a task at this API."""
    reply = httpx2.post(
        f"{url}/run-task", json={"task": "Shout", "plan": PLAN}, headers={"Prefer": "wait=60"}, timeout=90
    )
    assert reply.status_code == 200, reply.text
    task_id = reply.json()["task_id"]
    return httpx2.get(f"{url}/tasks/{task_id}/result", headers={"Accept": "text/markdown"}, timeout=60).text


def make_strangers(folder: Path) -> None:
    """Packages of the user's that are called as ours are."""
    (folder / "app").mkdir()
    (folder / "app" / "__init__.py").write_text("raise SystemExit('a stranger was imported')")
    (folder / "actors.py").write_text("raise SystemExit('a stranger was imported')")


def test_every_file_of_the_program_is_in_the_wheel(wheel: Path) -> None:
    """Scripts, marks of typing, whatever lies beside the modules; and nothing else."""
    tracked = subprocess.run(
        ["git", "ls-files", "app", "actors", "stepstream.py"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    inside = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}

    assert inside == set(tracked.stdout.split())


def test_the_sdist_makes_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    """As the repository does without it."""
    checked(sys.executable, "-m", "build", "--wheel", "--outdir", tmp_path, ROOT)
    direct, made = zipfile.ZipFile(tmp_path / wheel.name), zipfile.ZipFile(wheel)

    assert direct.namelist() == made.namelist()
    assert all(direct.read(name) == made.read(name) for name in made.namelist())


def test_the_command_tells_its_version(run: Command, wheel: Path) -> None:
    """The one that was built, however it is started."""
    version = wheel.name.split("-")[1]
    said = [run("stepstream", "--version"), run("python", "-m", "stepstream", "--version")]

    assert [(done.returncode, done.stdout) for done in said] == [(0, f"stepstream {version}\n")] * 2


def test_a_task_runs_without_any_set_up(run: Command, folder: Path) -> None:
    """With the built-in agents, and with the user's own; nothing is left behind but the data directory."""
    (folder / "docs").mkdir()
    (folder / "docs" / "a.md").write_text("# Leases\n\nA lease ends when its worker is silent for too long.\n")
    done = run("stepstream", "run", "When does a lease end?", "--docs", "docs")
    own = run("stepstream", "run", "Shout", "--plan", "plan.json", STEPSTREAM_AGENT_MODULES="my_agents")

    assert done.returncode == 0, done.stderr
    assert "silent for too long" in done.stdout
    assert (own.returncode, own.stdout.strip()) == (0, "HELLO"), own.stderr
    assert {path.name for path in folder.iterdir()} <= {
        ".stepstream", "docs", "my_agents.py", "plan.json", "__pycache__",
    }  # fmt: skip


def test_the_demonstration_works(run: Command) -> None:
    """It asks about the packages that were installed with it."""
    done = run("stepstream", "demo")

    assert done.returncode == 0, done.stderr
    assert "metrics of this task" in done.stdout
    assert done.stdout.count("| not found |") <= 1


def test_up_works_beside_packages_with_our_names(programs: Path, folder: Path) -> None:
    """An `app` and an `actors` in the current folder are not taken for ours, and the user's agents are found."""
    make_strangers(folder)
    log = folder / "stepstream.log"
    with running(
        programs / "stepstream", "up", "--port", "0", "--processes", "1",
        folder=folder, STEPSTREAM_AGENT_MODULES="my_agents",
    ) as up:  # fmt: skip
        wait_for(lambda: b"ready; Ctrl-C" in log.read_bytes() or up.poll() is not None, "up did not start")
        (url,) = re.findall(r"listens on (http://[\d.:]+)", log.read_text())
        assert shouted(url) == "HELLO"

    assert up.returncode == 0
    assert all(json.loads(line) for line in log.read_text().splitlines())


def test_the_plain_commands_work(programs: Path, folder: Path, redis_url: str, namespace: str) -> None:
    """`uvicorn` and `dramatiq` themselves, with the user's agents from the current folder."""
    port = str(free_port())
    settings = {
        "REDIS_URL": redis_url, "STEPSTREAM_NAMESPACE": namespace, "STEPSTREAM_AGENT_MODULES": "my_agents",
    }  # fmt: skip
    api = ("--factory", "app.main:create_app", "--port", port)
    workers = ("actors", "--processes", "1", "--threads", "2")
    with (
        running(programs / "uvicorn", *api, folder=folder, **settings),
        running(programs / "dramatiq", *workers, folder=folder, **settings),
    ):
        wait_for(lambda: answers(f"http://127.0.0.1:{port}"), "the API did not start")
        assert shouted(f"http://127.0.0.1:{port}") == "HELLO"


def test_plain_workers_beside_a_package_with_our_name_say_so(run: Command, folder: Path) -> None:
    """Dramatiq looks at the current folder first: the error names the stranger and the way out."""
    make_strangers(folder)
    (folder / "actors.py").unlink()
    (folder / "app" / "__init__.py").write_text("")
    done = run("dramatiq", "actors", "--processes", "1")

    assert done.returncode == 2, done.stderr
    assert f"The package `app` of Stepstream is shadowed: Python finds {folder}/app/__init__.py" in done.stderr


def test_a_command_whose_path_leads_to_a_stranger_says_so(run: Command, folder: Path) -> None:
    """One sentence, no traceback."""
    make_strangers(folder)
    done = run("stepstream", "up", PYTHONPATH=str(folder))

    assert done.returncode == 2
    assert "is shadowed" in done.stderr
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"STEPSTREAM_LEASE_MS": "1"}, "STEPSTREAM_LEASE_MS: Input should be greater than or equal to 500"),
        ({"STEPSTREAM_AGENT_MODULES": "no_such"}, "There is no module 'no_such'"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [("uvicorn", "--factory", "app.main:create_app", "--port", "0"), ("dramatiq", "actors", "--processes", "1")],
)
def test_the_plain_commands_say_what_is_wrong_with_the_settings(
    run: Command, command: tuple[str, ...], settings: dict[str, str], said: str
) -> None:
    """A line of the log instead of a traceback, and exit code 2."""
    done = run(*command, **settings)

    assert done.returncode == 2, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if said in line]
    assert json.loads(line)["level"] == "critical"
    assert "Traceback" not in done.stderr
