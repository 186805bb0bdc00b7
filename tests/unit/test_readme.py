"""The README: short, quick to the point, and its example works."""

import re
from pathlib import Path
from typing import Any

import pytest

from app.dispatch.context import StepContext
from app.model.agents import registry
from app.model.events import EventData, StepProgress

TEXT = (Path(__file__).parent.parent.parent / "README.md").read_text()
LINES_MAX = 110


def test_the_first_commands_are_on_the_first_screen() -> None:
    """`make demo` and `make test` stand in the first thirty lines of about a hundred."""
    lines = TEXT.splitlines()

    assert len(lines) <= LINES_MAX
    assert any("make demo" in line for line in lines[:30])
    assert any("make test" in line for line in lines[:30])


@pytest.mark.anyio
async def test_the_example_agent_works() -> None:
    """The code a reader copies registers an agent, which reports and returns."""
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, flags=re.S)
    scope: dict[str, Any] = {"__name__": "readme_example"}
    exec(code, scope)
    reports: list[EventData] = []

    async def emit(event: EventData) -> None:
        reports.append(event)

    spec = registry["shout"]
    context = StepContext("0-t", "task", 1, "shout", 1, "key", {}, emit)
    output = await spec.run(spec.input_model(text="hello"), context)  # type: ignore[misc]

    assert output.text == "HELLO"
    assert [type(report) for report in reports] == [StepProgress]
