"""Two versions of the program side by side, as while one replaces the other, and back again."""

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from app.client import Client
from app.keys import Keys
from app.model.events import Event
from tests.deployment import EXIT_TIMEOUT_S, LASTING_LEASE, REPLY_TIMEOUT_S, Stack, deployment, free_port, wait_for

from . import next_version

pytestmark = pytest.mark.full

#: Steps that run side by side, a line, one that has to be tried again, and one that adds another.
PLAN: list[dict[str, Any]] = [
    {"step_id": 1, "agent": "pausing", "payload": "a", "depends_on": []},
    {"step_id": 2, "agent": "noop", "payload": "b", "depends_on": [1]},
    {"step_id": 3, "agent": "flaky", "payload": "c", "depends_on": [1]},
    {"step_id": 4, "agent": "growing", "payload": "d", "depends_on": [2, 3]},
    {"step_id": 5, "agent": "pausing", "payload": "e", "depends_on": [4]},
]
TASKS_PER_STAGE = 4


@pytest.fixture
def versions(redis_url: str, namespace: str, tmp_path: Path) -> Iterator[tuple[Stack, Stack]]:
    """This version and the next one, in the same namespace."""
    this = deployment(tmp_path, redis_url, namespace, **LASTING_LEASE)
    (tmp_path / "next").mkdir()
    following = replace(
        this, folder=tmp_path / "next", port=free_port(), processes=[], home=next_version.made(tmp_path / "copy")
    )
    yield this, following
    following.stop()
    this.stop()


class Load:
    """Tasks given to whoever is there, each followed by a client from its first event to its last."""

    def __init__(self, pool: ThreadPoolExecutor) -> None:
        self._pool = pool
        self.seen: dict[str, Any] = {}

    def give(self, to: Stack, watched_at: Stack) -> None:
        for _ in range(TASKS_PER_STAGE):
            task_id = to.submit(PLAN, inputs={"documents": [{"name": "a.md", "text": "A"}]}, output={"format": "json"})
            self.seen[task_id] = self._pool.submit(follow, watched_at.url, task_id)


def follow(url: str, task_id: str) -> list[Event]:
    with Client(url) as client:
        return list(client.follow(task_id))


def stop(process: Any) -> None:
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=EXIT_TIMEOUT_S) == 0


def test_a_rolling_deploy_and_its_rollback_lose_nothing(
    versions: tuple[Stack, Stack], redis_client: "redis.Redis"
) -> None:
    """Every task ends, whichever version took it, ran its steps, or shows it; every log is whole for its follower."""
    this, following = versions
    with ThreadPoolExecutor(64) as pool:
        load = Load(pool)
        this.api()
        old = this.worker()
        load.give(this, this)
        new = following.worker()
        following.api()
        load.give(this, following)
        load.give(following, this)
        stop(old)
        load.give(following, this)
        load.give(this, this)
        # And back.
        old = this.worker()
        load.give(following, following)
        stop(new)
        load.give(following, following)
        logs = {task_id: seen.result(timeout=600) for task_id, seen in load.seen.items()}

    for log in logs.values():
        assert [event.seq for event in log] == list(range(1, len(log) + 1))
        assert log[-1].type == "task.completed"
        assert sorted(event.step_id or 0 for event in log if event.type == "step.completed") == [1, 2, 3, 4, 5, 6]
        assert not [event for event in log if event.type in ("step.redelivered", "step.failed")]
    assert {event.type for log in logs.values() for event in log} >= {"step.pondered", "step.retry_scheduled"}
    workers = {event.worker for log in logs.values() for event in log if event.type == "step.started"}
    assert len(workers) == 3
    for api in versions:
        for task_id in logs:
            for part in ("", "/result", "/events"):
                assert httpx2.get(f"{api.url}/tasks/{task_id}{part}", timeout=REPLY_TIMEOUT_S).is_success, (
                    task_id,
                    part,
                )
            assert httpx2.get(f"{api.url}/metrics/{task_id}", timeout=REPLY_TIMEOUT_S).status_code == 200
    nothing_is_left(this, redis_client)


def nothing_is_left(stack: Stack, client: "redis.Redis") -> None:
    """No task is open, nothing had to be repaired, and both libraries are there."""
    keys = Keys(stack.environment["STEPSTREAM_NAMESPACE"])
    wait_for(lambda: client.zcard(keys.open) == 0, "a task is still open")
    text = httpx2.get(f"{stack.url}/metrics", timeout=REPLY_TIMEOUT_S).text
    assert "\nstepstream_repaired_total 0.0\n" in text
    assert len(client.function_list("stepstream_*")) >= 2
