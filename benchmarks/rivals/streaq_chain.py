"""streaQ: three tasks, each depending on the one before; results are stored for five minutes, its default."""

import coredis
from common import STORE_URL, THREADS, begin, end
from streaq import Worker

coredis.Config.optimized = True  # as in its own benchmarks
worker: Worker = Worker(redis_url=STORE_URL, concurrency=THREADS)


@worker.task(silent=True)
async def first(number: int) -> int:
    begin(number)
    return number


@worker.task(silent=True)
async def second(number: int) -> int:
    return number


@worker.task(silent=True)
async def third(number: int) -> int:
    end(number)
    return number


def connect() -> Worker:
    return worker


async def submit(number: int) -> None:
    await first.enqueue(number).then(second).then(third)
