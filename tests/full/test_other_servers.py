"""The same behaviours on another server: whatever `redis-server` is on PATH (Debian's in CI)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from app import local_redis

ROOT = Path(__file__).parent.parent.parent

#: What runs there, and which of it: the whole comparison with the stock broker is among the slow proofs.
RUNS = {"not full": ("tests/integration", "tests/faults", "tests/property"), "full or not full": ("tests/contract",)}

pytestmark = pytest.mark.full


@pytest.mark.parametrize("which", RUNS)
def test_the_server_on_path_behaves_alike(tmp_path: Path, which: str) -> None:
    """Broker, dispatch and events pass their tests on the system's Redis too."""
    binary = shutil.which("redis-server")
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("CI must bring a redis-server")
        pytest.skip("no redis-server on PATH")
    server = local_redis.start_server(Path(binary), tmp_path, appendonly=False)
    try:
        result = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-m", which, *RUNS[which]],
            cwd=ROOT,
            env={**os.environ, "STEPSTREAM_TEST_REDIS_URL": server.url},
            capture_output=True,
            text=True,
            timeout=1_700,
            check=False,
        )
    finally:
        server.stop()
    assert result.returncode == 0, result.stdout[-5000:]
