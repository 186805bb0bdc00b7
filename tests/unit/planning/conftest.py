"""A registry with the three built-in agents' input shapes, independent of their code."""

from typing import Annotated

import pytest
from pydantic import Field

from app.model.agents import AgentRegistry, AgentSpec, StepInput, StepOutput
from app.planning.validator import PlanLimits


class Search(StepInput):
    """Like the retriever's input."""

    passages_max: int = Field(8, ge=1)


class Comparison(StepInput):
    """Like the analyzer's and the writer's input."""

    subjects: list[Annotated[str, Field(min_length=1, max_length=200)]] = Field([], max_length=24)


async def run(step: StepInput, ctx: object) -> StepOutput:
    return StepOutput()


@pytest.fixture(scope="session")
def registry() -> AgentRegistry:
    agents = AgentRegistry()
    for name, model in (("retriever", Search), ("analyzer", Comparison), ("writer", Comparison)):
        agents.register(AgentSpec(name, run, model))
    return agents


@pytest.fixture(scope="session")
def limits() -> PlanLimits:
    return PlanLimits(steps_max=200, payload_bytes_max=64 << 10)
