"""How plans are written down: as the models' own encoders would, in less time."""

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from app.dispatch.record import step_json, step_members
from app.model.answers import Accepted, Links
from app.model.plan import OnFailure, Plan, Step
from app.model.task import TaskStatus

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
STEPS: st.SearchStrategy[Step] = st.builds(
    Step,
    step_id=st.integers(1, 99),
    agent=TEXT,
    payload=TEXT | st.dictionaries(TEXT, JSON, max_size=3),
    depends_on=st.lists(st.integers(1, 99), max_size=3).map(tuple),
    reason=st.none() | TEXT,
    timeout_ms=st.none() | st.integers(100, 1000),
    on_failure=st.sampled_from(OnFailure),
)


@given(STEPS)
def test_a_step_is_written_as_its_model_writes_it(step: Step) -> None:
    """In the event of its plan with all that is set, in its task's hash without what it waits for."""
    assert orjson.loads(orjson.dumps(step_members(step))) == step.model_dump(mode="json", exclude_none=True)
    assert orjson.loads(step_json(step)) == step.model_dump(mode="json", exclude_none=True, exclude={"depends_on"})


@given(st.lists(STEPS, min_size=1, max_size=3))
def test_an_answer_is_written_as_its_model_writes_it(steps: list[Step]) -> None:
    """Members that are not set are null, as the document of the API has it."""
    body = Accepted(
        task_id="0-1", status=TaskStatus.QUEUED, plan=Plan(planner="client", steps=tuple(steps)), links=Links.of("0-1")
    )
    written: dict[str, Any] = orjson.loads(orjson.dumps(body, default=vars))

    assert written == body.model_dump(mode="json")
    assert list(written) == list(body.model_dump())
