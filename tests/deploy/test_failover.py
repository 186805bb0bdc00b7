"""The primary dies, Sentinels name another, and everybody comes out there: API, workers, pushes, the command line."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from threading import Thread

import httpx2
import pytest
import redis
from typer.testing import CliRunner

from app import redis_urls
from app.cli.main import cli
from app.client import Client
from tests.deploy.tools import DEPLOY
from tests.deployment import LINE, REPLY_TIMEOUT_S, START_TIMEOUT_S, Stack, deployment, free_port, wait_for
from tests.redis_users import GuardedRedis, debian_redis, guarded_redis, logged_in

pytestmark = pytest.mark.full
NAMESPACE = "test-failover"
GATED = [
    {"step_id": 1, "agent": "gated", "payload": "gate"},
    {"step_id": 2, "agent": "noop", "payload": "b", "depends_on": [1]},
]


@dataclass(frozen=True)
class Watched:
    """A primary, its replica, and the Sentinels that watch them."""

    primary: GuardedRedis
    replica: GuardedRedis
    sentinels: list[int]
    folder: Path

    def url(self, user: str) -> str:
        addresses = ",".join(f"127.0.0.1:{port}" for port in self.sentinels)
        return logged_in(f"redis+sentinel://{addresses}/stepstream/0", user, self.primary.password)

    def kill_primary(self) -> None:
        """kill -9, once the replica has what it has."""
        with self.primary.client("admin") as client:
            assert client.wait(1, 50_000) == 1
            pid = int(client.info("server")["process_id"])
        os.kill(pid, signal.SIGKILL)

    def promoted(self) -> bool:
        with self.replica.client("admin") as client:
            return bool(client.role()[0] == b"master")


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """The shipped configurations."""
    ports = [free_port() for _ in range(5)]
    folders = [tmp_path / name for name in ("primary", "replica", "sentinels")]
    for folder in folders:
        folder.mkdir()
    login = ["--masteruser", "replica", "--masterauth", "p:ss/w@rd", "--repl-diskless-sync-delay", "0"]
    follow = ["--replicaof", "127.0.0.1", str(ports[0])]
    with ExitStack() as stack:
        primary = stack.enter_context(guarded_redis(debian_redis(), folders[0], ports[0], NAMESPACE, login))
        replica = stack.enter_context(guarded_redis(debian_redis(), folders[1], ports[1], NAMESPACE, [*login, *follow]))
        found = Watched(primary, replica, ports[2:], tmp_path)
        for port in found.sentinels:
            stack.enter_context(sentinel(folders[2], port, primary))
        wait_for(lambda: all(agree(port) for port in found.sentinels), "the Sentinels do not know each other")
        yield found


def sentinel(folder: Path, port: int, primary: GuardedRedis) -> "subprocess.Popen[bytes]":
    text = (DEPLOY / "redis" / "sentinel.conf").read_text()
    for shipped, here in {
        "port 26379": f"port {port}",
        "bind * -::*": "bind 127.0.0.1",
        "redis-1.internal 6379 2": f"127.0.0.1 {primary.port} 2",
        "change-me": primary.password,
        "stepstream 30000": "stepstream 5000",
    }.items():
        assert shipped in text
        text = text.replace(shipped, here)
    home = folder / str(port)
    home.mkdir()
    (home / "sentinel.conf").write_text(text)
    with (home / "log").open("wb") as log:
        return Ended([str(debian_redis()), "sentinel.conf", "--sentinel"], cwd=home, stdout=log, stderr=log)


class Ended(subprocess.Popen[bytes]):
    """A process that is killed with the block it is started for."""

    def __exit__(self, *exception: object) -> None:
        self.kill()
        super().__exit__(*exception)  # type: ignore[arg-type]


def agree(port: int) -> bool:
    """Whether this Sentinel sees the primary, its replica, and both others."""
    try:
        with redis.Redis(port=port, protocol=2, decode_responses=True) as client:
            state = client.sentinel_master("stepstream")
    except redis.RedisError:
        return False
    return bool(state["num-slaves"] == 1 and state["num-other-sentinels"] == 2)


def test_everybody_comes_out_at_the_new_primary(watched: Watched, tmp_path: Path) -> None:
    """A task that ran, a viewer who watched, and whoever comes later: the log is 1..n and nothing was lost."""
    stack: Stack = deployment(tmp_path, watched.url("api"), NAMESPACE)
    try:
        stack.api()
        stack.environment["REDIS_URL"] = watched.url("worker")
        stack.worker()
        task_id, seen = stack.submit(GATED), list[int]()
        viewer = Thread(
            target=lambda: seen.extend(event.seq for event in Client(stack.url).follow(task_id)), daemon=True
        )
        viewer.start()
        wait_for(lambda: stack.ledger, "the step does not begin")

        watched.kill_primary()
        wait_for(watched.promoted, "the replica is not promoted")
        (tmp_path / "gate").touch()

        viewer.join(timeout=START_TIMEOUT_S)
        assert seen == list(range(1, len(seen) + 1))
        assert stack.get(f"/tasks/{task_id}")["status"] == "completed"
        later = submitted_at_last(stack)
        wait_for(lambda: stack.get(f"/tasks/{later}")["status"] == "completed", "later tasks do not run")
        steps = stack.get(f"/tasks/{task_id}")["steps"]
        assert [step["failures"] for step in steps] == [0, 0]
    finally:
        stack.stop()
    told = {"STEPSTREAM_URL": "", "REDIS_URL": watched.url("operator"), "STEPSTREAM_NAMESPACE": NAMESPACE}
    shown = CliRunner().invoke(cli, ["queues"], env=told | {"STEPSTREAM_DATA_DIR": str(tmp_path)})
    assert shown.exit_code == 0, shown.output
    assert watched.primary.password not in shown.output


def submitted_at_last(stack: Stack, **headers: str) -> str:
    """A task from whoever does as the 503 says: comes again."""
    answers: list[httpx2.Response] = []

    def accepted() -> bool:
        asked = {"task": "Do it", "plan": LINE}
        answers.append(httpx2.post(f"{stack.url}/run-task", json=asked, headers=headers, timeout=REPLY_TIMEOUT_S))
        assert answers[-1].status_code in (202, 503), answers[-1].text
        return answers[-1].status_code == 202

    wait_for(accepted, "nothing is accepted any more")
    task_id: str = answers[-1].json()["task_id"]
    return task_id


def test_nobody_is_answered_whose_task_no_replica_has(watched: Watched, tmp_path: Path) -> None:
    """202 means copied; while the replica stands still it is 503, and the same request finds its task afterwards."""
    settings = {"STEPSTREAM_REPLICAS_MIN": "1", "STEPSTREAM_REPLICAS_WAIT_MS": "1500"}
    stack: Stack = deployment(tmp_path, watched.url("api"), NAMESPACE, **settings)
    with watched.replica.client("admin") as client:
        pid = int(client.info("server")["process_id"])
    keyed = {"headers": {"Idempotency-Key": "once"}, "json": {"task": "Do it", "plan": LINE}}
    try:
        stack.api()
        copied = submitted_at_last(stack, **{"Idempotency-Key": "copied"})
        with watched.replica.client("admin") as client:
            assert client.exists(f"{{{NAMESPACE}:0}}:t:{copied}")

        os.kill(pid, signal.SIGSTOP)
        refused = httpx2.post(f"{stack.url}/run-task", timeout=REPLY_TIMEOUT_S, **keyed)
        assert (refused.status_code, refused.json()["type"]) == (503, "urn:stepstream:problem:unavailable")
        assert "Idempotency-Key" in refused.json()["detail"]
        assert int(refused.headers["Retry-After"]) > 0

        os.kill(pid, signal.SIGCONT)
        wait_for(
            lambda: httpx2.post(f"{stack.url}/run-task", timeout=REPLY_TIMEOUT_S, **keyed).is_success,
            "it is not found again",
        )
        assert stack.get("/tasks/counts")["total"] == 2
    finally:
        os.kill(pid, signal.SIGCONT)
        stack.stop()


def test_a_client_is_led_to_the_primary_only(watched: Watched) -> None:
    """Any Sentinel that answers is enough, and one that does not is passed over."""
    url = watched.url("admin").replace("127.0.0.1:", f"127.0.0.1:{free_port()},127.0.0.1:", 1)

    with redis_urls.sync_client(url, timeout_s=60, connect_timeout_s=60) as client:
        assert client.role()[0] == b"master"
        assert client.info("server")["tcp_port"] == watched.primary.port
