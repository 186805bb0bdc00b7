"""Shared fixtures: one real Redis server per run, a namespace of its own per test."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from app import local_redis
from tests import chromium as browsers

# A shell that starts us in the background has SIGINT ignored, and so would have every process that a test starts and
# ends with it: what is ignored is inherited over exec, what has a handler is not.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says something of the machine and nothing of the code; the rest as it was found.
hypothesis.settings.register_profile("unhurried", deadline=None)
hypothesis.settings.load_profile("unhurried")


@pytest.fixture(scope="session")
def anyio_backend() -> tuple[str, dict[str, bool]]:
    return ("asyncio", {"use_uvloop": True})


@pytest.fixture(scope="session")
def chromium() -> str:
    """The program of the browser; in CI it has to be there."""
    program = browsers.program()
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("no Chromium in CI")
        pytest.skip("no Chromium")
    return program


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A real server: the one named by the environment, else the bundled one."""
    if url := os.environ.get("STEPSTREAM_TEST_REDIS_URL"):
        yield url
        return
    binary = local_redis.find_binary()
    if binary is None:
        if os.environ.get("CI"):
            pytest.fail("no Redis server binary in CI")
        pytest.skip("no Redis server binary")
    home = Path(tempfile.mkdtemp(prefix="stepstream-test-"))
    server = local_redis.start_server(binary, home, appendonly=False)
    yield server.url
    server.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def redis_client(redis_url: str) -> Iterator["redis.Redis"]:
    """A plain synchronous client that never re-sends a command by itself."""
    client = redis.Redis.from_url(redis_url, protocol=2, socket_timeout=60, retry=Retry(NoBackoff(), 0))
    yield client
    client.close()


@pytest.fixture
def namespace(redis_client: "redis.Redis") -> Iterator[str]:
    """A key namespace nobody else uses; emptied afterwards."""
    name = f"test-{uuid4().hex[:12]}"
    yield name
    for key in redis_client.scan_iter(match=f"{{{name}:*", count=1000):
        redis_client.delete(key)
