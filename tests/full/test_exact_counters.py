"""What Prometheus is told equals the logs to the last event, after one of each kind of fault in a fixed order."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import pytest
import redis

from app.keys import Keys
from app.local_redis import LocalServer
from tests.deployment import REPLY_TIMEOUT_S, Stack, wait_for
from tests.e2e.conftest import bare_stack, own_redis
from tests.soak.tasks.collect import counted, written

__all__ = ["bare_stack", "own_redis"]

pytestmark = pytest.mark.full

PLANS: list[list[dict[str, Any]]] = [
    [
        {"step_id": 1, "agent": "pausing", "payload": "a", "depends_on": []},
        {"step_id": 2, "agent": "flaky", "payload": "b", "depends_on": [1]},
        {"step_id": 3, "agent": "growing", "payload": "c", "depends_on": [1]},
        {"step_id": 4, "agent": "pausing", "payload": "d", "depends_on": [2, 3]},
    ],
    [{"step_id": n, "agent": "pausing", "payload": "x", "depends_on": []} for n in range(1, 9)],
    [
        {"step_id": 1, "agent": "hopeless", "payload": "x", "on_failure": "continue"},
        {"step_id": 2, "agent": "pausing", "payload": "y"},
        {"step_id": 3, "agent": "noop", "payload": "z"},
    ],
    [{"step_id": 1, "agent": "hopeless", "payload": "x"}, {"step_id": 2, "agent": "noop", "payload": "y"}],
]


def test_counters_equal_the_logs_after_every_kind_of_fault(
    bare_stack: Stack, own_redis: Callable[[], LocalServer]
) -> None:
    """Workers killed, connections cut, Redis killed, tasks steered: each in the middle of steps that run."""
    stack = bare_stack
    server = own_redis()
    stack.environment["REDIS_URL"] = server.url
    stack.api()
    with looking(server.url) as client:
        lose_a_worker(stack, client)
        begin(stack, client)
        for kind in ("normal", "pubsub", "normal"):
            client.execute_command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
        begin(stack, client)
        kill(server)
    with looking(own_redis().url) as client:
        steer(stack, begin(stack, client))
        wait_for(lambda: stack.get("/tasks/counts")["open"] == 0, "not every task has ended")

        found = counted(httpx2.get(f"{stack.url}/metrics", timeout=REPLY_TIMEOUT_S).text)

        assert found == written(client, stack.environment["STEPSTREAM_NAMESPACE"])
    for kind, agent in (("step.redelivered", "pausing"), ("step.retry_scheduled", "flaky"), ("plan.extended", "")):
        assert found[kind, agent] > 0
    # What was accepted in the last moments before Redis died may be lost with its log.
    assert found["task.submitted", ""] >= 3 * len(PLANS)


@contextmanager
def looking(url: str) -> Iterator["redis.Redis"]:
    """A client that the faults do not hit."""
    with redis.Redis.from_url(url, protocol=2) as client:
        yield client


def lose_a_worker(stack: Stack, client: "redis.Redis") -> None:
    """Kills workers in the middle of their steps until a step of one is redelivered; one worker is left."""
    logs = Keys(stack.environment["STEPSTREAM_NAMESPACE"])
    for _ in range(5):
        worker = stack.worker()
        task_ids = begin(stack, client)
        stack.kill(worker)
        stack.worker()
        wait_for(lambda ids=task_ids: all(ended(stack, task) for task in ids), "not every task has ended")
        if any(
            b"step.redelivered" in entry[b"e"] for task in task_ids for _, entry in client.xrange(logs.events(task))
        ):
            return
    pytest.fail("no step was redelivered")


def ended(stack: Stack, task_id: str) -> bool:
    return stack.get(f"/tasks/{task_id}")["status"] in ("completed", "failed")


def begin(stack: Stack, client: "redis.Redis") -> list[str]:
    """Submits the tasks; returns when steps of them run."""
    task_ids = [stack.submit(plan) for plan in PLANS]
    log = Keys(stack.environment["STEPSTREAM_NAMESPACE"]).events(task_ids[1])
    wait_for(lambda: any(b"step.progress" in entry[b"e"] for _, entry in client.xrange(log)), "no step has begun")
    return task_ids


def steer(stack: Stack, task_ids: list[str]) -> None:
    """One is held up and goes on, one is cancelled, one that has failed runs again."""
    for path in ("0/pause", "0/resume", "1/cancel"):
        number, _, verb = path.partition("/")
        httpx2.post(f"{stack.url}/tasks/{task_ids[int(number)]}/{verb}", json={}, timeout=REPLY_TIMEOUT_S)
    failed = task_ids[3]
    wait_for(lambda: stack.get(f"/tasks/{failed}")["status"] == "failed", "the task did not fail")
    assert httpx2.post(f"{stack.url}/tasks/{failed}/retry", json={}, timeout=REPLY_TIMEOUT_S).status_code == 202


def kill(server: LocalServer) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait()
