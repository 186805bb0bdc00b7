"""
How many viewers does one API process serve, and at what price?

    python -m benchmarks.viewers [--viewers 10000] [--seconds 8] [--rounds 3] [--only plain-dict,ours]

Each viewer watches a task of its own and gets one event per second: from the log of the task through Redis in our
case, from a queue in the same process where sse-starlette's plain response is measured. Then all of ours are cut and
come back at once. `unwatched`: what events cost an API process that nobody asks for them.
"""

import argparse
import asyncio
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import getrandbits
from typing import Any

import httpx2

from app.model.task import new_task_id

from .viewers_rig import Crowd, Process, Writer, redis_cpu_s, redis_server, served

WARM_UP_S = 3
WINDOW = 200
#: As `stepstream api` runs it.
OURS = ("--factory", "app.main:create_app", "--http", "app.wire:BoundedHttp", "--ws", "none", "--no-access-log")

Figures = dict[str, Any]
Load = Callable[[int], Awaitable[None]]


async def measure(process: Process, crowd: Crowd, load: Load, seconds: int, viewers: int, before_kb: int) -> Figures:
    """The price of an event while `load` gives each viewer one per second."""
    await load(WARM_UP_S)
    await asyncio.sleep(1)  # what is under way arrives
    await crowd("reset")
    cpu_s = process.cpu_s
    await load(seconds)
    await asyncio.sleep(1)
    found = await crowd("report")
    del found["cpu_s"]
    events = max(1, found["events"])
    return {
        "expected": viewers * seconds,
        **found,
        "cpu_us_per_event": round((process.cpu_s - cpu_s) / events * 1e6, 1),
        "kb_per_viewer": round((process.rss_kb - before_kb) / viewers, 1),
    }


async def plain(kind: str, ids: Path, count: int, seconds: int) -> Figures:
    with served("benchmarks.viewers_plain:app", "--no-access-log", PLAIN=kind.removeprefix("plain-")) as process:
        before_kb = process.rss_kb
        crowd = Crowd(process.port, ids)

        async def load(seconds: int) -> None:
            async with httpx2.AsyncClient(timeout=None) as http:
                await http.get(f"http://127.0.0.1:{process.port}/feed/{seconds}")

        try:
            opened = await crowd("open", window=WINDOW, seq=0)
            figures = await measure(process, crowd, load, seconds, count, before_kb)
        finally:
            crowd.end()
    return {"open_s": round(opened["seconds"], 1), **figures}


async def ours(ids: Path, task_ids: list[str], seconds: int) -> Figures:
    with redis_server() as (client, url), served(*OURS, REDIS_URL=url) as process:
        writer = Writer(client, task_ids)
        writer.begin()
        before_kb = process.rss_kb
        crowd = Crowd(process.port, ids)
        try:
            opened = await crowd("open", window=WINDOW, seq=1)
            await writer.write(1)
            client.config_resetstat()
            redis_s, first = redis_cpu_s(client), writer.seq
            figures = await measure(process, crowd, writer.write, seconds, len(task_ids), before_kb)
            written = (writer.seq - first) * len(task_ids)
            script = client.info("commandstats")["cmdstat_evalsha"]
            figures |= {
                "redis_cpu_us_per_event": round((redis_cpu_s(client) - redis_s) / written * 1e6, 1),
                "redis_in_script_us": script["usec_per_call"],
            }
            figures |= await back_at_once(crowd, writer, process)
        finally:
            crowd.end()
    return {"open_s": round(opened["seconds"], 1), **figures}


async def back_at_once(crowd: Crowd, writer: Writer, process: Process) -> Figures:
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


async def unwatched(task_ids: list[str], seconds: int) -> Figures:
    """CPU of an idle API process per second, without events and with one per second and task."""
    with redis_server() as (client, url), served(*OURS, REDIS_URL=url) as process:
        writer = Writer(client, task_ids)
        writer.begin()
        await asyncio.sleep(WARM_UP_S)
        idle_s = process.cpu_s
        await asyncio.sleep(seconds)
        idle_s = process.cpu_s - idle_s
        busy_s = process.cpu_s
        await writer.write(seconds)
        busy_s = process.cpu_s - busy_s
    return {
        "events_per_s": len(task_ids),
        "api_cpu_ms_per_s_idle": round(idle_s / seconds * 1000, 1),
        "api_cpu_ms_per_s_with_events": round(busy_s / seconds * 1000, 1),
    }


async def round_of(kind: str, ids: Path, task_ids: list[str], seconds: int) -> Figures:
    if kind == "ours":
        return await ours(ids, task_ids, seconds)
    if kind == "unwatched":
        return await unwatched(task_ids, seconds)
    return await plain(kind, ids, len(task_ids), seconds)


def table(rounds: dict[str, list[Figures]]) -> None:
    """The median of each figure, and the lowest and highest where they differ."""
    for kind, found in rounds.items():
        print(f"\n{kind}, {len(found)} rounds")
        for name in found[0]:
            values = sorted(figures[name] for figures in found)
            spread = f" ({values[0]} to {values[-1]})" if values[0] != values[-1] else ""
            print(f"  {name} {values[len(values) // 2]}{spread}")


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=10_000)
    parser.add_argument("--seconds", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="plain-dict,plain-bytes,ours,unwatched")
    arguments = parser.parse_args()
    now_ms = time.time_ns() // 1_000_000
    task_ids = [new_task_id(now_ms, getrandbits(74)) for _ in range(arguments.viewers)]
    kinds = arguments.only.split(",")
    rounds: dict[str, list[Figures]] = {kind: [] for kind in kinds}
    with tempfile.NamedTemporaryFile("w", suffix=".ids") as file:
        file.write("\n".join(task_ids))
        file.flush()
        for _ in range(arguments.rounds):
            for kind in kinds:
                figures = await round_of(kind, Path(file.name), task_ids, arguments.seconds)
                rounds[kind].append(figures)
                print(f"{kind}: " + ", ".join(f"{name} {value}" for name, value in figures.items()), flush=True)
    table(rounds)


if __name__ == "__main__":
    asyncio.run(main())
