"""
The one import an agent needs.

    from actors.agent import StepContext, StepInput, StepOutput, agent

    @agent("shouter", description="Repeats the text in capitals.", max_attempts=2)
    async def shout(step: StepInput, ctx: StepContext) -> StepOutput:
        await ctx.progress(1, 1, "shouting")
        return StepOutput(summary="shouted", text=step.text.upper())

Name the module in `STEPSTREAM_AGENT_MODULES`: the API and the workers import it, and the import
registers the agent; docs/agents.md has a whole example, `actors.testing` runs an agent without a worker.
An agent may be called again for a step it has run before, so what it does outside must bear that: hand
`ctx.idempotency_key` on. It raises `Permanent` for input that can never work and `Retryable` for passing
trouble, `RateLimited` when a provider asks for patience; anything else it raises counts as `Retryable`.
"""

import inspect
from collections.abc import Callable
from typing import TypedDict, TypeVar, Unpack

from pydantic import BaseModel

from app.dispatch.context import StepContext
from app.errors import LlmUnusable, Permanent, RateLimited, Retryable
from app.llm.fence import DATA_RULE, fenced
from app.model.agents import AgentFunction, AgentSpec, StepInput, StepOutput, registry
from app.model.llm import Llm, Message, Reply

__all__ = [
    "DATA_RULE",
    "AgentLimits",
    "Llm",
    "LlmUnusable",
    "Message",
    "Permanent",
    "RateLimited",
    "Reply",
    "Retryable",
    "StepContext",
    "StepInput",
    "StepOutput",
    "agent",
    "fenced",
]

Function = TypeVar("Function", bound=AgentFunction)


class AgentLimits(TypedDict, total=False):
    """What else may be set; `AgentSpec` has the defaults. An empty queue or provider means the agent's own."""

    timeout_ms: int
    max_attempts: int
    backoff_ms: int
    backoff_ms_max: int
    batch_size_max: int
    deferrals_max: int
    queue: str
    provider: str
    gathers: bool
    output_model: type[BaseModel]


def agent(
    name: str, *, input_model: type[StepInput] = StepInput, description: str = "", **limits: Unpack[AgentLimits]
) -> Callable[[Function], Function]:
    """
    Registers the function below as the agent `name` and leaves it callable as it is.

    Without a description the first line of the function's docstring is taken.
    """

    def register(run: Function) -> Function:
        text = description or (inspect.getdoc(run) or "").partition("\n")[0]
        registry.register(AgentSpec(name, run, input_model=input_model, description=text, **limits))
        return run

    return register
