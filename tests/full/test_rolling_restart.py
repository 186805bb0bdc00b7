"""Every process of an installation is replaced, again and again, while clients submit and follow through nginx."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Event as Flag
from typing import Any

import pytest
import redis

from app.access.keyring import Keyring
from app.access.principal import Scope
from app.client import Client
from app.keys import Keys
from app.model.events import Event
from tests.conformance.test_nginx import installed
from tests.deployment import EXIT_TIMEOUT_S, Stack, deployment, free_port, wait_for

pytestmark = pytest.mark.full

#: Long enough to be met by each blow.
PLAN: list[dict[str, Any]] = [
    *({"step_id": n, "agent": "pausing", "payload": "a", "depends_on": [n - 1] if n > 1 else []} for n in range(1, 9)),
    *({"step_id": n, "agent": "noop", "payload": "b", "depends_on": [1]} for n in range(9, 13)),
]
CLIENTS = 4


@dataclass
class Site:
    """Two API processes behind nginx, and two groups of workers under a main process each."""

    parts: list[Stack]
    url: str
    key: str

    def client(self) -> Client:
        return Client(self.url, api_key=self.key)


@pytest.fixture
def site(redis_url: str, namespace: str, redis_client: "redis.Redis", tmp_path: Path) -> Iterator[Site]:
    for program in ("nginx", "openssl"):
        if shutil.which(program) is None:
            if os.environ.get("CI"):
                pytest.fail(f"no {program} in CI")
            pytest.skip(f"no {program}")
    one = deployment(tmp_path, redis_url, namespace, STEPSTREAM_SHUTDOWN_GRACE_MS="300")
    (tmp_path / "other").mkdir()
    other = replace(one, folder=tmp_path / "other", port=free_port(), processes=[])
    port = free_port()
    nginx = subprocess.Popen(installed(tmp_path, port, free_port(), [one.port, other.port]))
    token, _ = Keyring(redis_client, Keys(namespace)).create(tenant="default", scopes=[Scope.ADMIN])
    yield Site([one, other], f"http://127.0.0.1:{port}", token.text)
    for part in (one, other):
        part.stop()
    nginx.terminate()
    nginx.wait(EXIT_TIMEOUT_S)


def submit_and_follow(site: Site, over: Flag) -> list[list[Event]]:
    """One task after the other, each watched from its first event to its last."""
    logs = []
    with site.client() as client:
        while not over.is_set():
            task_id = client.submit("Do it", plan=PLAN, idempotency_key=f"{id(logs)}-{len(logs)}").task_id
            logs.append(list(client.follow(task_id)))
    return logs


def replaced(part: Stack, position: int, how: signal.Signals) -> None:
    """Ends one process, politely or not, and starts its successor."""
    victim = part.processes[position]
    if how is signal.SIGKILL:
        part.kill(victim)
    else:
        victim.send_signal(how)
        assert victim.wait(timeout=EXIT_TIMEOUT_S) in (0, -signal.SIGTERM)
    part.processes[position] = part.api() if position == 0 else part.worker()
    part.processes.pop()


def test_clients_do_not_notice_that_everything_is_replaced(site: Site) -> None:
    """One half politely, the other by kill -9: each follower has exactly 1 to n of each task, each step ended once."""
    with ThreadPoolExecutor(8) as pool:
        for starts in ([part.api for part in site.parts], [part.worker for part in site.parts]):
            for started in [pool.submit(start) for start in starts]:
                started.result()
        over = Flag()
        clients: list[Future[list[list[Event]]]] = [pool.submit(submit_and_follow, site, over) for _ in range(CLIENTS)]
        wait_for(lambda: site.parts[0].answers("/healthz"), "no API")
        for part, how in zip(site.parts, (signal.SIGTERM, signal.SIGKILL), strict=True):
            for position in (0, 1):
                replaced(part, position, how)
        over.set()
        logs = [log for client in clients for log in client.result(timeout=600)]

    assert len(logs) >= CLIENTS
    for log in logs:
        assert [event.seq for event in log] == list(range(1, len(log) + 1))
        assert log[-1].type == "task.completed"
        completed = sorted(event.step_id or 0 for event in log if event.type == "step.completed")
        assert completed == list(range(1, len(PLAN) + 1))
