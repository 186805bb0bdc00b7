"""What a shell offers behind TAB: in a real shell where there is one, and by the protocol that each of them speaks."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment import LINE, Stack

PROGRAM = Path(sys.executable).parent / "stepstream"


def environment(stack: Stack, **more: str) -> dict[str, str]:
    path = f"{PROGRAM.parent}{os.pathsep}{os.environ['PATH']}"
    return {**os.environ, **stack.environment, "PATH": path, "STEPSTREAM_URL": stack.url, **more}


def run(command: list[str], environment: dict[str, str]) -> str:
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=180, check=False)
    assert done.stderr == ""
    return done.stdout


def in_bash(stack: Stack, line: str) -> list[str]:
    """The words that a bash offers with the cursor at the end of the line."""
    words = line.split(" ")
    script = (
        'eval "$(_STEPSTREAM_COMPLETE=source_bash stepstream)"\n'
        f"COMP_WORDS=({' '.join(repr(word) for word in words)}); COMP_CWORD={len(words) - 1}\n"
        "$(complete -p stepstream | sed 's/.*-F \\([^ ]*\\).*/\\1/') stepstream\n"
        'printf "%s\\n" "${COMPREPLY[@]}"'
    )
    return run(["bash", "--norc", "-c", script], environment(stack)).split()


def by_protocol(stack: Stack, shell: str, line: str) -> str:
    """What the program tells a shell."""
    return run(
        [str(PROGRAM)],
        environment(
            stack, _STEPSTREAM_COMPLETE=f"complete_{shell}", _TYPER_COMPLETE_ARGS=line,
            _TYPER_COMPLETE_FISH_ACTION="get-args",
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def task_id(shared_api: Stack) -> str:
    return shared_api.submit(LINE, task="Compare \x85 these \u202e two; $(touch /tmp/never)")


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_options_states_and_tasks(shared_api: Stack, task_id: str) -> None:
    """In a bash that has read the script that the program prints."""
    assert {"tasks", "workers", "worker", "doctor"} <= set(in_bash(shared_api, "stepstream "))
    assert in_bash(shared_api, "stepstream tasks can") == ["cancel"]
    assert set(in_bash(shared_api, "stepstream tasks ls --status c")) == {"cancelling", "completed", "cancelled"}
    assert in_bash(shared_api, f"stepstream tasks show {task_id[:-4]}") == [task_id]


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_every_shell_gets_ids_with_what_they_are(shared_api: Stack, task_id: str, shell: str) -> None:
    """State and words of a task stand beside its id, without what controls a terminal."""
    told = by_protocol(shared_api, shell, "stepstream tasks cancel 0-")

    assert task_id in told
    assert "queued Compare these two" in told
    assert not set("\x85\u202e\x1b") & set(told)


IN_ZSH = 'autoload -Uz compinit && compinit -D && eval "$(_STEPSTREAM_COMPLETE=source_zsh stepstream)" && echo $_comps'
IN_FISH = "_STEPSTREAM_COMPLETE=source_fish stepstream | source; complete -C 'stepstream tasks can'"


@pytest.mark.parametrize(
    ("shell", "script"), [("zsh", f"{IN_ZSH}[stepstream]"), ("fish", IN_FISH)], ids=["zsh", "fish"]
)
def test_other_shells_read_their_script(shared_api: Stack, shell: str, script: str) -> None:
    """Where they are installed: the script is one that they understand."""
    if shutil.which(shell) is None:
        pytest.skip(f"no {shell}")
    assert run([shell, "-c", script], environment(shared_api)).strip().startswith(("_stepstream", "cancel"))


def test_queues_are_completed_from_redis(shared_api: Stack, task_id: str) -> None:
    """No API is needed for what needs no API."""
    told = by_protocol(shared_api, "fish", "stepstream queues pause ")

    assert told.split()[0] == "noop"


def test_without_an_api_nothing_is_offered_and_nothing_is_said(shared_api: Stack) -> None:
    """A shell must not show an error between what a person types."""
    nowhere = {"STEPSTREAM_URL": "http://127.0.0.1:1", "STEPSTREAM_REDIS_URL": "nonsense"}
    for line in ("stepstream tasks show ", "stepstream queues pause "):
        more = {
            "_STEPSTREAM_COMPLETE": "complete_fish",
            "_TYPER_COMPLETE_ARGS": line,
            "_TYPER_COMPLETE_FISH_ACTION": "get-args",
        }
        assert run([str(PROGRAM)], environment(shared_api, **nowhere, **more)).strip() == ""
