"""Agents for the end-to-end tests: a user's module, loaded by STEPSTREAM_AGENT_MODULES."""

import asyncio
import os
import signal
from pathlib import Path

import anyio

from actors.agent import Permanent, StepContext, StepInput, StepOutput, agent


def note(line: str) -> None:
    """Appends a line to the ledger, which no part of the program knows."""
    with Path(os.environ["E2E_LEDGER"]).open("a") as ledger:
        ledger.write(f"{line} {os.getpid()}\n")


@agent("noop")
async def noop(step: StepInput, ctx: StepContext) -> StepOutput:
    return StepOutput(summary=step.text)


@agent("gated", timeout_ms=600_000)
async def gated(step: StepInput, ctx: StepContext) -> StepOutput:
    """Notes that it began, and ends when a file of its text's name appears beside the ledger."""
    note(f"began {ctx.step_id} {ctx.attempt}")
    gate = Path(os.environ["E2E_LEDGER"]).parent / step.text
    while not await anyio.Path(gate).exists():
        await ctx.progress(0, None, "waiting")
        await anyio.sleep(0.05)
    note(f"ended {ctx.step_id} {ctx.attempt}")
    return StepOutput(summary="opened")


@agent("pausing")
async def pausing(step: StepInput, ctx: StepContext) -> StepOutput:
    """Long enough to be killed in, and says where it is."""
    await ctx.progress(1, 2, "half")
    await anyio.sleep(0.15)
    return StepOutput(summary=step.text)


@agent("loopkiller", backoff_ms=1, backoff_ms_max=2)
async def loopkiller(step: StepInput, ctx: StepContext) -> StepOutput:
    """Ends the event loop on its first attempt, from a task of its own that nobody guards."""

    async def exit_all() -> None:
        raise SystemExit(1)

    if ctx.attempt == 1:
        ctx_task = asyncio.create_task(exit_all())
        await anyio.sleep(30)
        await ctx_task
    return StepOutput(summary="survived")


@agent("mortal")
async def mortal(step: StepInput, ctx: StepContext) -> StepOutput:
    """Takes its whole process with it when it is told to die; else it lives for a moment."""
    await anyio.sleep(0.2)
    if step.text == "die":
        os.kill(os.getpid(), signal.SIGKILL)
    return StepOutput(summary="lived")


@agent("hopeless")
async def hopeless(step: StepInput, ctx: StepContext) -> StepOutput:
    """Fails for good unless a file of its text's name lies beside the ledger."""
    if (Path(os.environ["E2E_LEDGER"]).parent / step.text).exists():
        return StepOutput(summary="there was hope", text="# Hope\n\nThere *was* some.")
    raise Permanent("there is no hope")


@agent("flaky", backoff_ms=50, backoff_ms_max=100)
async def flaky(step: StepInput, ctx: StepContext) -> StepOutput:
    """Fails once."""
    if ctx.attempt == 1:
        raise OSError("not this time")
    return StepOutput(summary=step.text)


@agent("growing")
async def growing(step: StepInput, ctx: StepContext) -> StepOutput:
    """Adds a step below its own, once what it waited for is there."""
    assert all(output.summary for output in ctx.inputs.values())
    return StepOutput(summary=step.text, steps=[{"step_id": 1, "agent": "noop", "payload": "more"}])
