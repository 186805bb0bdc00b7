"""The command line as a person runs it: in a folder of its own, with agents of its own, Redis found or started."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app import local_redis


def fresh_environment(home: Path, agents: str, **more: str) -> dict[str, str]:
    """Nothing of whoever runs the tests; `agents` is the text of a module that is imported."""
    if local_redis.find_binary() is None:
        pytest.skip("no Redis server binary")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("STEPSTREAM_", "REDIS_"))}
    (home / "own_agents.py").write_text(agents)
    return {
        **kept,
        "STEPSTREAM_DATA_DIR": str(home / "state"),
        "STEPSTREAM_AGENT_MODULES": "own_agents",
        "STEPSTREAM_SHUTDOWN_GRACE_MS": "500",
        "PYTHONPATH": str(home),
        **more,
    }


def command(*arguments: str | bytes) -> list[str | bytes]:
    return [sys.executable, "-m", "app", *arguments]


def start(
    environment: dict[str, str], *arguments: str | bytes, together: bool = False, group: bool = False
) -> "subprocess.Popen[str]":
    """Both outputs apart or `together`; in a process `group` of its own, as a terminal's foreground is."""
    return subprocess.Popen(
        command(*arguments), env=environment, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT if together else subprocess.PIPE, text=True, start_new_session=group,
    )  # fmt: skip


def read_until(process: "subprocess.Popen[str]", text: str) -> str:
    """All that it said up to the line with `text`."""
    assert process.stdout
    said = ""
    while text not in (line := process.stdout.readline()):
        assert line, said + (process.communicate()[1] or "")
        said += line
    return said + line
