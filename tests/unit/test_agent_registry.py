"""Registering agents."""

import pytest

from app.model.agents import AgentRegistry, AgentSpec, StepOutput


def agent(name: str, **limits: int) -> AgentSpec:
    return AgentSpec(name=name, run=lambda step, ctx: StepOutput(), **limits)


def test_an_agent_gets_a_queue_of_its_name() -> None:
    """Without a queue of its own an agent's work goes to a queue named like it."""
    assert agent("planner").queue == "planner"


def test_two_agents_of_one_name_are_an_error() -> None:
    """A second registration of a name names both modules; the same one again is nothing new."""
    registry, first = AgentRegistry(), agent("twice")
    registry.register(first)
    registry.register(first)

    with pytest.raises(ValueError, match="registered by both"):
        registry.register(agent("twice"))
    assert registry.names == ["twice"]


@pytest.mark.parametrize("name", ["", "Upper", "1st", "a b", 'a"b', "a:b", "x" * 41])
def test_names_are_safe_to_join_into_keys_and_json(name: str) -> None:
    """A name with anything but lower-case letters, digits, dash and underscore is refused."""
    with pytest.raises(ValueError, match="valid agent"):
        agent(name)


def test_limits_are_positive() -> None:
    """A limit of zero is a mistake, and an error at import."""
    with pytest.raises(ValueError, match="at least 1"):
        agent("a", timeout_ms=0)


def test_a_backoff_above_its_maximum_is_refused() -> None:
    """A contradiction between the limits is found at import, not when the first step fails."""
    with pytest.raises(ValueError, match="backoff_ms_max"):
        agent("a", backoff_ms=500, backoff_ms_max=100)
