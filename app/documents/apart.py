"""
Runs a parser in a process of its own, with limits on memory and time that no document can talk its way around.

What the kernel stops is the child; a worker stays, and learns that the document takes too much.
"""

import os
import subprocess
import sys
from pathlib import Path

MEMORY_BYTES_MAX = 1 << 30
CPU_S_MAX = 60
WALL_S_MAX = 120.0


class TakesTooMuch(Exception):
    """The child was stopped at a limit, or died of what it read."""


def run_apart(program: Path, content: bytes, *arguments: str, cpu_s: int = CPU_S_MAX) -> bytes:
    """
    What the program wrote to its output, given the limits in bytes and seconds, then the arguments.

    It gets neither the environment nor this folder on its path. Raises `TakesTooMuch`, and `OSError` where there is no
    process to be had.
    """
    environment = {key: os.environ[key] for key in ("PATH", "LANG", "HOME") if key in os.environ}
    limits = (str(MEMORY_BYTES_MAX), str(cpu_s))
    try:
        done = subprocess.run(  # noqa: S603  # nosec B603  # our own program
            [sys.executable, "-P", str(program), *limits, *arguments],
            input=content, capture_output=True, timeout=WALL_S_MAX, env=environment, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired as error:
        raise TakesTooMuch from error
    if done.returncode:
        raise TakesTooMuch
    return done.stdout
