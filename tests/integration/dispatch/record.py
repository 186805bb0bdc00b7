"""Writes down what this version keeps: `python -m tests.integration.dispatch.record`, once per release."""

import asyncio
import json
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import redis.asyncio

from app import local_redis, redis_async
from app.dispatch.reader import TaskReader
from app.dispatch.scripts import ScriptRunner
from app.dispatch.step_store import StepStore
from app.dispatch.store import TaskStore
from app.keys import Keys
from app.model.output import OutputFormat, TaskOutput
from app.model.task import Concurrency, TaskInputs

from .conftest import DIAMOND, LIMITS, STEP_LIMITS, Bench

NAMESPACE = "golden"
FOLDER = Path(__file__).parent / "stored"
PLAN: list[dict[str, Any]] = [
    *DIAMOND,
    {
        "step_id": 5, "agent": "writer", "payload": {"text": "e"}, "depends_on": [1], "on_failure": "continue",
        "max_attempts": 3, "timeout_ms": 5000, "reason": "why",
    },
]  # fmt: skip


async def main() -> None:
    binary = local_redis.find_binary()
    assert binary
    server = local_redis.start_server(binary, Path(tempfile.mkdtemp(prefix="stepstream-record-")))
    client = redis_async.connect(server.url)
    keys = Keys(NAMESPACE)
    scripts, reader = ScriptRunner(client, keys, retry_ms_max=1000), TaskReader(client, keys, retry_ms_max=1000)
    bench = Bench(client, keys, TaskStore(scripts, LIMITS), StepStore(scripts, STEP_LIMITS), reader)
    stored = {"task_id": await under_way(bench), "keys": await everything(client)}
    text = json.dumps(stored, indent=1, ensure_ascii=False) + "\n"
    await asyncio.to_thread((FOLDER / f"{version('stepstream')}.json").write_text, text)
    await client.aclose()
    server.stop()


async def under_way(bench: Bench) -> str:
    """A task with a step that has ended, one that has failed once and one that runs."""
    task_id = await bench.submit(
        PLAN,
        inputs=TaskInputs(urls=["http://a.example/"]),
        output=TaskOutput(format=OutputFormat.JSON),
        labels={"team": "a"},
        priority=2,
        concurrency=Concurrency("team", 5),
    )
    await bench.finish(task_id, 1, "by 1")
    await bench.fail(task_id, 2, again_ms=1)
    await bench.start(task_id, 3)
    return task_id


async def everything(client: "redis.asyncio.Redis") -> dict[str, Any]:
    """All keys with their types and values."""
    names = sorted([key.decode() async for key in client.scan_iter(match=f"{{{NAMESPACE}:*")])
    return {name: await _record(client, name) for name in names}


async def _record(client: "redis.asyncio.Redis", name: str) -> dict[str, Any]:
    kind = (await client.type(name)).decode()
    match kind:
        case "hash":
            value: Any = {field.decode(): text.decode() for field, text in (await client.hgetall(name)).items()}
        case "zset":
            value = [[member.decode(), score] for member, score in await client.zrange(name, 0, -1, withscores=True)]
        case "set":
            value = sorted(member.decode() for member in await client.smembers(name))
        case "stream":
            rows = await client.xrange(name)
            value = [[row.decode(), {f.decode(): text.decode() for f, text in fields.items()}] for row, fields in rows]
        case _:
            value = (await client.get(name)).decode()
    return {"type": kind, "value": value}


if __name__ == "__main__":
    asyncio.run(main())
