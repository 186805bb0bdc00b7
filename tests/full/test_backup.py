"""What docs/operations.md says of backups and of a full Redis, done."""

import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2
import pytest
import redis

from app.client import Client
from app.local_redis import LocalServer, find_binary
from tests.deployment import EXIT_TIMEOUT_S, LINE, REPLY_TIMEOUT_S, Stack, deployment, free_port, wait_for
from tests.e2e.conftest import own_redis

pytestmark = pytest.mark.full

__all__ = ["own_redis"]

GATED = [
    {"step_id": 1, "agent": "gated", "payload": "gate"},
    {"step_id": 2, "agent": "noop", "payload": "x", "depends_on": [1]},
]


@pytest.fixture
def stack(namespace: str, tmp_path: Path, own_redis: Callable[[], LocalServer]) -> Iterator[Stack]:
    stack = deployment(tmp_path, own_redis().url, namespace)
    stack.api()
    stack.worker()
    yield stack
    stack.stop()


def finished(stack: Stack, task_id: str) -> str:
    """How the task ended; its log is whole."""
    with Client(stack.url) as client:
        view = client.wait(task_id, timeout_s=300)
        seqs = [event.seq for event in client.events(task_id)]
    assert seqs == list(range(1, len(seqs) + 1))
    return view.status


def test_a_backup_under_load_is_restored(stack: Stack, tmp_path: Path, own_redis: Callable[[], LocalServer]) -> None:
    """Tasks go on from where the backup saw them; what was accepted since is gone, and says so."""
    client = redis.Redis.from_url(stack.environment["REDIS_URL"], protocol=2)
    task_ids = [stack.submit(GATED if n == 0 else LINE) for n in range(12)]
    wait_for(lambda: stack.ledger, "the gated step did not begin")
    before = client.lastsave()
    client.bgsave()
    wait_for(lambda: client.lastsave() != before or not client.info("persistence")["rdb_bgsave_in_progress"], "no dump")
    folder = Path(str(client.config_get("dir")["dir"]))
    shutil.copy(folder / "dump.rdb", tmp_path / "backup.rdb")
    lost = stack.submit(LINE)
    stack.stop()
    client.shutdown(nosave=True)
    client.close()

    shutil.rmtree(folder / "appendonlydir")
    shutil.copy(tmp_path / "backup.rdb", folder / "dump.rdb")
    from_dump(folder)
    stack.environment["REDIS_URL"] = own_redis().url
    stack.api()
    stack.worker()
    (stack.folder / "gate").touch()

    assert [finished(stack, task_id) for task_id in task_ids] == ["completed"] * len(task_ids)
    assert httpx2.get(f"{stack.url}/tasks/{lost}", timeout=REPLY_TIMEOUT_S).status_code == 404


def from_dump(folder: Path) -> None:
    """Redis without its append-only file, which it writes anew from the dump it has read."""
    binary, port, log = find_binary(), free_port(), folder / "restore.log"
    assert binary
    # Not a socket in the folder: the path of one must be short.
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder), "--appendonly", "no"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    client = redis.Redis(port=port, protocol=2)
    try:
        wait_for(lambda: has_tasks(client), "the dump was not read")
        client.config_set("appendonly", "yes")
        wait_for(lambda: not client.info("persistence")["aof_rewrite_in_progress"], "no append-only file was written")
        wait_for(lambda: client.info("persistence")["aof_enabled"] == 1, "it keeps none")
        client.shutdown(nosave=True)
        process.wait(timeout=EXIT_TIMEOUT_S)
    finally:
        client.close()
        process.kill()
        process.wait()


def has_tasks(client: "redis.Redis") -> bool:
    try:
        return int(client.dbsize()) > 0
    except redis.RedisError:
        return False


def test_a_full_redis_finishes_what_was_accepted(stack: Stack) -> None:
    """Submissions are refused with 503 and told when to come back; what runs or waits ends; room lets them in again."""
    client = redis.Redis.from_url(stack.environment["REDIS_URL"], protocol=2)
    task_ids = [stack.submit(GATED) for _ in range(8)]
    wait_for(lambda: stack.ledger, "no step began")
    client.config_set("maxmemory", 1)

    refused = httpx2.post(f"{stack.url}/run-task", json={"task": "Do it", "plan": LINE}, timeout=REPLY_TIMEOUT_S)
    assert (refused.status_code, bool(refused.headers["retry-after"])) == (503, True)
    (stack.folder / "gate").touch()
    assert [finished(stack, task_id) for task_id in task_ids] == ["completed"] * len(task_ids)

    client.config_set("maxmemory", 0)
    assert finished(stack, stack.submit(LINE)) == "completed"
    client.close()
    assert stack.processes[-1].poll() is None
    stack.processes[-1].send_signal(signal.SIGTERM)
