"""
Submits chains through a queue's own interface, a few at a time.

    python submit.py MODULE FIRST COUNT

MODULE has `connect()`, a context manager, and `submit(number)`; both are asynchronous or neither is. Prints one line
of JSON: when the first call began and how long all of them took.
"""

import asyncio
import importlib
import inspect
import json
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from types import ModuleType

SUBMITTERS = 8


def in_threads(program: ModuleType, numbers: range) -> dict[str, float]:
    with program.connect(), ThreadPoolExecutor(SUBMITTERS) as pool:
        began, clock = time.time(), time.perf_counter()
        list(pool.map(program.submit, numbers))
        return {"began": began, "seconds": time.perf_counter() - clock}


async def in_tasks(program: ModuleType, numbers: range) -> dict[str, float]:
    waiting = iter(numbers)
    async with program.connect():
        began, clock = time.time(), time.perf_counter()
        await asyncio.gather(*(submit_from(program, waiting) for _ in range(SUBMITTERS)))
        return {"began": began, "seconds": time.perf_counter() - clock}


async def submit_from(program: ModuleType, waiting: Iterator[int]) -> None:
    for number in waiting:
        await program.submit(number)


def main() -> None:
    program = importlib.import_module(sys.argv[1])
    first, count = int(sys.argv[2]), int(sys.argv[3])
    numbers = range(first, first + count)
    if inspect.iscoroutinefunction(program.submit):
        print(json.dumps(asyncio.run(in_tasks(program, numbers))))
    else:
        print(json.dumps(in_threads(program, numbers)))


if __name__ == "__main__":
    main()
