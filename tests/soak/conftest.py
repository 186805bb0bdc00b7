"""What both soaks need."""

import os

import pytest

from app.redis_binary import find_binary


@pytest.fixture
def server_binary() -> None:
    """A server of one's own can be started: a missing binary skips here and fails in CI."""
    if find_binary() is None:
        if os.environ.get("CI"):
            pytest.fail("no Redis server binary in CI")
        pytest.skip("no Redis server binary")
