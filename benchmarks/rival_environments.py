"""One virtualenv per set of packages, so that no queue decides another's versions."""

import os
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

from .rival_catalogue import Rival


class NotInstalled(Exception):
    """The packages of a rival cannot be had here."""


def environment_of(rival: Rival, folder: Path) -> Path:
    """The folder of its programs, made on first use; ours for a rival without packages. Raises `NotInstalled`."""
    if not rival.packages:
        return Path(sys.executable).parent
    home = folder / sha256("\n".join(rival.packages).encode()).hexdigest()[:12]
    programs = home / "bin"
    if not (home / "complete").exists():
        _run([sys.executable, "-m", "venv", "--clear", str(home)])
        _run([str(programs / "python"), "-m", "pip", "install", "--quiet", *rival.packages])
        (home / "complete").touch()
    return programs


def _run(command: list[str]) -> None:
    # The constraints of a surrounding project are not theirs.
    environment = {name: value for name, value in os.environ.items() if name != "PIP_CONSTRAINT"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        raise NotInstalled(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else str(command))
