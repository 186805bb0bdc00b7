"""Agents that wait, make spans of their own, fail, and ask the model."""

import os

import anyio.lowlevel
from opentelemetry import trace

from actors.agent import Message, Retryable, StepContext, StepInput, StepOutput, agent

tracer = trace.get_tracer("own")


@agent("noop")
async def noop(step: StepInput, ctx: StepContext) -> StepOutput:
    return StepOutput()


@agent("gated", timeout_ms=30_000)
async def gated(step: StepInput, ctx: StepContext) -> StepOutput:
    """Notes that it began, and ends when a file of its text's name appears beside the ledger."""
    ledger = anyio.Path(os.environ["E2E_LEDGER"])
    async with await ledger.open("a") as lines:
        await lines.write(f"began {ctx.step_id} {ctx.attempt}\n")
    while not await (ledger.parent / step.text).exists():
        await ctx.progress(0, None, "waiting")
        await anyio.sleep(0.05)
    return StepOutput()


@agent("flaky", backoff_ms=1, backoff_ms_max=2)
async def flaky(step: StepInput, ctx: StepContext) -> StepOutput:
    """Fails once, with words that belong to nobody else."""
    if ctx.attempt == 1:
        raise Retryable(f"not yet: {step.text}", code="not_yet")
    return StepOutput(summary=step.text)


async def _measured() -> None:
    with tracer.start_as_current_span("own inner"):
        await anyio.lowlevel.checkpoint()


@agent("coroutine")
async def coroutine(step: StepInput, ctx: StepContext) -> StepOutput:
    with tracer.start_as_current_span("own coroutine"), ctx.tool("lookup"):
        await _measured()
    return StepOutput(summary=step.text)


@agent("threaded")
def threaded(step: StepInput, ctx: StepContext) -> StepOutput:
    with tracer.start_as_current_span("own thread"), ctx.tool("lookup"):
        ctx.sync.run(_measured)
    return StepOutput(summary=step.text)


@agent("asking")
async def asking(step: StepInput, ctx: StepContext) -> StepOutput:
    assert ctx.llm is not None
    reply = await ctx.llm.complete([Message(role="user", content=step.text)], name="answer", tokens_max=50)
    return StepOutput(summary=reply.text, text=reply.text)
