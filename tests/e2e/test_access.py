"""Keys in the hands of real processes: one limit for all of them, and secrets that no line of a log repeats."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
import redis

from app import local_redis
from app.access.keyring import Keyring
from app.access.principal import Rates, Scope
from app.keys import Keys
from tests.deployment import LINE, REPLY_TIMEOUT_S, Stack

pytestmark = pytest.mark.full

PASSWORD = "canaryredispassword"  # it must be found nowhere
LIMIT = 20
NAMESPACE = "secrets"


@dataclass
class Deployment:
    """Two API processes and a worker on a Redis that asks for a password."""

    apis: tuple[Stack, Stack]
    server: local_redis.LocalServer
    redis: "redis.Redis"
    key: str
    told: str = ""

    def ask(self, method: str, path: str, key: str | None = None, **request: Any) -> httpx2.Response:
        """A request to the first API; what it answers is kept."""
        headers = {"Authorization": f"Bearer {key or self.key}"} | request.pop("headers", {})
        reply = httpx2.request(method, self.apis[0].url + path, headers=headers, timeout=REPLY_TIMEOUT_S, **request)
        self.told += f"{reply.headers}\n{reply.text}\n"
        return reply

    @property
    def said(self) -> str:
        """All that any process has written."""
        return "".join(path.read_text(errors="replace") for api in self.apis for path in api.folder.glob("*.log"))


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    binary = local_redis.find_binary()
    if binary is None:
        pytest.skip("no Redis server binary")
    folder: Path = tmp_path_factory.mktemp("secrets")
    server = local_redis.start_server(binary, folder / "redis")
    client = redis.Redis.from_url(server.url, protocol=2)
    client.config_set("requirepass", PASSWORD)
    url = server.url.replace("unix://", f"unix://default:{PASSWORD}@")
    client.close()
    client = redis.Redis.from_url(url, protocol=2)
    token, _ = Keyring(client, Keys(NAMESPACE)).create(tenant="a", scopes=[Scope.ADMIN], rates=Rates(read_per_min=0))
    environment = {
        "REDIS_URL": url,
        "STEPSTREAM_NAMESPACE": NAMESPACE,
        "STEPSTREAM_AGENT_MODULES": "tests.e2e.agents",
        "STEPSTREAM_AUTH": "required",
        "STEPSTREAM_DATA_DIR": str(folder / "data"),
        "STEPSTREAM_SHUTDOWN_GRACE_MS": "200",
    }
    apis = Stack(folder / "first", environment), Stack(folder / "second", environment)
    for stack in apis:
        stack.folder.mkdir()
        stack.api()
    apis[0].worker()
    yield Deployment(apis, server, client, token.text)
    for stack in apis:
        stack.stop()
    client.close()
    server.stop()


def test_two_processes_count_as_one(deployment: Deployment) -> None:
    """A burst at both at once gets through exactly as often as the key may."""
    token, _ = Keyring(deployment.redis, Keys(NAMESPACE)).create(
        tenant="b", scopes=[Scope.READ], rates=Rates(read_per_min=LIMIT)
    )
    headers = {"Authorization": f"Bearer {token.text}"}

    def ask(number: int) -> int:
        return httpx2.get(
            f"{deployment.apis[number % 2].url}/agents", headers=headers, timeout=REPLY_TIMEOUT_S
        ).status_code

    with ThreadPoolExecutor(16) as pool:
        statuses = Counter(pool.map(ask, range(3 * LIMIT)))

    assert statuses == {200: LIMIT, 429: 2 * LIMIT}


def test_no_secret_is_told_to_anybody(deployment: Deployment) -> None:
    """Not by answers, not by logs: whether keys are good, wrong or misplaced, a request is served, fails or breaks."""
    submitted = deployment.ask("POST", "/run-task", json={"task": "Do it", "plan": LINE})
    task_id = submitted.json()["task_id"]
    keyless = deployment.key[:-1] + ("a" if deployment.key[-1] != "a" else "b")
    for path in (f"/tasks/{task_id}", f"/stream/{task_id}", "/tasks", "/metrics", "/nowhere", "/openapi.json"):
        deployment.ask("GET", path)
        deployment.ask("GET", path, keyless)
        deployment.ask("GET", path, headers={"Authorization": deployment.key})
        deployment.ask("GET", f"{path}?access_token={deployment.key}")
        deployment.ask("POST", path, json={"task": 1}, headers={"X-Api-Key": deployment.key})
    deployment.redis.hset(Keys(NAMESPACE).task(task_id), "status", "nonsense")
    assert deployment.ask("GET", f"/tasks/{task_id}").status_code == 500
    deployment.redis.config_set("requirepass", "another")
    deployment.redis.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
    deployment.redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
    assert deployment.ask("GET", "/readyz").status_code >= 500
    deployment.server.stop()
    assert deployment.ask("GET", "/readyz").status_code == 503
    for stack in deployment.apis:
        stack.stop()

    assert "nonsense" in deployment.said
    secret = deployment.key.split("_")[2]
    for name, text in (("answers", deployment.told), ("logs", deployment.said)):
        for canary in (secret, keyless.split("_")[2], PASSWORD):
            assert canary not in text, (name, [line for line in text.splitlines() if canary in line][:3])
