"""Agents that make the end of their worker hard; each does so in its first attempt only."""

import threading
import time

import anyio

from actors.agent import StepContext, StepInput, StepOutput, agent
from tests.e2e.agents import note

#: Longer than a process may take to end.
LONG_S = 600.0


@agent("spinning", timeout_ms=900_000)
async def spinning(step: StepInput, ctx: StepContext) -> StepOutput:
    """Keeps the event loop to itself."""
    note(f"began {ctx.task_id} {ctx.attempt}")
    end_s = time.monotonic() + (LONG_S if ctx.attempt == 1 else 0)
    while time.monotonic() < end_s:
        pass
    return StepOutput(summary="spun")


@agent("deaf", timeout_ms=900_000)
async def deaf(step: StepInput, ctx: StepContext) -> StepOutput:
    """Does not let itself be interrupted."""
    note(f"began {ctx.task_id} {ctx.attempt}")
    with anyio.CancelScope(shield=True):
        await anyio.sleep(LONG_S if ctx.attempt == 1 else 0)
    return StepOutput(summary="heard nothing")


@agent("threaded", timeout_ms=900_000)
def threaded(step: StepInput, ctx: StepContext) -> StepOutput:
    """A plain function that never asks whether it is still wanted."""
    note(f"began {ctx.task_id} {ctx.attempt}")
    threading.Event().wait(LONG_S if ctx.attempt == 1 else 0)
    return StepOutput(summary="slept")


@agent("working")
def working(step: StepInput, ctx: StepContext) -> StepOutput:
    """A plain function that takes a moment."""
    threading.Event().wait(0.1)
    return StepOutput(summary=step.text)
