"""`stepstream plan` without an API: the rules plan right here, and nothing runs."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import cli

TASK = "Compare Redis and Kafka on latency and durability"


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No `up` runs in this folder, and no address is known."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STEPSTREAM_DATA_DIR", str(tmp_path))
    monkeypatch.delenv("STEPSTREAM_URL", raising=False)
    monkeypatch.setenv("NO_COLOR", "1")


def plan(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["plan", *arguments])


def test_a_plan_is_printed_stage_by_stage_with_its_reasons() -> None:
    """What runs side by side stands together, and each step says what it waits for and why it is there."""
    shown = plan(TASK, "--no-json")

    assert shown.exit_code == 0
    lines = shown.stdout.splitlines()
    assert lines[0] == "plan by rules: 6 steps, nothing has run"
    assert [line for line in lines if line.endswith(":") and not line.startswith(" ")] == [
        "first, side by side:", "then, side by side:", "then:", "then:",
    ]  # fmt: skip
    assert "    1  retriever  Redis latency durability" in lines
    assert "    4  analyzer   Kafka: latency and durability  (after 2)" in lines
    assert "Set “Redis” and “Kafka” side by side (latency, durability)" in shown.stdout
    assert "no API runs here" in shown.stderr


def test_a_plan_as_json_is_a_file_that_can_be_edited_and_checked(tmp_path: Path) -> None:
    """In a pipe it is JSON, and that is what `--plan` takes, here and for `run`."""
    file = tmp_path / "plan.json"
    file.write_text(plan(TASK).stdout)
    found = json.loads(file.read_text())
    found["steps"][0]["payload"]["text"] = "Redis durability"
    file.write_text(json.dumps(found))

    again = json.loads(plan(TASK, "--plan", str(file)).stdout)

    assert again["planner"] == "client"
    assert again["steps"] == found["steps"]


@pytest.mark.parametrize(
    ("steps", "said"),
    [
        ([{"step_id": 1, "agent": "nobody", "payload": "x"}], "/plan/0/agent: names no agent: 'nobody'"),
        ([], "/plan: has no step"),
        ([{"step_id": 1, "agent": "retriever", "payload": "x", "depends_on": [1]}], "a step cannot wait for itself"),
    ],
    ids=["agent", "empty", "cycle"],
)
def test_a_plan_that_is_none_says_where_it_is_wrong(tmp_path: Path, steps: object, said: str) -> None:
    """With the exit code of a wrong input."""
    (tmp_path / "plan.json").write_text(json.dumps(steps))

    refused = plan("x", "--plan", str(tmp_path / "plan.json"))

    assert (refused.exit_code, refused.stdout) == (2, "")
    assert said in refused.stderr


def test_an_empty_or_endless_task_is_refused_as_by_the_api() -> None:
    """With the same words."""
    assert "/task: must not be empty" in plan(" ").stderr
    assert "/task: has 20001 characters; the limit is 20000" in plan("x" * 20_001).stderr


def test_a_language_model_is_asked_by_an_api_only() -> None:
    """There is none here."""
    refused = plan(TASK, "--planner", "llm")

    assert refused.exit_code == 3
    assert "only an API asks a language model" in refused.stderr


def test_what_a_task_says_does_not_control_the_terminal() -> None:
    """Control characters of the task reach neither the searches nor the reasons."""
    shown = plan("What is \x1b[31mred\x07 and what is \x9b31m blue?", "--no-json")

    assert shown.exit_code == 0
    assert not {"\x1b", "\x07", "\x9b"} & set(shown.stdout)
