"""The program under the shipped configuration and users: API, workers and operator each as their own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deployment import free_port
from tests.redis_users import PASSWORD_VARIABLE, debian_redis, guarded_redis

ROOT = Path(__file__).parent.parent.parent
#: What runs there: whole deployments, every route and transition, the doctor, the keys.
RUNS = (
    "tests/e2e/test_client_methods.py", "tests/e2e/test_stream.py", "tests/e2e/test_workers.py",
    "tests/integration/dispatch", "tests/integration/api/test_access.py", "tests/integration/api/test_fleet.py",
    "tests/integration/api/test_limits.py", "tests/integration/api/test_steering.py",
    "tests/integration/test_cli_keys.py",
)  # fmt: skip

#: All share the server, so none may fill it up.
ALONE = "not full_redis"
SIDE_BY_SIDE = ("-n", "3", "--dist", "loadfile")

pytestmark = pytest.mark.full


def test_everything_works_and_nothing_is_denied(tmp_path: Path) -> None:
    """The same tests as elsewhere, with a user per kind of process; the server has refused none of them anything."""
    with guarded_redis(debian_redis(), tmp_path, free_port(), namespace="test-*") as server:
        told = {"STEPSTREAM_TEST_REDIS_URL": server.url("admin"), PASSWORD_VARIABLE: server.password}
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", "not full", "-k", ALONE, *SIDE_BY_SIDE, *RUNS],
            cwd=ROOT, env={**os.environ, **told}, capture_output=True, text=True, timeout=1_700, check=False,
        )  # fmt: skip
        denied = [f"{entry['username']}: {entry['reason']} {entry['object']}" for entry in server.denied()]

    assert (denied, result.returncode) == ([], 0), result.stdout[-5000:]
