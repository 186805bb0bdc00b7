"""Documents that are meant to exhaust a worker take bounded time and memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.hostile.corpus import bombs

ROOT = Path(__file__).parents[2]


@pytest.mark.full
def test_no_document_exhausts_a_process() -> None:
    """Deep nesting, endless lines, 100,000 headings, 50 MB, a PDF that unpacks to a gigabyte: read or refused."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hostile.blast"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=600,
    )

    borne = done.stdout.split("\n")[:-1]
    assert done.returncode == 0, (borne[-1:], done.returncode, done.stderr[-2000:])
    others = ["duplicates", "large.md", "bomb.pdf", "noise.md", "noise.html", "half.pdf"]
    assert borne == [*(name for name, _ in bombs()), *others]
