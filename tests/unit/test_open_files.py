"""A process takes no more viewers than the system lets it have connections."""

import subprocess
import sys

import pytest

PROGRAM = """
import resource, sys
from app.bootstrap.open_files import affordable
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
found = affordable({viewers})
print(found, resource.getrlimit(resource.RLIMIT_NOFILE)[0], file=sys.stderr)
"""


@pytest.mark.parametrize(
    ("soft", "hard", "viewers", "found", "raised"),
    [(300, 2000, 1000, 1000, 1256), (300, 700, 1000, 444, 700), (1500, 2000, 1000, 1000, 1500), (60, 60, 1000, 1, 60)],
    ids=["raised as far as needed", "raised as far as allowed", "enough", "hardly any"],
)
def test_the_limit_of_open_files_is_raised_or_kept_to(
    soft: int, hard: int, viewers: int, found: int, raised: int
) -> None:
    """The soft limit is a default, the hard one is not; who gets less than wanted is told in the log."""
    program = PROGRAM.format(soft=soft, hard=hard, viewers=viewers)

    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)

    assert ended.stderr.split() == [str(found), str(raised)]
    assert ("viewers_limited_by_open_files" in ended.stdout) == (found < viewers)
