"""Writing an agent of one's own."""

import pytest
from pydantic import Field

from actors.agent import Permanent, Retryable, StepContext, StepInput, StepOutput, agent
from app.model.agents import registry
from tests.unit.agents.conftest import Bench

pytestmark = pytest.mark.usefixtures("clean_registry")


@pytest.mark.anyio
async def test_ten_lines_make_an_agent(bench: Bench) -> None:
    """Registered with its limits and still callable as the function it is."""

    class ShoutInput(StepInput):
        """What to shout."""

        marks: int = Field(1, ge=0)

    @agent("shouter", input_model=ShoutInput, timeout_ms=5_000, max_attempts=2, queue="loud")
    async def shout(step: ShoutInput, ctx: StepContext) -> StepOutput:
        """Repeats the text in capitals."""
        await ctx.progress(1, 1, "shouting")
        return StepOutput(summary="shouted", text=step.text.upper() + "!" * step.marks)

    spec = registry["shouter"]
    output = await bench.step("shouter", {"text": "hey", "marks": 2}, bench.context("shouter"))

    assert output.text == (await shout(ShoutInput(text="hey", marks=2), bench.context())).text == "HEY!!"
    assert (spec.queue, spec.timeout_ms, spec.max_attempts) == ("loud", 5_000, 2)
    assert spec.description == "Repeats the text in capitals."
    assert bench.emitted("step.progress")[0].message == "shouting"


def test_a_name_taken_by_another_function_is_refused() -> None:
    """Two agents of one name would share a queue."""
    with pytest.raises(ValueError, match="registered by both"):
        agent("retriever")(lambda step, ctx: StepOutput())


@pytest.mark.parametrize("wrong", [{"timeout_ms": 0}, {"max_attempts": 0}, {"queue": "No Good"}])
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    """At import, where the author sees it."""
    with pytest.raises(ValueError, match=r"at least 1|not a valid"):
        agent("fine", **wrong)(lambda step, ctx: StepOutput())  # type: ignore[arg-type]


def test_the_built_in_agents_say_what_they_do() -> None:
    """A description and a schema for each, as the API lists them."""
    for name in ("retriever", "analyzer", "writer"):
        spec = registry[name]
        assert spec.description.endswith(".")
        assert "text" in spec.input_model.model_json_schema()["properties"]
    assert issubclass(Permanent, Exception)
    assert issubclass(Retryable, Exception)
