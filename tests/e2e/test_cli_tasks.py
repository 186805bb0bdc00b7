"""`stepstream tasks` against a running API and worker: what it shows, what it does, how it exits."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import cli
from app.client import Client
from tests.deployment import LINE, Stack

UNKNOWN = "0-01a214e6-0ca5-7351-a64d-a68e150c84ef"
GATED = [
    {"step_id": 1, "agent": "noop", "payload": "a"},
    {"step_id": 2, "agent": "gated", "payload": "gate", "depends_on": [1]},
]


@pytest.fixture(autouse=True)
def plain_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")


def tasks(stack: Stack, *arguments: str) -> Result:
    """As on a terminal, unless the arguments ask for JSON."""
    form = [] if "--json" in arguments else ["--no-json"]
    return CliRunner().invoke(cli, ["tasks", *arguments, "--url", stack.url, *form])


def ended(stack: Stack, task_id: str, after: int = 0) -> str:
    """The type of the last event, once there is one."""
    with Client(stack.url) as client:
        return [event.type for event in client.follow(task_id, after)][-1]


def started(stack: Stack, task_id: str, step_id: int) -> None:
    with Client(stack.url) as client:
        for event in client.follow(task_id):
            if (event.type, event.step_id) == ("step.started", step_id):
                return


def test_a_task_is_cancelled_retried_forked_and_deleted(stack: Stack) -> None:
    """The whole life of a task by command, with a worker that is really interrupted."""
    task_id = stack.submit(GATED)
    started(stack, task_id, 2)
    cancelled = tasks(stack, "cancel", task_id, "--reason", "wrong question")
    assert ended(stack, task_id) == "task.cancelled"
    seen = stack.get(f"/tasks/{task_id}")["last_seq"]

    (stack.folder / "gate").touch()
    retried = tasks(stack, "retry", task_id)
    assert ended(stack, task_id, seen) == "task.completed"
    forked = tasks(stack, "fork", task_id, "--from-step", "2", "--json")
    new_id = json.loads(forked.stdout)["task_id"]
    assert ended(stack, new_id) == "task.completed"
    again = tasks(stack, "cancel", task_id)
    removed = tasks(stack, "rm", task_id, new_id)
    gone = tasks(stack, "show", task_id)

    codes = [result.exit_code for result in (cancelled, retried, forked, again, removed, gone)]
    assert codes == [0, 0, 0, 1, 0, 1]
    # The worker stops within milliseconds: the answer may already be the end.
    assert cancelled.stdout in (f"{task_id}  cancelling\n", f"{task_id}  cancelled\n")
    assert again.stdout == f"{task_id}  completed\n"
    assert removed.stdout == f"{task_id}  deleted\n{new_id}  deleted\n"
    assert gone.stderr == f"The API answered 404: There is no task '{task_id}'.\n"
    assert [line[:2] for line in stack.ledger if line[0] == "began" and line[1] == "1"] == []


def test_tasks_are_listed_and_shown_without_what_moves_a_cursor(shared_api: Stack) -> None:
    """Tables for people: control characters of a task's text do not reach the terminal, ids stay whole."""
    task_id = shared_api.submit(LINE, task="Do\x85 it\n\tnow [bold]", labels={"team": "a"}, deadline="PT1H")
    paused = shared_api.submit(LINE, task="Rest " + "x" * 300)

    assert tasks(shared_api, "pause", paused).stdout == f"{paused}  paused\n"
    listed = tasks(shared_api, "ls")
    shown = tasks(shared_api, "show", task_id)
    filtered = tasks(shared_api, "ls", "--status", "paused", "--json")
    resumed = tasks(shared_api, "resume", paused)

    heading, second, first = listed.stdout.splitlines()
    assert heading.split() == ["task", "status", "steps", "created", "what"]
    assert (second.split()[:3], first.split()[:3]) == ([paused, "paused", "0/3"], [task_id, "queued", "0/3"])
    assert first.rstrip().endswith("Do it now [bold]")
    assert "Do it now [bold]" in shown.stdout
    assert "team:a" in shown.stdout
    assert "deadline" in shown.stdout
    assert [line.split()[:3] for line in shown.stdout.splitlines()[-3:]] == [
        ["1", "noop", "queued"],
        ["2", "noop", "waiting"],
        ["3", "noop", "waiting"],
    ]
    assert not set("\x1b\x85\t") & set(listed.stdout + shown.stdout)
    assert [json.loads(line)["task_id"] for line in filtered.stdout.splitlines()] == [paused]
    assert (resumed.exit_code, resumed.stdout) == (0, f"{paused}  queued\n")


def test_a_list_can_be_narrowed_and_cut(shared_api: Stack) -> None:
    """State, labels, words, time and count; an empty list exits with 1."""
    ids = [shared_api.submit(LINE, task=f"Numbered {n}", labels={"n": str(n), "test": "list"}) for n in range(5)]

    def found(*arguments: str) -> list[str]:
        result = tasks(shared_api, "ls", "--json", "--label", "test:list", *arguments)
        return [json.loads(line)["task_id"] for line in result.stdout.splitlines()]

    assert found() == ids[::-1]
    assert found("--count", "2") == ids[:2:-1]
    assert found("--label", "n:3") == [ids[3]]
    assert found("--search", "numbered 4") == [ids[4]]
    assert found("--since", "2020-01-01") == ids[::-1]
    empty = tasks(shared_api, "ls", "--since", "2990-01-01")
    assert (empty.exit_code, empty.stderr) == (1, "no tasks\n")


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (["cancel", UNKNOWN], 1, "404"),
        (["rm", "{open}"], 1, "The task cannot be deleted: it is queued."),
        (["retry", "{open}"], 1, "The task cannot be retried: it is queued."),
        (["fork", "{open}", "--from-step", "1"], 1, "The task cannot be forked"),
        (["fork", "{open}"], 2, "--from-step"),
        (["fork", "{open}", "--plan", "/nowhere"], 2, "cannot be read"),
        (["cancel", "{open}", "--mode", "gently"], 2, "gently"),
        (["pause", "{open}", "--reason", "x" * 301], 2, "/reason: String should have at most 300 characters"),
        (["ls", "--label", "team"], 2, "name:value"),
        (["ls", "--label", "a:1", "--label", "a:2"], 2, "once"),
        (["ls", "--since", "0001-01-01"], 2, "no time"),
        (["ls", "--search", "x" * 201], 2, "q: String should have at most 200 characters"),
        (["show", "../agents"], 2, "is not the id of a task"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_a_sentence_and_an_exit_code(
    shared_api: Stack, arguments: list[str], code: int, said: str
) -> None:
    """1: not found or not possible; 2: the command itself is wrong."""
    task_id = shared_api.submit(LINE)

    result = tasks(shared_api, *[argument.format(open=task_id) for argument in arguments])

    assert result.exit_code == code, result.output
    assert said in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.output


def test_without_an_api_the_command_says_how_to_get_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 3: nothing runs here, or nobody answers at the address."""
    monkeypatch.setenv("STEPSTREAM_DATA_DIR", str(tmp_path))
    here = CliRunner().invoke(cli, ["tasks", "ls"])
    there = CliRunner().invoke(cli, ["tasks", "ls", "--url", "http://127.0.0.1:1"])
    nowhere = CliRunner().invoke(cli, ["tasks", "ls", "--url", "http://[x"])

    assert (here.exit_code, there.exit_code, nowhere.exit_code) == (3, 3, 2)
    assert "stepstream up" in here.stderr
    assert "No API answers at http://127.0.0.1:1" in there.stderr
    assert "is not the address of an API" in nowhere.stderr


def test_a_pipe_gets_objects_and_a_table_when_it_asks_for_one(shared_api: Stack) -> None:
    """One JSON object per line by default; a table has whole ids, no colours and room for long lines."""
    ids = [shared_api.submit(LINE, task="long " * 30, labels={"test": "pipe"}) for _ in range(2)]

    def piped(*arguments: str) -> list[str]:
        command = [sys.executable, "-m", "app", "tasks", "ls", "--label", "test:pipe", *arguments]
        environment = {**os.environ, "STEPSTREAM_URL": shared_api.url, "FORCE_COLOR": ""}
        environment.pop("COLUMNS", None)  # a width that somebody set would hold for a pipe too
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=True, env=environment)
        return done.stdout.splitlines()

    assert [json.loads(line)["task_id"] for line in piped()] == ids[::-1]
    heading, *rows = piped("--no-json")
    assert heading.startswith("task")
    assert [row.split()[0] for row in rows] == ids[::-1]
    assert "\x1b" not in "".join(rows)
    assert min(map(len, rows)) > 150


def test_a_plan_and_the_agents_are_shown_by_a_running_api(shared_api: Stack) -> None:
    """`plan` asks it for the steps, `agents` for who may be named in them; neither makes a task."""
    before = shared_api.get("/tasks")
    shown = CliRunner().invoke(cli, ["plan", "Compare A and B", "--url", shared_api.url, "--no-json"])
    listed = CliRunner(env={"COLUMNS": "80"}).invoke(cli, ["agents", "--url", shared_api.url, "--no-json"])
    records = CliRunner().invoke(cli, ["agents", "--url", shared_api.url, "--json"])

    assert "plan by rules: 6 steps, nothing has run" in shown.stdout
    assert [line.split()[0] for line in listed.stdout.splitlines()][:2] == ["agent", "analyzer"]
    writer = next(record for record in map(json.loads, records.stdout.splitlines()) if record["name"] == "writer")
    assert (writer["module"], writer["asynchronous"]) == ("actors.writer", True)
    assert shared_api.get("/tasks") == before


def test_an_action_for_all_that_match_is_announced_and_then_done(shared_api: Stack) -> None:
    """Without `--yes` only their number is said; what cannot be done at all is refused; nothing left exits with 1."""
    ids = [shared_api.submit(LINE, labels={"test": "bulk", "n": str(n)}) for n in range(3)]
    which = ["--label", "test:bulk"]

    announced = tasks(shared_api, "bulk", "cancel", *which)
    narrowed = tasks(shared_api, "bulk", "cancel", *which, "--label", "n:1", "--reason", "not needed", "--yes")
    open_left = tasks(shared_api, "ls", *which, "--status", "open", "--json").stdout.splitlines()
    cancelled = tasks(shared_api, "bulk", "cancel", *which, "--yes", "--json")
    retried = tasks(shared_api, "bulk", "retry", *which, "--status", "cancelled", "--yes")
    refused = tasks(shared_api, "bulk", "retry", *which, "--status", "completed", "--yes")
    nothing = tasks(shared_api, "bulk", "delete", *which, "--yes")

    assert (announced.exit_code, announced.stderr) == (2, "cancel 3 tasks (open): say --yes to do it\n")
    assert (narrowed.exit_code, narrowed.stdout) == (0, f"{ids[1]}  cancelled\n")
    assert len(open_left) == 2
    assert [json.loads(line) for line in cancelled.stdout.splitlines()] == [
        {"task_id": task_id, "refused": None} for task_id in (ids[2], ids[0])
    ]
    assert cancelled.stderr == "2 tasks cancelled\n"
    assert retried.stdout.splitlines() == [f"{task_id}  retried" for task_id in reversed(ids)]
    assert refused.exit_code == 2
    assert "tasks to retry are failed, cancelled or expired" in refused.stderr
    assert (nothing.exit_code, nothing.stdout, nothing.stderr) == (1, "", "0 tasks deleted\n")
