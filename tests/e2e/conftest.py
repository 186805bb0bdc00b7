"""Deployments for the tests: shared ones for those that harm nothing, and one of their own for the others."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from app import local_redis
from tests.deployment import Stack, deployment, running


@pytest.fixture
def bare_stack(redis_url: str, namespace: str, tmp_path: Path) -> Iterator[Stack]:
    """A deployment with nothing started yet."""
    stack = deployment(tmp_path, redis_url, namespace)
    yield stack
    stack.stop()


@pytest.fixture(scope="module")
def shared_api(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment without a worker: tasks stay as they are."""
    with running(tmp_path_factory.mktemp("shared"), redis_url) as stack:
        yield stack


@pytest.fixture(scope="package")
def shared_stack(redis_url: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """A deployment with one API and one worker process that nobody harms."""
    with running(tmp_path_factory.mktemp("shared"), redis_url) as stack:
        stack.worker()
        yield stack


@pytest.fixture
def stack(bare_stack: Stack) -> Stack:
    """A deployment with one API and one worker process, for a test that does something to them."""
    bare_stack.api()
    bare_stack.worker()
    return bare_stack


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[Callable[[], local_redis.LocalServer]]:
    """Starts, and starts again on the same files, a Redis that the test may kill."""
    binary = local_redis.find_binary()
    if binary is None:
        pytest.skip("no Redis server binary")
    servers: list[local_redis.LocalServer] = []

    def start() -> local_redis.LocalServer:
        servers.append(local_redis.start_server(binary, tmp_path / "own-redis"))
        return servers[-1]

    yield start
    for server in servers:
        server.stop()
