"""Which API a command asks, and what its answers mean for the exit code."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from app.cli.main import cli
from tests.unit.scripted_server import SUMMARY, ScriptedServer, say

PAGE = say(200, {"tasks": [SUMMARY], "next": None}, content_type="application/json")


@pytest.fixture(autouse=True)
def _nothing_runs_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STEPSTREAM_URL", "STEPSTREAM_API_KEY", "STEPSTREAM_ALLOW_INSECURE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("STEPSTREAM_DATA_DIR", str(tmp_path))


def ls(*arguments: str, **environment: str) -> Result:
    return CliRunner().invoke(cli, ["tasks", "ls", *arguments], env=environment)


def test_the_option_wins_over_the_variable(server: ScriptedServer) -> None:
    """Without either, and without an `up`, nobody is asked."""
    server.answers = [PAGE]

    assert ls("--url", server.url, STEPSTREAM_URL="http://127.0.0.1:1").exit_code == 0
    assert ls(STEPSTREAM_URL=server.url).exit_code == 0
    assert len(server.asked) == 2
    nobody = ls()
    assert (nobody.exit_code, len(server.asked)) == (3, 2)
    assert "begin `stepstream up`, or say where with --url or STEPSTREAM_URL" in nobody.stderr


@pytest.mark.parametrize(
    ("status", "code"),
    [(400, 2), (401, 2), (403, 2), (404, 1), (409, 1), (410, 1), (413, 2), (422, 2), (429, 3), (500, 3), (503, 3)],
)
def test_a_refusal_is_a_sentence_and_an_exit_code(server: ScriptedServer, status: int, code: int) -> None:
    """2: trying again does not help; 3: it may; 1: not found, or not possible as things stand."""
    server.answers = [say(status, {"detail": "That is not to be."})]

    result = ls(STEPSTREAM_URL=server.url)

    assert (result.exit_code, result.stderr) == (code, f"The API answered {status}: That is not to be.\n")


def test_what_is_no_api_is_said(server: ScriptedServer) -> None:
    """A web page, say."""
    server.answers = [say(200, "<html>", content_type="text/html")]

    result = ls(STEPSTREAM_URL=server.url)

    assert result.exit_code == 3
    assert "is not this API" in result.stderr


def test_a_key_goes_where_it_may_and_nowhere_else(server: ScriptedServer) -> None:
    """It is sent; to another machine over plain http it is not, and a wrong one is not sent at all."""
    server.answers = [PAGE]
    ls(STEPSTREAM_URL=server.url, STEPSTREAM_API_KEY="sk_a_b")
    exposed = ls(STEPSTREAM_URL="http://203.0.113.1", STEPSTREAM_API_KEY="sk_a_b")
    broken = ls(STEPSTREAM_URL=server.url, STEPSTREAM_API_KEY="sk a b")

    assert [headers.get("authorization") for _, _, headers, _ in server.asked] == ["Bearer sk_a_b"]
    assert (exposed.exit_code, broken.exit_code) == (2, 2)
    assert "The key is not sent to 203.0.113.1 over plain http" in exposed.stderr
    assert broken.stderr == "The key has characters that no key has.\n"
    assert "sk" not in exposed.stderr + broken.stderr


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"STEPSTREAM_LEASE_MS": "3"}, "STEPSTREAM_LEASE_MS: Input should be greater than or equal to 500"),
        ({"STEPSTREAM_NAMESPACE": "a b"}, "STEPSTREAM_NAMESPACE: "),
    ],
)
@pytest.mark.parametrize("command", [["tasks", "ls"], ["queues"], ["doctor"], ["keys", "ls"], ["run", "Do it"], ["up"]])
def test_a_bad_setting_is_a_line_of_every_command(command: list[str], setting: dict[str, str], said: str) -> None:
    """Its name and what is wrong with it; no traceback, no class of ours."""
    result = CliRunner().invoke(cli, command, env=setting)

    assert result.exit_code == 2
    [line] = result.stderr.splitlines()
    assert said in line
