"""The agents of a soak: each does what its payload says, and tells the ledger."""

import os
import signal
import threading
from typing import Any

import anyio

from actors.agent import Permanent, Retryable, StepContext, StepInput, StepOutput, agent
from app.errors import RateLimited

from .ledger import ledger

PROVIDER = "soak-provider"


class Work(StepInput):
    """What a step is to do, in this order."""

    talk: int = 0  # reports, each with a piece of text
    once: bool = False  # something that must happen once
    work_ms: int = 0
    deadly: bool = False  # kills its worker
    permanent: bool = False  # fails for good
    limited: int = 0  # so many attempts meet a rate limit
    limited_ms: int = 0
    fails: int = 0  # so many attempts fail


@agent("soak-work", input_model=Work, backoff_ms=50, backoff_ms_max=400)
async def work(step: Work, ctx: StepContext) -> StepOutput:
    """Works on the loop."""
    memo = await _once(ctx) if step.once else None
    with ledger().running(**_what(ctx), memo=memo) as run_id:
        for n in range(step.talk):
            await ctx.progress(n + 1, step.talk, "talking")
            await ctx.delta(f"piece {n} ")
        await anyio.sleep(step.work_ms / 1000)
        _misfortune(step, ctx)
    return _output(ctx, run_id)


@agent("soak-alone", input_model=Work, backoff_ms=50, backoff_ms_max=400, batch_size_max=1)
async def alone(step: Work, ctx: StepContext) -> StepOutput:
    """The same, never together with others in a message."""
    return await work(step, ctx)


@agent("soak-plain", input_model=Work, backoff_ms=50, backoff_ms_max=400)
def plain(step: Work, ctx: StepContext) -> StepOutput:
    """Works in a thread."""
    with ledger().running(**_what(ctx)) as run_id:
        threading.Event().wait(step.work_ms / 1000)
        _misfortune(step, ctx)
    return _output(ctx, run_id)


def _what(ctx: StepContext) -> dict[str, Any]:
    return {"task": ctx.task_id, "step": ctx.step_id, "attempt": ctx.attempt, "key": ctx.idempotency_key}


async def _once(ctx: StepContext) -> str:
    """Leaves one note in the ledger per execution."""

    async def note() -> str:
        ledger().write(kind="once", task=ctx.task_id, step=ctx.step_id)
        return f"{ctx.task_id}:{ctx.step_id}:{ctx.attempt}"

    return str(await ctx.once("note", note))


def _misfortune(step: Work, ctx: StepContext) -> None:
    if step.deadly:
        os.killpg(os.getpgrp(), signal.SIGKILL)
    if step.permanent:
        raise Permanent("this can never work")
    if ctx.attempt <= step.limited:
        raise RateLimited("slow down", retry_after_ms=step.limited_ms, provider=PROVIDER)
    if ctx.attempt <= step.fails:
        raise Retryable("not this time")


def _output(ctx: StepContext, run_id: str) -> StepOutput:
    parents = {str(step_id): _run_of(output) for step_id, output in ctx.inputs.items()}
    return StepOutput(summary=run_id, data={"run": run_id, "parents": parents})


def _run_of(output: StepOutput) -> Any:
    return output.data["run"] if isinstance(output.data, dict) else None
