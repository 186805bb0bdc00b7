"""Agents that do next to nothing, to measure everything else."""

import asyncio
import os
import time

from actors.agent import StepContext, StepInput, StepOutput, agent
from app.model.agents import AgentFunction

from .broker_actors import RECORD

_ledger = -1


@agent("noop")
async def noop(step: StepInput, ctx: StepContext) -> StepOutput:
    return StepOutput()


@agent("parked")
async def parked(step: StepInput, ctx: StepContext) -> StepOutput:
    """Sends work to a queue that a measurement lets nobody read."""
    return StepOutput()


@agent("clock")
async def clock(step: StepInput, ctx: StepContext) -> StepOutput:
    """Says in its summary when it was called and when it returned, epoch ms."""
    called_ms = time.time() * 1000
    return StepOutput(summary=f"{called_ms:.3f} {time.time() * 1000:.3f}")


@agent("marker")
async def marker(step: StepInput, ctx: StepContext) -> StepOutput:
    """Records the number before the blank: when a chain began, or, with `end` behind it, when it ended."""
    number, _, place = step.text.partition(" ")
    now = time.time()
    if place == "begin":
        record(int(number), now, 0.0)
    if place == "end":
        record(int(number), now, now)
    return StepOutput()


def record(number: int, start: float, end: float) -> None:
    """One line of the ledger, as the rivals write it."""
    global _ledger  # noqa: PLW0603  # opened once per process
    if _ledger < 0:
        _ledger = os.open(os.environ["BENCH_LEDGER"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(_ledger, RECORD.pack(number, os.getpid(), start, end))


async def nap(step: StepInput, ctx: StepContext) -> StepOutput:
    """Ten milliseconds of waiting, as for another service."""
    await asyncio.sleep(0.01)
    return StepOutput()


def declare_sized(run: AgentFunction, name: str) -> None:
    """The same agent with batches of one and of eight, on queues of their own."""
    for size in (1, 8):
        agent(f"{name}{size}", batch_size_max=size)(run)


declare_sized(noop, "noop")
declare_sized(nap, "nap")
