"""
The measure for our streams: sse-starlette's `EventSourceResponse`, each fed from a queue in the same process.

No Redis, no framework but Starlette's routing. `PLAIN=dict` gives the library events to encode, `PLAIN=bytes` what
is encoded already. Once all have connected, each gets one event per second.
"""

import asyncio
import os
import time
from collections.abc import AsyncIterator
from itertools import count

from sse_starlette import EventSourceResponse
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from benchmarks.viewers_load import SLICES, event_body, paced

ENCODED = os.environ.get("PLAIN") == "bytes"
NUMBERS = count(1)
QUEUES: dict[str, "asyncio.Queue[tuple[int, bytes]]"] = {}


async def stream(request: Request) -> Response:
    task_id = request.path_params["task_id"]
    queue = QUEUES.setdefault(task_id, asyncio.Queue())

    async def events() -> AsyncIterator[object]:
        yield b": hello\n\n" if ENCODED else {"comment": "hello"}
        while True:
            seq, body = await queue.get()
            if ENCODED:
                yield b"id: %d-7\nevent: step.progress\ndata: %b\n\n" % (seq, body)
            else:
                yield {"id": f"{seq}-7", "event": "step.progress", "data": body.decode()}

    return EventSourceResponse(events())


async def feed(request: Request) -> Response:
    """One event per second for each viewer, for so many seconds."""
    queues = list(QUEUES.items())
    for _ in range(int(request.path_params["seconds"])):
        seq = next(NUMBERS)
        async for part in paced(SLICES):
            for task_id, queue in queues[part::SLICES]:
                queue.put_nowait((seq, event_body(task_id, seq, time.monotonic_ns())))
    return PlainTextResponse("done")


app = Starlette(routes=[Route("/stream/{task_id}", stream), Route("/feed/{seconds}", feed)])
