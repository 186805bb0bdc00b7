"""Redis away: at start-up, in the middle of a task, and back again."""

from collections.abc import Callable

import httpx2

from app.local_redis import LocalServer
from tests.deployment import LINE, REPLY_TIMEOUT_S, Stack, wait_for

from .test_stream import read
from .test_workers import GATED, assert_sound


def test_an_api_without_redis_says_so(bare_stack: Stack) -> None:
    """Liveness holds, readiness and submission answer 503 with Retry-After and a problem document."""
    bare_stack.environment["REDIS_URL"] = "redis://127.0.0.1:1/0"
    bare_stack.api()

    ready = httpx2.get(f"{bare_stack.url}/readyz", timeout=REPLY_TIMEOUT_S)
    refused = httpx2.post(f"{bare_stack.url}/run-task", json={"task": "Do it", "plan": LINE}, timeout=REPLY_TIMEOUT_S)

    for reply in (ready, refused):
        assert reply.status_code == 503
        assert reply.headers["content-type"] == "application/problem+json"
    assert int(refused.headers["retry-after"]) > 0


def test_a_task_survives_a_restart_of_redis(bare_stack: Stack, own_redis: Callable[[], LocalServer]) -> None:
    """Redis is killed in the middle of a step and comes back with its file: the task completes, without a gap."""
    stack = bare_stack
    server = own_redis()
    stack.environment["REDIS_URL"] = server.url
    stack.api()
    stack.worker()
    task_id = stack.submit(GATED)
    wait_for(lambda: stack.ledger, "the step did not begin")

    assert server.process is not None
    server.process.kill()
    server.process.wait()
    refused = httpx2.post(f"{stack.url}/run-task", json={"task": "Do it", "plan": LINE}, timeout=REPLY_TIMEOUT_S)
    assert refused.status_code == 503
    own_redis()
    (stack.folder / "gate").touch()

    assert_sound([event for _, event in read(stack, task_id)], steps=3)
