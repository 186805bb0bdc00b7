"""A registry with the three built-in agents' input shapes, independent of their code."""

from typing import Annotated

import pytest
from pydantic import Field

from app.model.agents import AgentRegistry, AgentSpec, StepInput, StepOutput
from app.model.plan import Intent
from app.planning.validator import PlanLimits

Name = Annotated[str, Field(min_length=1, max_length=200)]


class Search(StepInput):
    """Like the retriever's input."""

    passages_max: int = Field(8, ge=1)


class Comparison(StepInput):
    """Like the analyzer's and the writer's input."""

    intent: Intent = Intent.ANSWER
    subjects: list[Name] = Field([], max_length=24)
    aspects: list[Name] = Field([], max_length=12)
    follow_ups: int = Field(3, ge=0, le=3)


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
