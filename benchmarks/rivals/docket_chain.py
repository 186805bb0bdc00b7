"""Docket: a task that adds the next, twice; `python docket_chain.py` is a worker. States live as long as by default."""

import asyncio
from datetime import timedelta

from common import STORE_URL, THREADS, begin, end
from docket import CurrentDocket, Docket, Worker


async def first(number: int, docket: Docket = CurrentDocket()) -> int:  # noqa: B008  # its way of injection
    begin(number)
    await docket.add(second)(number)
    return number


async def second(number: int, docket: Docket = CurrentDocket()) -> int:  # noqa: B008
    await docket.add(third)(number)
    return number


async def third(number: int) -> int:
    end(number)
    return number


bench = Docket(name="bench", url=STORE_URL)
for step in (first, second, third):
    bench.register(step)


def connect() -> Docket:
    return bench


async def submit(number: int) -> None:
    await bench.add(first)(number)


async def main() -> None:
    # By default a worker whose slots are all taken sleeps for 250 ms.
    interval = timedelta(milliseconds=5)
    async with bench, Worker(bench, concurrency=THREADS, minimum_check_interval=interval) as worker:
        await worker.run_forever()


if __name__ == "__main__":
    asyncio.run(main())
