"""The programs that read what lies in deploy/: missing, they fail CI and skip a test elsewhere."""

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

ROOT = Path(__file__).parent.parent.parent
DEPLOY = ROOT / "deploy"
TIMEOUT_S = 300


def tool(name: str) -> str:
    """Where a program is: beside this Python, else on the path."""
    beside = Path(sys.executable).parent / name
    found = str(beside) if beside.exists() else shutil.which(name)
    return found or lacking(f"no {name}")


def lacking(what: str) -> NoReturn:
    if os.environ.get("CI"):
        pytest.fail(f"{what} in CI")
    pytest.skip(what)


def accepted(name: str, *arguments: str | Path) -> str:
    """What a program says of a file that it finds nothing wrong with."""
    done = subprocess.run(
        [tool(name), *map(str, arguments)], cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr
