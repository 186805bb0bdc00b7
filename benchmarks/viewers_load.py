"""The events that viewers are sent, alike for all that is measured: about 270 bytes, spread evenly over each second."""

import asyncio
from collections.abc import AsyncIterator

#: Parts of a second in which events are written.
SLICES = 50
BODY = (
    '{{"v":1,"seq":{seq},"type":"step.progress","ts":1795000047123,"task_id":"{task_id}","step_id":3,"agent":"analyzer",'
    '"attempt":1,"worker":"host:812:9f01","data":{{"current":1,"total":2,"message":"reads what was found","at":{at}}}}}'
)


def event_body(task_id: str, seq: int, at_ns: int) -> bytes:
    return BODY.format(seq=seq, task_id=task_id, at=at_ns).encode()


async def paced(parts: int) -> AsyncIterator[int]:
    """0 to `parts - 1`, evenly over one second from now on."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    for part in range(parts):
        await asyncio.sleep(max(0.0, began + part / parts - loop.time()))
        yield part
    await asyncio.sleep(max(0.0, began + 1 - loop.time()))
