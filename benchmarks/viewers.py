"""
How many viewers does one API process serve, and at what price?

    python -m benchmarks.viewers [--viewers 10000] [--seconds 10] [--only plain-dict,plain-bytes,ours]

Each viewer watches a task of its own and gets one event per second: from the log of the task through Redis in our
case, from a queue in the same process where sse-starlette's plain response is measured. Then all of ours are cut and
come back at once.
"""

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import getrandbits
from typing import Any

import httpx2
import redis

from app import local_redis
from app.keys import Keys
from app.model.task import new_task_id

from .broker_rig import wait_for
from .task_rig import server_binary
from .viewers_load import SLICES, event_body, paced

KEYS = Keys("stepstream")
WARM_UP_S = 3
WINDOW = 200
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


@dataclass
class Figures:
    """What one kind of stream was measured at."""

    kind: str
    values: dict[str, Any] = field(default_factory=dict)


@contextmanager
def served(*arguments: str, **environment: str) -> Iterator[Process]:
    """uvicorn on a free port, told to log nothing but trouble."""
    port = _free_port()
    command = [sys.executable, "-m", "uvicorn", *arguments, "--port", str(port), "--log-level", "warning"]
    popen = subprocess.Popen([*command, "--backlog", "8192"], env=os.environ | environment)
    process = Process(popen, port)
    try:
        if not wait_for(lambda: _answers(port), 30):
            raise SystemExit("the server did not start")
        yield process
    finally:
        popen.terminate()
        popen.wait(30)


def _free_port() -> int:
    import socket

    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _answers(port: int) -> bool:
    try:
        httpx2.get(f"http://127.0.0.1:{port}/healthz", timeout=2)
    except httpx2.TransportError:
        return False
    return True


class Crowd:
    """The client process; one command at a time."""

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
        reply: dict[str, Any] = json.loads(self._popen.stdout.readline() or b'{"failed": true}')
        if "failed" in reply:
            raise SystemExit("the viewers' process has ended")
        return reply

    def end(self) -> None:
        self._popen.kill()
        self._popen.wait(10)


class Writer:
    """Appends to the logs of all tasks, as transitions do."""

    def __init__(self, client: "redis.Redis", task_ids: Sequence[str]) -> None:
        self._client = client
        self._task_ids = task_ids
        self._append = client.register_script(APPEND)
        self.seq = 0

    def begin(self) -> None:
        """The tasks, and one event in each log."""
        for start in range(0, len(self._task_ids), 1000):
            pipeline = self._client.pipeline(transaction=False)
            for task_id in self._task_ids[start : start + 1000]:
                pipeline.hset(KEYS.task(task_id), mapping={"tenant": "default", "status": "running"})
                pipeline.xadd(KEYS.events(task_id), {"e": event_body(task_id, 1, time.monotonic_ns())}, id="1-7")
            pipeline.execute()
        self.seq = 1
        self._client.script_load(APPEND)

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
            pipeline.evalsha(self._append.sha, 1, KEYS.events(task_id), f"{self.seq}-7", body)
        pipeline.execute()


async def measure(process: Process, crowd: Crowd, load: Any, seconds: int, figures: Figures, before_kb: int) -> None:
    """The price of an event while `load` gives each viewer one per second."""
    values = figures.values
    await load(WARM_UP_S)
    await crowd("reset")
    cpu_s = process.cpu_s
    client_s = (await crowd("report"))["cpu_s"]
    await load(seconds)
    await asyncio.sleep(0.5)
    values |= await crowd("report")
    values["client_cpu_us"] = round((values.pop("cpu_s") - client_s) / max(1, values["events"]) * 1e6, 1)
    values["cpu_us_per_event"] = round((process.cpu_s - cpu_s) / max(1, values["events"]) * 1e6, 1)
    values["kb_per_viewer"] = round((process.rss_kb - before_kb) / values["viewers"], 1)


async def plain(kind: str, ids: Path, count: int, seconds: int) -> Figures:
    figures = Figures(kind, {"viewers": count})
    with served("benchmarks.viewers_plain:app", PLAIN=kind.removeprefix("plain-")) as process:
        before_kb = process.rss_kb
        crowd = Crowd(process.port, ids)

        async def load(seconds: int) -> None:
            async with httpx2.AsyncClient(timeout=None) as http:
                await http.get(f"http://127.0.0.1:{process.port}/feed/{seconds}")

        try:
            figures.values["open_s"] = round((await crowd("open", window=WINDOW, seq=0))["seconds"], 1)
            await measure(process, crowd, load, seconds, figures, before_kb)
        finally:
            crowd.end()
    return figures


async def ours(ids: Path, task_ids: list[str], seconds: int) -> Figures:
    figures = Figures("ours", {"viewers": len(task_ids)})
    with _server() as (client, url), served("--factory", "app.main:create_app", REDIS_URL=url) as process:
        writer = Writer(client, task_ids)
        writer.begin()
        before_kb = process.rss_kb
        crowd = Crowd(process.port, ids)
        try:
            figures.values["open_s"] = round((await crowd("open", window=WINDOW, seq=1))["seconds"], 1)
            await measure(process, crowd, writer.write, seconds, figures, before_kb)
            figures.values |= await back_at_once(crowd, writer, process)
        finally:
            crowd.end()
    return figures


async def back_at_once(crowd: Crowd, writer: Writer, process: Process) -> dict[str, Any]:
    """All are cut, one event is written, all come back."""
    await crowd("drop")
    await writer.write(1)
    await crowd("reset")
    cpu_s = process.cpu_s
    reply = await crowd("open", window=1 << 20, seq=writer.seq)
    return {
        "back_s": round(reply["seconds"], 2), "back_lost": reply["lost"], "back_refused": reply["refused"],
        "back_cpu_s": round(process.cpu_s - cpu_s, 2),
    }  # fmt: skip


@contextmanager
def _server() -> Iterator[tuple["redis.Redis", str]]:
    with tempfile.TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        server = local_redis.start_server(Path(server_binary()), Path(name), appendonly=False)
        client: redis.Redis = redis.Redis.from_url(server.url, protocol=2)
        try:
            yield client, server.url
        finally:
            client.close()
            server.stop()


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--only", default="plain-dict,plain-bytes,ours")
    arguments = parser.parse_args()
    now_ms = time.time_ns() // 1_000_000
    task_ids = [new_task_id(now_ms, getrandbits(74)) for _ in range(arguments.viewers)]
    with tempfile.NamedTemporaryFile("w", suffix=".ids") as file:
        file.write("\n".join(task_ids))
        file.flush()
        for kind in arguments.only.split(","):
            ids = Path(file.name)
            if kind == "ours":
                print(await ours(ids, task_ids, arguments.seconds), flush=True)
            else:
                print(await plain(kind, ids, len(task_ids), arguments.seconds), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
