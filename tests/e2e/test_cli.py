"""The command as a person or a script uses it: real processes, real documents, exit codes."""

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from app import local_redis
from app.cli.claim import running_api
from app.cli.main import cli
from app.client import Client
from tests.e2e.commands import command, fresh_environment, read_until, start

TIMEOUT_S = 180

#: A user's own module, found on the import path.
AGENTS = """
from pathlib import Path
import anyio
from actors.agent import Permanent, StepContext, StepInput, StepOutput, agent

@agent("patient", timeout_ms=600_000)
async def patient(step: StepInput, ctx: StepContext) -> StepOutput:
    while not await anyio.Path(step.text).exists():
        await anyio.sleep(0.02)
    return StepOutput(summary="done", text="waited")

@agent("hopeless")
async def hopeless(step: StepInput, ctx: StepContext) -> StepOutput:
    raise Permanent("there is no hope")
"""

DOCUMENTS = {
    "dramatiq.md": "# Dramatiq\n\nDramatiq retries failed messages with exponential backoff. "
    "A message that exceeds its maximum number of retries is moved to the dead letter queue.\n",
    "celery.md": "# Celery\n\nCelery tasks are retried when they call retry. "
    "The default delay between retries in Celery is three minutes.\n\x0cPage two.\n",
}


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return fresh_environment(tmp_path_factory.mktemp("cli"), AGENTS, NO_COLOR="1")


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docs")
    for name, text in DOCUMENTS.items():
        (folder / name).write_text(text)
    return folder


def stepstream(environment: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        command(*arguments), env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )


def task_id_in(err: str) -> str:
    return next(line.removeprefix("task ") for line in err.splitlines() if line.startswith("task 0-"))


@pytest.fixture(scope="module")
def up(environment: dict[str, str]) -> Iterator[dict[str, str]]:
    """The environment with a running `stepstream up`; its end is checked as well."""
    process = start(environment, "up", "--port", "0", "--processes", "1", "--threads", "4", together=True, group=True)
    read_until(process, "ready; Ctrl-C")
    yield environment
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the whole foreground group
    rest, _ = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 0, rest
    assert "ending API, workers, Redis" in rest
    assert running_api(Path(environment["STEPSTREAM_DATA_DIR"])) is None


def write_plan(folder: Path, plan: object) -> str:
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    return str(path)


@pytest.mark.full
def test_a_task_runs_in_an_empty_directory_without_any_set_up(
    environment: dict[str, str], docs: Path, tmp_path: Path
) -> None:
    """One command starts everything, prints the report with its sources, and leaves no process behind."""
    alone = environment | {"STEPSTREAM_DATA_DIR": str(tmp_path / "state")}

    done = stepstream(alone, "run", "Compare how dramatiq and celery handle retries", "--docs", str(docs))

    assert done.returncode == 0, done.stderr
    assert "dramatiq.md" in done.stdout
    assert "celery.md" in done.stdout
    assert "step 1 retriever done" in done.stderr
    assert "task done in" in done.stderr
    assert "then GET /metrics/0-" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert local_redis.running_server(tmp_path / "state") is None


def test_a_running_up_is_used(up: dict[str, str], docs: Path) -> None:
    """The task goes to the API that is there, and its metrics can be fetched at the address that is printed."""
    done = stepstream(up, "run", "How does dramatiq retry?", "--docs", str(docs))

    assert done.returncode == 0, done.stderr
    assert "starting Redis" not in done.stderr
    url, _, task_id = done.stderr.splitlines()[-1].removeprefix("metrics: ").partition("/metrics/")
    with Client(url) as client:
        assert client.metrics(task_id).status == "completed"
        assert client.markdown(task_id).strip() == done.stdout.strip()


def test_json_is_one_object_per_line_and_the_result_comes_last(up: dict[str, str], docs: Path) -> None:
    """A program reads events 1..n without a gap, then the result."""
    done = stepstream(up, "run", "How does dramatiq retry?", "--docs", str(docs), "--json")

    *events, result = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[-1]["type"] == "task.completed"
    assert "seq" not in result
    assert done.stdout.isascii()


def test_a_report_comes_in_the_form_that_is_asked_for(up: dict[str, str], docs: Path) -> None:
    """To standard output, as it was streamed and stored."""
    page = stepstream(up, "run", "How does dramatiq retry?", "--docs", str(docs), "--format", "html")
    data = stepstream(up, "run", "How does dramatiq retry?", "--docs", str(docs), "--format", "json")

    assert page.stdout.startswith("<!doctype html>")
    assert page.stdout.rstrip().endswith("</html>")
    report = json.loads(data.stdout)
    assert f"<h1>{report['title']}</h1>" in page.stdout
    assert "dramatiq.md" in {source["uri"] for source in report["sources"]}


def test_a_plan_from_a_file_is_run(up: dict[str, str], tmp_path: Path) -> None:
    """The steps of the file are the steps of the task."""
    plan = write_plan(tmp_path, [{"step_id": 7, "agent": "patient", "payload": str(tmp_path)}])

    done = stepstream(up, "run", "Do it", "--plan", plan, "--json")

    planned = [json.loads(line) for line in done.stdout.splitlines() if "plan.created" in line]
    assert done.returncode == 0, done.stderr
    assert [step["step_id"] for step in planned[0]["data"]["steps"]] == [7]


def test_a_failed_task_exits_with_1(up: dict[str, str], tmp_path: Path) -> None:
    """The reason is on standard error, and there is no report."""
    plan = write_plan(tmp_path, [{"step_id": 1, "agent": "hopeless", "payload": "x"}])

    done = stepstream(up, "run", "Do it", "--plan", plan)

    assert done.returncode == 1
    assert "task failed in step 1: there is no hope" in done.stderr
    assert done.stdout == ""


BAD_PLAN = [{"step_id": 1, "agent": "poet", "payload": "x", "depends_on": [9]}]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["Do it", "--plan", "{bad}"],
            [
                "/plan/0/agent: names no agent: 'poet'", "/plan/0/depends_on/0: there is no",
                "has the agents that it was started with",
            ],
        ),
        (["Do it", "--plan", "{broken}"], ["is not JSON"]),
        (["Do it", "--plan", "{missing}"], ["cannot be read: No such file"]),
        (["Do it", "--docs", "{empty}"], ["holds no document"]),
        (["Do it", "--docs", "{missing}"], ["is not a folder"]),
        (["x" * 20_001], ["/task: has 20001 characters"]),
        (["  "], ["/task: "]),
    ],
    ids=["bad plan", "no JSON", "no file", "empty folder", "no folder", "long task", "empty task"],
)  # fmt: skip
def test_a_mistake_in_the_input_exits_with_2_and_a_line_per_problem(
    up: dict[str, str], tmp_path: Path, arguments: list[str], said: list[str]
) -> None:
    """Each problem has its own line; nothing is run."""
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").write_text("[{")
    paths = {name: str(tmp_path / name) for name in ("empty", "broken", "missing")}
    paths["bad"] = write_plan(tmp_path, BAD_PLAN)

    # Found before anything is started, so a process of its own proves no more.
    alone = {name: up.get(name) for name in os.environ} | up
    done = CliRunner(env=alone).invoke(cli, ["run", *[argument.format(**paths) for argument in arguments]])

    assert done.exit_code == 2, done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(said)
    assert all(text in line for text, line in zip(said, lines, strict=True))


def test_an_api_that_is_not_there_exits_with_3(environment: dict[str, str]) -> None:
    """The address is named."""
    done = stepstream(environment, "run", "Do it", "--url", "http://127.0.0.1:1")

    assert done.returncode == 3
    assert "No API answers at http://127.0.0.1:1" in done.stderr


def test_a_second_up_says_where_the_first_one_is(up: dict[str, str]) -> None:
    """It does not start anything."""
    done = stepstream(up, "up", "--port", "0")

    assert done.returncode == 2
    assert "already running" in done.stderr
    assert "For other settings or agents, end it first" in done.stderr


def test_ctrl_c_leaves_the_task_running_and_says_its_name(up: dict[str, str], tmp_path: Path) -> None:
    """Exit code 130, the id on standard error, and the task is finished by the workers all the same."""
    gate = tmp_path / "gate"
    plan = write_plan(tmp_path, [{"step_id": 1, "agent": "patient", "payload": str(gate)}])
    process = start(up, "run", "Do it", "--plan", plan, "--json")
    read_until(process, "step.started")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 130, err
    task_id = task_id_in(err)
    assert f"task {task_id} goes on" in err
    gate.touch()
    url = running_api(Path(up["STEPSTREAM_DATA_DIR"]))
    assert url
    with Client(url) as client:
        assert [event.type for event in client.follow(task_id)][-1] == "task.completed"


@pytest.mark.full
def test_an_interrupted_task_goes_on_with_the_next_up(environment: dict[str, str], tmp_path: Path) -> None:
    """A task that was started without `up` is kept when its processes end, and is finished later."""
    home, gate = tmp_path / "state", tmp_path / "gate"
    alone = environment | {"STEPSTREAM_DATA_DIR": str(home)}
    plan = write_plan(tmp_path, [{"step_id": 1, "agent": "patient", "payload": str(gate)}])
    first = start(alone, "run", "Do it", "--plan", plan, "--json")
    read_until(first, "step.started")
    first.send_signal(signal.SIGTERM)
    _, err = first.communicate(timeout=TIMEOUT_S)
    assert first.returncode == 130, err
    assert "goes on with the next `stepstream up`" in err
    assert local_redis.running_server(home) is None

    gate.touch()
    second = start(alone, "up", "--port", "0", "--processes", "1")
    read_until(second, "ready; Ctrl-C")
    with Client(str(running_api(home))) as client:
        kinds = [event.type for event in client.follow(task_id_in(err))]
    second.send_signal(signal.SIGTERM)
    second.communicate(timeout=TIMEOUT_S)

    assert kinds[-1] == "task.completed"
    assert "step.released" in kinds
    assert second.returncode == 0
