"""Parts of the viewers' benchmark: a server seen from outside, the process of the viewers, and who writes events."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import redis

from app import local_redis
from app.keys import Keys

from .broker_rig import wait_for
from .task_rig import server_binary
from .viewers_load import SLICES, event_body, paced

KEYS = Keys("stepstream")
#: What a transition does about an event: it is kept and pushed in one act (app/dispatch/lua/_task.lua).
APPEND = """
redis.call('XADD', KEYS[1], ARGV[1], 'e', ARGV[2])
redis.call('SPUBLISH', KEYS[1], ARGV[1] .. ' ' .. ARGV[2])
"""


@dataclass
class Process:
    """A server process, seen from outside."""

    popen: "subprocess.Popen[bytes]"
    port: int

    @property
    def cpu_s(self) -> float:
        words = Path(f"/proc/{self.popen.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def rss_kb(self) -> int:
        status = Path(f"/proc/{self.popen.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0])


@contextmanager
def served(*arguments: str, **environment: str) -> Iterator[Process]:
    """uvicorn on a free port; its log goes nowhere."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    command = [sys.executable, "-m", "uvicorn", *arguments, "--port", str(port), "--backlog", "8192"]
    popen = subprocess.Popen(
        command, env=os.environ | environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        if not wait_for(lambda: _answers(port), 60):
            raise SystemExit("the server did not start")
        yield Process(popen, port)
    finally:
        popen.terminate()
        popen.wait(30)


def _answers(port: int) -> bool:
    try:
        httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=2)
    except httpx2.TransportError:
        return False
    return True


@contextmanager
def redis_server() -> Iterator[tuple["redis.Redis", str]]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        server = local_redis.start_server(Path(server_binary()), Path(name), appendonly=False)
        client: redis.Redis = redis.Redis.from_url(server.url, protocol=2)
        try:
            yield client, server.url
        finally:
            client.close()
            server.stop()


def redis_cpu_s(client: "redis.Redis") -> float:
    info = client.info("cpu")
    return float(info["used_cpu_user"] + info["used_cpu_sys"])


class Crowd:
    """The process of the viewers (viewers_client.py); one command at a time."""

    def __init__(self, port: int, ids_file: Path) -> None:
        command = [sys.executable, "-m", "benchmarks.viewers_client", str(port), str(ids_file)]
        self._popen = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    async def __call__(self, do: str, **arguments: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self._ask, {"do": do, **arguments})

    def _ask(self, command: dict[str, Any]) -> dict[str, Any]:
        assert self._popen.stdin
        assert self._popen.stdout
        self._popen.stdin.write(json.dumps(command).encode() + b"\n")
        self._popen.stdin.flush()
        line = self._popen.stdout.readline()
        if not line:
            raise SystemExit("the viewers' process has ended")
        reply: dict[str, Any] = json.loads(line)
        return reply

    def end(self) -> None:
        self._popen.kill()
        self._popen.wait(10)


class Writer:
    """Appends to the logs of all tasks as transitions do, evenly over each second."""

    def __init__(self, client: "redis.Redis", task_ids: Sequence[str]) -> None:
        self._client = client
        self._task_ids = task_ids
        self._sha = str(client.script_load(APPEND))
        self.seq = 0

    def begin(self) -> None:
        """The tasks, as far as a stream looks at them, and one event in each log."""
        for start in range(0, len(self._task_ids), 1000):
            pipeline = self._client.pipeline(transaction=False)
            for task_id in self._task_ids[start : start + 1000]:
                pipeline.hset(KEYS.task(task_id), mapping={"tenant": "default", "status": "running"})
                pipeline.xadd(KEYS.events(task_id), {"e": event_body(task_id, 1, time.monotonic_ns())}, id="1-7")
            pipeline.execute()
        self.seq = 1

    async def write(self, seconds: int) -> None:
        for _ in range(seconds):
            self.seq += 1
            async for part in paced(SLICES):
                self._write_part(self._task_ids[part::SLICES])

    def _write_part(self, task_ids: Sequence[str]) -> None:
        if not task_ids:
            return
        pipeline = self._client.pipeline(transaction=False)
        for task_id in task_ids:
            body = event_body(task_id, self.seq, time.monotonic_ns())
            pipeline.evalsha(self._sha, 1, KEYS.events(task_id), f"{self.seq}-7", body)
        pipeline.execute()
