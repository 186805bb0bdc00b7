"""The command when something under it is killed, and when what it is given makes no sense."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app import local_redis
from app.cli.main import cli
from tests.e2e.commands import fresh_environment, read_until, start

TIMEOUT_S = 180
AGENTS = """
from actors.agent import StepContext, StepInput, StepOutput, agent
import anyio

@agent("patient", timeout_ms=600_000)
async def patient(step: StepInput, ctx: StepContext) -> StepOutput:
    while not await anyio.Path(step.text).exists():
        await anyio.sleep(0.02)
    return StepOutput(summary="done", text="waited")
"""


@pytest.fixture
def environment(tmp_path: Path) -> Iterator[dict[str, str]]:
    """A data directory of its own, in which nothing outlives the test."""
    yield fresh_environment(tmp_path, AGENTS, STEPSTREAM_LEASE_MS="1000", NO_COLOR="1", STEPSTREAM_LOG_FORMAT="text")
    server = local_redis.running_server(tmp_path / "state")
    if server:
        os.kill(server.pid, signal.SIGKILL)


def finish(process: "subprocess.Popen[str]") -> tuple[int, str]:
    """(exit code, standard error)"""
    _, err = process.communicate(timeout=TIMEOUT_S)
    return process.returncode, err


def state(environment: dict[str, str]) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(Path(environment["STEPSTREAM_DATA_DIR"], "up.json").read_text())
    return found


def gone(pid: int) -> bool:
    """Within the time that anything may take."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        select.select([], [], [], 0.05)
    return False


@pytest.mark.full
def test_up_goes_on_when_its_workers_and_its_api_die(environment: dict[str, str]) -> None:
    """One line each, and an orderly end afterwards."""
    process = start(environment, "up", "--port", "0", "--processes", "1")
    read_until(process, "ready; Ctrl-C")
    for name, ready in (("workers", "Worker process is ready"), ("api", "Uvicorn running")):
        os.kill(state(environment)["pids"][name], signal.SIGKILL)
        read_until(process, f"up      | The {name} ended with exit code -9; the next start is in 0.5 s")
        read_until(process, ready)
    process.send_signal(signal.SIGINT)

    assert finish(process)[0] == 0


@pytest.mark.full
def test_a_task_of_run_survives_the_death_of_its_workers(environment: dict[str, str], tmp_path: Path) -> None:
    """The step runs again in the new workers, and what happened is on standard error."""
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([{"step_id": 1, "agent": "patient", "payload": str(tmp_path / "gate")}]))
    process = start(environment, "run", "Do it", "--plan", str(plan), "--json")
    read_until(process, "step.started")
    os.kill(state(environment)["pids"]["workers"], signal.SIGKILL)
    assert process.stderr is not None
    # Only then: a dying worker may just finish its step.
    told = next(line for line in process.stderr if "The workers ended with exit code -9" in line)
    (tmp_path / "gate").touch()
    read_until(process, "task.completed")
    code, err = finish(process)

    assert code == 0, err
    assert "the next start is in 0.5 s" in told


@pytest.mark.full
def test_a_run_whose_redis_dies_ends_with_the_reason(environment: dict[str, str], tmp_path: Path) -> None:
    """It does not wait for events that nobody will send."""
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps([{"step_id": 1, "agent": "patient", "payload": str(tmp_path / "gate")}]))
    process = start(environment, "run", "Do it", "--plan", str(plan), "--json")
    read_until(process, "step.started")
    os.kill(state(environment)["pids"]["redis"], signal.SIGKILL)
    code, err = finish(process)

    assert code == 1, err
    assert err.splitlines()[-1] == "The Redis server ended with exit code -9."


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux ends children with their parent")
@pytest.mark.full
def test_a_killed_up_takes_its_api_and_workers_with_it(environment: dict[str, str]) -> None:
    """Redis lives on with what it holds; the next `up` uses it, and ends it like one of its own."""
    first = start(environment, "up", "--port", "0", "--processes", "1")
    read_until(first, "ready; Ctrl-C")
    pids = state(environment)["pids"]
    first.kill()
    first.communicate()
    assert gone(pids["api"])
    assert gone(pids["workers"])

    second = start(environment, "up", "--port", "0", "--processes", "1")
    read_until(second, "left by one that was killed, ends with this one")
    read_until(second, "ready; Ctrl-C")
    assert state(environment)["pids"]["redis"] == pids["redis"]
    second.send_signal(signal.SIGTERM)
    assert finish(second)[0] == 0
    assert gone(pids["redis"])
    assert local_redis.running_server(Path(environment["STEPSTREAM_DATA_DIR"])) is None


def test_what_a_killed_up_left_behind_is_named_when_the_port_is_taken(environment: dict[str, str]) -> None:
    """The state file tells whose processes hold it; a second attempt is told as well."""
    folder = Path(environment["STEPSTREAM_DATA_DIR"])
    folder.mkdir()
    server = (
        "import socket, sys; s = socket.create_server(('127.0.0.1', 0)); print(s.getsockname()[1]); sys.stdin.read()"
    )
    left = subprocess.Popen(
        [sys.executable, "-uc", server],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip
    assert left.stdout
    port = left.stdout.readline().strip()
    (folder / "up.json").write_text(json.dumps({"kind": "up", "pids": {"api": left.pid, "redis": os.getpid()}}))

    for _ in range(2):
        code, err = finish(start(environment, "up", "--port", port))
        assert code == 2
        assert err.endswith(
            f"A `stepstream up` that was killed left behind: api (process {left.pid}); they may be ending.\n"
        )
    left.communicate()


@pytest.mark.parametrize("arguments", [["up"], ["run", "Do it"], ["api"], ["worker"], ["demo"]])
def test_a_url_that_is_none_exits_with_2_and_a_sentence(environment: dict[str, str], arguments: list[str]) -> None:
    """Every command that needs Redis says it the same way."""
    code, err = finish(start(environment | {"REDIS_URL": "localhost:6379"}, *arguments))

    assert code == 2
    assert err.startswith("REDIS_URL cannot be read; write redis://host:port/db")
    assert len(err.splitlines()) == 1


def test_a_task_that_is_not_utf_8_exits_with_2(environment: dict[str, str]) -> None:
    """Nothing is started for it."""
    code, err = finish(start(environment, "run", b"a\xff"))

    assert (code, err) == (2, "This is not UTF-8 text: a?\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["tasks", "ls", "--search", "\udcff"], ["tasks", "cancel", "0", "--reason=\udcff"],
        ["events", "tail", "--tenant", "\udcff"], ["queues", "pause", "\udcff"], ["dlq", "purge", "writer", "\udcff"],
        ["keys", "revoke", "\udcff"], ["api", "--host", "\udcff"], ["agents", "--url", "http://\udcff"],
        ["run", "x", "--docs", "/no\udcff"],
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)  # fmt: skip
def test_words_that_are_not_utf_8_are_refused_by_every_command(arguments: list[str]) -> None:
    """Before anybody is asked, and without a traceback."""
    refused = CliRunner().invoke(cli, arguments)

    assert (refused.exit_code, len(refused.stderr.splitlines())) == (2, 1)
    assert refused.stderr.startswith("This is not UTF-8 text: ")


def test_a_folder_may_be_called_as_it_likes(tmp_path: Path) -> None:
    """Names of files are bytes."""
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    folder.mkdir()

    refused = CliRunner().invoke(cli, ["run", "x", f"--docs={folder}"])

    assert "holds no document" in refused.stderr


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_an_output_of_another_encoding_gets_question_marks(environment: dict[str, str], encoding: str) -> None:
    """A plan for a task of many alphabets, on a terminal that has not all of them."""
    process = start(environment | {"PYTHONIOENCODING": encoding}, "plan", "A → 你好", "--no-json")
    out, err = process.communicate(timeout=TIMEOUT_S)

    assert (process.returncode, "A ? ??" in out, "Traceback" in err) == (0, True, False)


def test_a_password_in_the_address_is_not_shown(environment: dict[str, str]) -> None:
    """Whoever looks over the shoulder, or reads the log, learns where and not as whom."""
    code, err = finish(start(environment, "agents", "--url", "http://me:secret@127.0.0.1:1"))

    assert (code, "secret" in err) == (3, False)
    assert "No API answers at http://127.0.0.1:1: " in err


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://me:secret@h", "me:secret@h:8000", "HTTP://me:secret@["])
def test_a_secret_in_an_address_that_is_none_is_not_repeated(environment: dict[str, str], url: str) -> None:
    """The rest of it is."""
    code, err = finish(start(environment, "agents", "--url", url))

    assert (code, "secret" in err) == (2, False)
    assert "is not the address of an API" in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("url", ["http://h:x", "http://["])
def test_an_address_that_is_none_exits_with_2(environment: dict[str, str], url: str) -> None:
    """The address is repeated with what is wrong about it."""
    code, err = finish(start(environment, "run", "Do it", "--url", url))

    assert code == 2, err
    assert "is not the address of an API: Invalid" in err
    assert len(err.splitlines()) == 1
