"""Agents that make spans of their own, fail, and ask the model."""

import anyio.lowlevel
from opentelemetry import trace

from actors.agent import Message, Retryable, StepContext, StepInput, StepOutput, agent

tracer = trace.get_tracer("own")
SECRET = "the-patient-is-called-Marlowe"


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
