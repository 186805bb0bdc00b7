"""The command among other programs: pipes that close, Ctrl-C, terminals of all kinds. Real processes."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import IO

import pytest
from typer.testing import CliRunner

from app.cli.main import cli
from app.client import Client
from tests.deployment import LINE, Stack
from tests.unit.scripted_server import serving

PROGRAM = str(Path(sys.executable).parent / "stepstream")
TIMEOUT_S = 180


@pytest.fixture(scope="module")
def task_ids(shared_api: Stack) -> list[str]:
    return [shared_api.submit(LINE, task=f"Task {n} " + "long " * 30) for n in range(3)]


def environment(stack: Stack, **more: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR", "COLUMNS")}
    return {**clean, **stack.environment, "STEPSTREAM_URL": stack.url, "TERM": "xterm-256color", **more}


def start(stack: Stack, *arguments: str, stdout: int | IO[bytes] = subprocess.PIPE) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [PROGRAM, *arguments], env=environment(stack), stdout=stdout, stderr=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.parametrize("arguments", [["tasks", "ls"], ["events", "tail", "{0}", "{1}"], ["doctor"]], ids=" ".join)
def test_a_reader_that_has_enough_ends_the_command_quietly(
    shared_api: Stack, task_ids: list[str], arguments: list[str]
) -> None:
    """As SIGPIPE would, without a word; what is still in a buffer does not matter."""
    reader, writer = os.pipe()
    os.close(reader)
    process = start(shared_api, *[argument.format(*task_ids) for argument in arguments], stdout=writer)
    os.close(writer)
    _, said = process.communicate(timeout=TIMEOUT_S)

    assert (process.returncode, said) == (141, b"")


def test_ctrl_c_ends_a_command_that_waits(shared_api: Stack, task_ids: list[str]) -> None:
    """Exit code 130 and no word of Python, as soon as the first event was there."""
    process = start(shared_api, "events", "tail", task_ids[0])
    assert process.stdout
    first = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=TIMEOUT_S)

    assert (first["seq"], first["task_id"]) == (1, task_ids[0])
    assert process.returncode == 130
    assert b"Traceback" not in said


@pytest.mark.parametrize("arguments", [["tasks", "ls"], ["run", "Do it"], ["doctor", "--json"]], ids=" ".join)
def test_ctrl_c_ends_a_request_that_is_not_answered(shared_api: Stack, arguments: list[str]) -> None:
    """The API has heard it and says nothing; the person has had enough."""
    with serving() as silent:
        heard = threading.Event()

        def wait(request: BaseHTTPRequestHandler) -> None:
            heard.set()
            request.connection.recv(1)

        silent.answers = [wait]
        process = start(shared_api, *arguments, "--url", silent.url)
        assert heard.wait(TIMEOUT_S)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=TIMEOUT_S)

    assert process.returncode == 130
    assert b"Traceback" not in said


def test_events_of_several_tasks_are_lines_for_programs_and_for_people(shared_api: Stack, task_ids: list[str]) -> None:
    """Each with its task; only the types that were asked for. Without a worker nobody ends: they are cancelled."""
    first, second = [shared_api.submit(LINE) for _ in range(2)]
    with Client(shared_api.url) as client:
        client.cancel(first)
        client.cancel(second)
    command = [PROGRAM, "events", "tail", first, second, "--types", "plan.*"]
    options = {"env": environment(shared_api), "capture_output": True, "text": True, "timeout": TIMEOUT_S}
    for_programs = subprocess.run(command, check=True, **options).stdout  # type: ignore[call-overload]
    for_people = subprocess.run([*command, "--no-json"], check=True, **options).stdout  # type: ignore[call-overload]
    rows = [json.loads(line) for line in for_programs.splitlines()]

    expected = [(task, kind) for task in (first, second) for kind in ("plan.created", "task.cancelled")]
    assert sorted((row["task_id"], row["type"]) for row in rows) == sorted(expected)
    assert re.search(rf"^\d\d:\d\d:\d\d\.\d{{3}}  {first}     2  plan.created", for_people, flags=re.M)
    assert "planned by client" in for_people


def test_without_a_task_everything_is_told(shared_api: Stack, task_ids: list[str]) -> None:
    """From a time on: what happens to a task that is submitted meanwhile comes as it happens. Ctrl-C ends it."""
    process = start(shared_api, "events", "tail", "--after", "0", "--types", "task.*", "--label", "test:fire")
    task_id = shared_api.submit(LINE, labels={"test": "fire"})
    assert process.stdout
    told = json.loads(process.stdout.readline())
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=TIMEOUT_S)

    assert (told["type"], told["task_id"], process.returncode) == ("task.submitted", task_id, 130)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["x"], "is not the id of a task"),
        (["{0}", "--after", "x"], "is not the number of an event"),
        (["{0}", "{1}", "--after", "3"], "single task"),
        (["{0}", "--tenant", "acme"], "for all tasks"),
        (["--label", "x"], "name:value"),
    ],
)
def test_what_makes_no_sense_to_tail_is_said(task_ids: list[str], arguments: list[str], said: str) -> None:
    """Exit code 2, and nobody is asked."""
    command = ["events", "tail", *[argument.format(*task_ids) for argument in arguments], "--url", "http://127.0.0.1:1"]
    result = CliRunner().invoke(cli, command)

    assert result.exit_code == 2
    assert said in " ".join(result.stderr.split())


@pytest.mark.parametrize("named", [True, False], ids=["of a task", "of all"])
def test_a_type_that_no_event_has_is_not_waited_for(shared_api: Stack, task_ids: list[str], named: bool) -> None:
    """Exit code 2 and the name that was probably meant."""
    command = ["events", "tail", *task_ids[:named], "--types", "stpe.started", "--url", shared_api.url]
    result = CliRunner().invoke(cli, command)

    assert result.exit_code == 2
    assert result.stderr == "types: 'stpe.started' is no type of event; did you mean step.started?\n"


def on_a_terminal(stack: Stack, *arguments: str, columns: int, **more: str) -> str:
    """What a command writes to a terminal of that width."""
    main, side = pty.openpty()
    sized = {"COLUMNS": str(columns), "LINES": "40", **more}
    process = subprocess.Popen(
        [PROGRAM, *arguments], env=environment(stack, **sized), stdin=side, stdout=side, stderr=side, close_fds=True
    )
    os.close(side)
    written = b"".join(_read(main))
    process.wait(timeout=TIMEOUT_S)
    os.close(main)
    assert process.returncode == 0, written
    return written.decode()


def _read(terminal: int) -> Iterator[bytes]:
    while select.select([terminal], [], [], TIMEOUT_S)[0]:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # the other side is closed
            return
        if not piece:
            return
        yield piece


def test_a_terminal_gets_a_table_in_colour_with_whole_ids(shared_api: Stack, task_ids: list[str]) -> None:
    """Also a narrow one: a line may run over, an id may not be cut."""
    for columns in (60, 200):
        written = on_a_terminal(shared_api, "tasks", "ls", columns=columns)
        assert "\x1b[1m" in written
        assert all(task_id in written for task_id in task_ids)


def test_no_color_is_respected(shared_api: Stack, task_ids: list[str]) -> None:
    """No colours (https://no-color.org); bold is none."""
    written = on_a_terminal(shared_api, "tasks", "show", task_ids[0], columns=100, NO_COLOR="1")

    assert task_ids[0] in written
    assert re.findall(r"\x1b\[[0-9;]*(?:3[0-9]|4[0-9]|9[0-7])[;m]", written) == []


def test_a_dumb_terminal_gets_plain_text(shared_api: Stack, task_ids: list[str]) -> None:
    """TERM=dumb understands no sequences at all."""
    assert "\x1b" not in on_a_terminal(shared_api, "tasks", "ls", columns=120, TERM="dumb")
