"""A deployment whose parts may be killed: a Redis with its file, API processes, and a worker's part by hand."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import redis

from app import local_redis, redis_async
from app.keys import Keys
from app.local_redis import LocalServer
from tests.deployment import free_port, wait_for
from tests.integration.api.support import LINE, Worker

KEYS = Keys("stepstream")
#: Short times, so that what takes them shows soon.
SETTINGS = {"STEPSTREAM_HEARTBEAT_S": "0.2", "STEPSTREAM_SEND_S_MAX": "1"}
EXIT_S_MAX = 60.0
START_S_MAX = 180.0


@dataclass
class Api:
    """One API process."""

    process: "subprocess.Popen[bytes]"
    port: int
    log: Path

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/readyz", timeout=5).status_code == 200
        except httpx2.TransportError:
            return False

    @property
    def viewers(self) -> int:
        """How many streams it has open, as it says itself."""
        text = httpx2.get(f"{self.url}/metrics", timeout=60).text
        return int(float(text.split("\nstepstream_viewers ")[1].split()[0]))

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(EXIT_S_MAX)

    def terminate(self) -> int:
        """A polite end; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(EXIT_S_MAX)


@dataclass
class Site:
    """What a test does to a deployment, and what it reads from it."""

    folder: Path
    settings: dict[str, str] = field(default_factory=dict)
    apis: list[Api] = field(default_factory=list)
    server: LocalServer | None = None

    def start_redis(self) -> None:
        binary = local_redis.find_binary()
        assert binary is not None
        self.server = local_redis.start_server(binary, self.folder / "redis")

    def kill_redis(self) -> None:
        """kill -9; what it has acknowledged is in its append-only file."""
        assert self.server
        assert self.server.process
        self.server.process.kill()
        self.server.process.wait(EXIT_S_MAX)

    @property
    def redis_url(self) -> str:
        assert self.server
        return self.server.url

    @property
    def redis(self) -> "redis.Redis":
        return redis.Redis.from_url(self.redis_url, protocol=2)

    def start_api(self, **settings: str) -> Api:
        return self.start_apis(1, **settings)[0]

    def start_apis(self, count: int, **settings: str) -> list[Api]:
        """They start side by side."""
        found = [self._start_api(free_port(), settings) for _ in range(count)]
        for api in found:
            wait_for(api.answers, f"an API process did not start; its log is {api.log}", START_S_MAX)
        return found

    def _start_api(self, port: int, settings: dict[str, str]) -> Api:
        log = self.folder / f"api-{port}-{len(self.apis)}.log"
        environment = {"REDIS_URL": self.redis_url, "STEPSTREAM_DATA_DIR": str(self.folder)}
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "uvicorn", "--factory", "app.main:create_app", "--port", str(port)],
                env=os.environ | SETTINGS | environment | self.settings | settings, stdout=output, stderr=output,
            )  # fmt: skip
        api = Api(process, port, log)
        self.apis.append(api)
        return api

    @property
    def living(self) -> list[Api]:
        return [api for api in self.apis if api.process.poll() is None]

    def stop(self) -> None:
        for api in self.living:
            api.kill()
        if self.server:
            self.server.stop()

    def submit(self) -> str:
        reply = httpx2.post(f"{self.living[0].url}/run-task", json={"task": "Do it", "plan": LINE}, timeout=30)
        assert reply.status_code == 202, reply.text
        task_id: str = reply.json()["task_id"]
        return task_id

    def finish(self, task_id: str, *step_ids: int) -> None:
        """What a worker does to these steps."""
        asyncio.run(self._work([task_id], step_ids))

    def finish_all(self, task_ids: Sequence[str]) -> None:
        asyncio.run(self._work(task_ids, (1, 2, 3)))

    async def _work(self, task_ids: Sequence[str], step_ids: tuple[int, ...]) -> None:
        client = redis_async.connect(self.redis_url)
        async with asyncio.timeout(60):
            for task_id in task_ids:
                await Worker(client, KEYS).finish(task_id, *step_ids)
        await client.aclose()

    def finished(self) -> str:
        """A task that has ended."""
        task_id = self.submit()
        self.finish(task_id, 1, 2, 3)
        return task_id

    def ids(self, task_id: str) -> list[str]:
        """The ids of all events in the task's log."""
        return [entry_id.decode() for entry_id, _ in self.redis.xrange(KEYS.events(task_id))]

    def make_long(self, task_id: str, events: int, bytes_each: int = 64 << 10) -> None:
        """Events with much text, as agents may write them; behind what the log holds already."""
        client, key = self.redis, KEYS.events(task_id)
        first = client.xlen(key) + 1
        for seq in range(first, first + events):
            client.xadd(key, {"e": event_body(task_id, seq, "output.delta", text="x" * bytes_each)}, id=f"{seq}-7")

    def end_log(self, task_id: str) -> None:
        """A last event by hand, where no transition will write one any more."""
        client, key = self.redis, KEYS.events(task_id)
        seq = client.xlen(key) + 1
        client.xadd(key, {"e": event_body(task_id, seq, "task.completed")}, id=f"{seq}-7")

    def roll_back(self, task_id: str, keep: int) -> None:
        """The log as after a failover that has lost its tail; its next events are others under the same numbers."""
        client, key = self.redis, KEYS.events(task_id)
        rows = client.xrange(key, count=keep)
        lost = client.xlen(key)
        client.delete(key)
        for entry_id, fields in rows:
            client.xadd(key, fields, id=entry_id)
        for seq in range(keep + 1, lost + 1):
            client.xadd(key, {"e": event_body(task_id, seq, "step.progress")}, id=f"{seq}-9")


def event_body(task_id: str, seq: int, kind: str, **data: Any) -> str:
    body = {"v": 1, "seq": seq, "type": kind, "ts": seq, "task_id": task_id, "data": data}
    return json.dumps(body, separators=(",", ":"))
